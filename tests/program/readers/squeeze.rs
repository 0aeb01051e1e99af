//! `ctrecorder squeeze`: flows in a file of their own.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use ctrecorder_format::{Cause, Closing, Counters, Header, Kind, Note, Record, Segment as Read};
use tempfile::TempDir;

use super::sample::{BEGIN, NS, Segment, golden, header, run, v4, v6};
use crate::program::Answer;

/// Panics unless a squeeze into this file is done, and says nothing but what it made.
pub fn is_done(squeezed: &Answer, output: &Path) {
    is_said(squeezed, output, "");
}

/// The same where the output stands beside its input.
pub fn is_done_beside(squeezed: &Answer, output: &Path) {
    is_said(squeezed, output, "; who reads its directory passes it over as long as its input is there");
}

fn is_said(Answer { status, stdout, stderr }: &Answer, output: &Path, further: &str) {
    assert_eq!((*status, stdout.as_str()), (0, ""), "{stderr}");
    let bytes = fs::metadata(output).unwrap().len();
    let [begin, end] = [
        format!("ctrecorder: {}: ", output.display()),
        format!(" squeezed into 1 file of {bytes} bytes together, {} % of what came in{further}\n", percent_of(stderr)),
    ];
    let said = stderr.strip_prefix(&begin).and_then(|rest| rest.strip_suffix(&end));
    assert!(said.is_some_and(|flows| !flows.contains('\n')), "{stderr}");
}

/// How many percent of its inputs an output has, as it is said.
fn percent_of(stderr: &str) -> u64 {
    stderr.split_once(" % of ").and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok()).unwrap()
}

/// What a file lists as, without header.
fn list(options: &str, path: &Path) -> String {
    let listed = run(["list".as_ref(), OsStr::new(options), path.as_os_str()]);
    assert_eq!((listed.status, listed.stderr.as_str()), (0, ""));
    listed.stdout
}

#[test]
fn version_2_becomes_version_3_and_version_2_again() {
    for name in ["tcp", "udp"] {
        let directory = TempDir::new().unwrap();
        let input = directory.path().join("in.ct");
        fs::copy(golden(&format!("{name}.ct")), &input).unwrap();
        let squeezed = directory.path().join("in.sq.ct");
        is_done_beside(&run(["-S".as_ref(), "-f".as_ref(), input.as_os_str()]), &squeezed);
        assert_eq!(list("-H", &squeezed), list("-sH", &input));
        assert_eq!(run(["test".as_ref(), squeezed.as_os_str()]).status, 0);

        let old = directory.path().join("old");
        let words = ["squeeze".as_ref(), "--legacy".as_ref(), "-o".as_ref(), old.as_os_str(), squeezed.as_os_str()];
        is_done(&run(words), &old);
        assert_eq!(list("-H", &old), list("-sH", &input));
        // The order of the lines apart, this has all that the C program's own squeeze has.
        let header = |path: &Path| run(["header".as_ref(), path.as_os_str()]).stdout;
        assert_eq!(header(&old), header(&golden(&format!("{name}.combined.ct"))));
        assert_eq!(fs::read(&input).unwrap(), fs::read(golden(&format!("{name}.ct"))).unwrap());
    }
}

/// Two segments with both families, counters, a gap, and flows that are not whole.
pub fn journal(directory: &Path) {
    let counters = Counters { original_bytes: 500.into(), ..Counters::default() };
    let mut first = header(0, None);
    first.counters = true;
    let (bytes, digest) = Segment::new(&first)
        .push(&v4(Kind::Open, 1, 0))
        .push(&v6(Kind::Start, 1, 1))
        .push(&v4(Kind::Start, 2, 2))
        .counted(&v4(Kind::End, 1, 3), &counters)
        .note(&Note::gap(BEGIN + 4 * NS, BEGIN + 5 * NS, 12, Cause::QueueFull))
        .push(&v4(Kind::End, 9, 6))
        .closed(Closing::WentOn);
    fs::write(directory.join("1.ct"), bytes).unwrap();
    let second = Segment::new(&header(1, Some(digest)))
        .push(&v4(Kind::Open, 2, 2))
        .push(&v6(Kind::Open, 1, 1))
        .seal()
        .push(&v6(Kind::End, 1, 601))
        .push(&v4(Kind::Start, 3, 602));
    fs::write(directory.join("2.ct"), second.stopped()).unwrap();
}

#[test]
fn a_journal_becomes_one_file_with_its_gaps_and_counters() {
    let directory = TempDir::new().unwrap();
    let segments = directory.path().join("segments");
    fs::create_dir(&segments).unwrap();
    journal(&segments);

    let refused = run(["squeeze".as_ref(), segments.as_os_str()]);
    assert_eq!(refused.status, 2);
    assert!(refused.stderr.contains("say with -o"), "{}", refused.stderr);

    let output = directory.path().join("all.ct");
    is_done(&run(["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), segments.as_os_str()]), &output);
    let sorted = |text: String| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let [flows, segments_squeezed] =
        [&output, &segments].map(|path| run(["list".as_ref(), "-sH".as_ref(), path.as_os_str()]));
    assert_eq!(sorted(flows.stdout), sorted(segments_squeezed.stdout));
    assert!(flows.stderr.contains("all.ct: gap from 2027.01.15 08:00:04.000000 to "), "{}", flows.stderr);

    let bytes = fs::read(&output).unwrap();
    let segment = Read::open(&bytes).unwrap();
    let (header, totals) = (segment.header().unwrap(), segment.footer().unwrap().totals);
    assert_eq!((header.host.as_str(), header.counters, header.previous), ("nat1", true, None));
    assert_eq!((totals.flows, totals.ipv4, totals.ipv6, totals.records()), (5, 4, 1, 5));
    // Its gap, and four spans before, between and behind gaps in which the kernel's table was not read.
    assert_eq!((totals.notes, totals.lost, totals.closing), (5, 12, Closing::Complete));
    let counted = segment.blocks().any(|block| match block.unwrap().body {
        ctrecorder_format::Body::Ipv4(records) => records
            .iter()
            .any(|(flow, counters)| flow.original.sport.get() == 1 && counters.unwrap().original_bytes.get() == 500),
        _ => false,
    });
    assert!(counted);

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&output).unwrap().permissions().mode() & 0o7777, 0o640);
    }
}

/// What is asked of whole flows is asked once they are paired, as by `list -s`.
#[test]
fn only_what_was_asked_for_is_squeezed_and_the_header_tells() {
    let directory = TempDir::new().unwrap();
    let segments = directory.path().join("segments");
    fs::create_dir(&segments).unwrap();
    journal(&segments);
    let output = directory.path().join("out");
    for (options, count, filter) in [
        (&["-p", "1"][..], 2, "port 1"),
        (
            &["--min-duration", "3s", "--where", "ip fd00::/8 or lasts 600s"],
            1,
            "lasts 3s and (ip fd00::/8 or lasts 10m)",
        ),
        (&["--at", "@1800000004"], 3, "at 2027-01-15T08:00:04Z"),
        // The protocols have a place of their own in the header.
        (&["--until", "@1800000001", "--proto", "tcp"], 3, "before 2027-01-15T08:00:01Z"),
        (&["--zone", "9"], 0, "zone 9"),
    ] {
        let asked = |words: &[&OsStr]| run(words.iter().copied().chain(options.iter().map(AsRef::as_ref)));
        let squeezed = asked(&["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), segments.as_os_str()]);
        is_done(&squeezed, &output);
        let sorted = |answer: Answer| {
            assert_eq!(answer.status, 0, "{}", answer.stderr);
            let mut lines: Vec<_> = answer.stdout.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let flows = sorted(run(["list".as_ref(), "-H".as_ref(), output.as_os_str()]));
        assert_eq!(flows, sorted(asked(&["list".as_ref(), "-sH".as_ref(), segments.as_os_str()])));
        assert_eq!(flows.len(), count, "{flows:?}");
        let header = run(["header".as_ref(), output.as_os_str()]).stdout;
        assert!(header.contains(&format!("\n.filters: {filter}\n")), "{header}");
        assert_eq!(run(["test".as_ref(), output.as_os_str()]).status, 0);
        fs::remove_file(&output).unwrap();
    }

    // A file of version 2 has no place for the filter, and a time without a zone is somebody's.
    let input = golden("tcp.ct");
    let words = ["squeeze", "--legacy", "--since", "2000-01-01", "-o"].map(OsStr::new);
    let squeezed = run(words.into_iter().chain([output.as_os_str(), input.as_os_str()]));
    let said = "ctrecorder: --since 2000-01-01 is taken as local time: 2000-01-01T00:00:00Z\n\
                ctrecorder: a file of version 2 cannot tell that it has only what was asked for: after 2000-01-01T00:00:00Z\n";
    assert!(squeezed.status == 0 && squeezed.stderr.starts_with(said), "{}", squeezed.stderr);
    // Of two that are squeezed one after the other, both tell.
    let [first, second] = ["first", "second"].map(|name| directory.path().join(name));
    for (filter, output, input) in [("port 443", &first, &input), ("nat", &second, &first)] {
        let words = ["squeeze".as_ref(), "--where".as_ref(), filter.as_ref(), "-o".as_ref(), output.as_os_str()];
        is_done(&run(words.into_iter().chain([input.as_os_str()])), output);
    }
    let header = run(["header".as_ref(), second.as_os_str()]).stdout;
    assert!(header.contains("\n.filters: port 443; nat\n"), "{header}");
}

/// Times that are read and times that are shown.
#[test]
fn a_squeeze_has_the_zone_that_was_asked_for() {
    let directory = TempDir::new().unwrap();
    let [input, output] = ["in.ct", "out.ct"].map(|name| directory.path().join(name));
    let gap = Note::gap(BEGIN + 10 * NS, BEGIN + 20 * NS, 4, Cause::KernelOverrun);
    fs::write(&input, Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).note(&gap).stopped()).unwrap();
    let words = ["squeeze", "--legacy", "--tz", "Europe/Warsaw", "--since", "2027-01-15 09:00:01", "-o"];
    let squeezed = run(words.map(OsStr::new).into_iter().chain([output.as_os_str(), input.as_os_str()]));
    assert_eq!(squeezed.status, 0, "{}", squeezed.stderr);
    assert!(squeezed.stderr.contains("only what was asked for: after 2027-01-15T08:00:01Z\n"), "{}", squeezed.stderr);
    assert!(squeezed.stderr.contains("gap from 2027.01.15 09:00:10.000000 to "), "{}", squeezed.stderr);
    assert!(!squeezed.stderr.contains("local time"), "{}", squeezed.stderr);
}

#[test]
fn what_version_2_cannot_hold_is_refused() {
    let directory = TempDir::new().unwrap();
    journal(directory.path());
    let output = directory.path().join("old");
    let squeeze = |options: &[&str]| {
        let words = ["squeeze", "--legacy"].iter().chain(options).map(AsRef::as_ref);
        let inputs = [directory.path().join("1.ct"), directory.path().join("2.ct")];
        run(words.chain(["-o".as_ref(), output.as_os_str(), inputs[0].as_os_str(), inputs[1].as_os_str()]))
    };
    let refused = squeeze(&[]);
    let said = format!(
        "ctrecorder: {}: not written: a file of version 2 holds IPv4 only, and here are IPv6 flows: \
         leave them out with --family ipv4\n",
        output.display()
    );
    assert_eq!(refused.status, 5);
    assert!(refused.stderr.ends_with(&said), "{}", refused.stderr);
    assert!(!output.exists());
    // Nothing else was left behind.
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);

    // It cannot hold the gap either: that is said.
    let squeezed = squeeze(&["--family", "ipv4"]);
    assert_eq!(squeezed.status, 0);
    assert!(squeezed.stderr.contains("1.ct: gap from "), "{}", squeezed.stderr);
    assert_eq!(list("-H", &output).lines().count(), 4);

    let mut mixed = header(0, None);
    mixed.protocols = vec![];
    let mut udp = v4(Kind::Start, 2, 2);
    udp.protocol = 17;
    let mixed = Segment::new(&mixed).push(&v4(Kind::Start, 1, 1)).push(&udp).stopped();
    let mixed_path = directory.path().join("mixed");
    fs::write(&mixed_path, mixed).unwrap();
    let refused = run(["squeeze".as_ref(), "--legacy".as_ref(), mixed_path.as_os_str()]);
    assert_eq!(refused.status, 5);
    assert!(refused.stderr.contains("choose one with --proto"), "{}", refused.stderr);
    let squeezed = directory.path().join("mixed.sq");
    // The second is how it was called once.
    for option in ["--proto", "--protocol"] {
        let _ = fs::remove_file(&squeezed);
        let words = ["squeeze", "--legacy", option, "udp"].map(OsStr::new);
        let told = run(words.into_iter().chain([mixed_path.as_os_str()]));
        is_said(&told, &squeezed, "; a listing of its directory has its flows twice now");
    }
    let header = run(["header".as_ref(), squeezed.as_os_str()]);
    assert!(header.stdout.contains("\n.proto: 0x11 (udp)\n"), "{}", header.stdout);
    assert_eq!(list("-H", &squeezed).lines().count(), 1);
}

/// How many flows, in how many bytes, of how many.
#[test]
fn what_was_made_is_said() {
    let directory = TempDir::new().unwrap();
    let segments = directory.path().join("segments");
    fs::create_dir(&segments).unwrap();
    journal(&segments);
    let (file, into) = (directory.path().join("all.ct"), directory.path().join("sq"));
    fs::create_dir(&into).unwrap();
    let squeeze = |output: &Path| run(["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), segments.as_os_str()]);
    let lengths = |path: &Path| -> u64 {
        let length = |path: &Path| fs::metadata(path).unwrap().len();
        if path.is_dir() {
            fs::read_dir(path).unwrap().map(|entry| length(&entry.unwrap().path())).sum()
        } else {
            length(path)
        }
    };
    // Two of them are left open in the directory.
    for (output, flows, files) in [(&file, 5, "1 file"), (&into, 3, "2 files")] {
        let squeezed = squeeze(output);
        let bytes = lengths(output);
        let percent = 100.0 * bytes as f64 / lengths(&segments) as f64;
        let (output, made) = (output.display(), format!("squeezed into {files} of {bytes} bytes together"));
        let said = format!("ctrecorder: {output}: {flows} flows {made}, {percent:.0} % of what came in\n");
        assert!(squeezed.status == 0 && squeezed.stderr.starts_with(&said), "{} {said}", squeezed.stderr);
    }
    // Where nothing is made, nothing is said of that.
    assert!(!squeeze(&into).stderr.contains(" squeezed into "));
}

#[test]
fn nothing_is_ever_overwritten() {
    let directory = TempDir::new().unwrap();
    let input = directory.path().join("in.ct");
    let bytes = Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).stopped();
    fs::write(&input, &bytes).unwrap();
    let output = directory.path().join("in.sq.ct");
    fs::write(&output, "precious").unwrap();
    for words in [
        &["squeeze".as_ref(), input.as_os_str()][..],
        &["-S".as_ref(), "-f".as_ref(), input.as_os_str(), "-o".as_ref(), output.as_os_str()],
        &["squeeze".as_ref(), "-o".as_ref(), input.as_os_str(), input.as_os_str()],
    ] {
        let refused = run(words);
        assert_eq!(refused.status, 5);
        assert!(refused.stderr.ends_with(": not written: it exists already, and nothing is overwritten\n"));
    }
    assert_eq!(fs::read(&input).unwrap(), bytes);
    assert_eq!(fs::read(&output).unwrap(), b"precious");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn what_is_missing_in_a_journal_is_missing_in_its_squeezed_form() {
    let directory = TempDir::new().unwrap();
    let segment =
        |number, second| Segment::new(&header(u64::from(number), None)).push(&v4(Kind::Start, number, second));
    let first = segment(0, 1).closed_at(Closing::WentOn, 600).0;
    // The second one is not there, the third was cut off: up to there the output tells of flows.
    let third = segment(2, 1230).cut_off();
    fs::write(directory.path().join("0.ct"), first).unwrap();
    fs::write(directory.path().join("2.ct"), third).unwrap();
    let output = directory.path().join("out");
    let squeezed = run(["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), directory.path().as_os_str()]);
    assert_eq!(squeezed.status, 0);
    for said in ["2.ct: segment 1 is missing between ", "2.ct: no footer: cut off, or still being written\n"] {
        assert!(squeezed.stderr.contains(said), "{}", squeezed.stderr);
    }
    let listed = run(["list".as_ref(), "-H".as_ref(), output.as_os_str()]);
    assert_eq!((listed.status, listed.stdout.lines().count()), (0, 2));
    let gap = "gap from 2027.01.15 08:10:00.000000 to 2027.01.15 08:20:00.000000: source damaged or incomplete, \
               number of events lost not known\n";
    assert!(listed.stderr.ends_with(gap), "{}", listed.stderr);
    let bytes = fs::read(&output).unwrap();
    assert_eq!(Read::open(&bytes).unwrap().footer().unwrap().totals.closed, BEGIN + 1230 * NS);
}

#[test]
fn a_choice_that_leaves_nothing_is_refused() {
    let directory = TempDir::new().unwrap();
    let input = directory.path().join("in.ct");
    fs::copy(golden("tcp.ct"), &input).unwrap();
    for choice in [["--proto", "udp"], ["--family", "ipv6"]] {
        let mut words = vec![OsStr::new("squeeze")];
        words.extend(choice.map(OsStr::new));
        let refused = run(words.into_iter().chain([input.as_os_str()]));
        assert_eq!(refused.status, 5);
        assert!(refused.stderr.contains("nothing of the protocols and families chosen"), "{}", refused.stderr);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

/// A flow of a keyframe whose start the kernel did not tell, and whose end did not come.
#[test]
fn a_flow_without_any_time_is_kept_and_the_file_is_whole() {
    let directory = TempDir::new().unwrap();
    let mut timeless = v4(Kind::Open, 1, 0);
    timeless.start = 0.into();
    let input = directory.path().join("in.ct");
    fs::write(&input, Segment::new(&header(0, None)).push(&timeless).push(&v4(Kind::Start, 2, 5)).stopped()).unwrap();
    let output = directory.path().join("in.sq.ct");
    is_done_beside(&run(["squeeze".as_ref(), input.as_os_str()]), &output);
    assert_eq!(list("-H", &output).lines().count(), 2);
    assert_eq!(run(["test".as_ref(), output.as_os_str()]).status, 0);
    // It tells of flows up to when its input was closed, not up to now.
    let bytes = fs::read(&output).unwrap();
    assert_eq!(Read::open(&bytes).unwrap().footer().unwrap().totals.closed, BEGIN + 3600 * NS);
}

/// Version 2 has no place for such flows: each is told, and the others are there.
#[test]
fn flows_without_any_time_are_left_out_of_version_2_and_told() {
    let directory = TempDir::new().unwrap();
    let [input, output] = ["in.ct", "old.ct"].map(|name| directory.path().join(name));
    let squeeze = |numbers: &[u16]| {
        let segment = Segment::new(&header(0, None)).push(&v4(Kind::Start, 100, 5));
        let timeless = |number: &u16| Record { start: 0.into(), ..v4(Kind::Open, *number, 0) };
        let segment = numbers.iter().map(timeless).fold(segment, |segment, flow| segment.push(&flow));
        fs::write(&input, segment.push(&v4(Kind::End, 100, 6)).stopped()).unwrap();
        let words = ["squeeze".as_ref(), "--legacy".as_ref(), "-o".as_ref(), output.as_os_str(), input.as_os_str()];
        let squeezed = run(words);
        assert_eq!((squeezed.status, squeezed.stdout.as_str()), (5, ""));
        assert_eq!(list("-H", &output).lines().count(), 1);
        fs::remove_file(&output).unwrap();
        // The last line says what was made.
        squeezed.stderr.rsplit_once("ctrecorder: ").unwrap().0.to_owned()
    };
    let shown = output.display();
    let one = format!(
        "ctrecorder: {shown}: left out, as neither its start nor its end is known: src=10.0.0.1:1 dst=198.51.100.7:443 \
         src=198.51.100.7:443 dst=203.0.113.1:1\n\
         ctrecorder: {shown}: 1 flow is left out: version 2 has no place for a flow without a time\n"
    );
    assert_eq!(squeeze(&[1]), one);
    let many: Vec<_> = (1..=40).collect();
    let told = squeeze(&many);
    assert_eq!(told.lines().filter(|line| line.contains("neither its start nor its end")).count(), 16);
    assert!(told.ends_with(": 40 flows are left out: version 2 has no place for a flow without a time\n"), "{told}");
}

/// An input of a version that is not known holds flows that the output does not.
#[test]
fn an_input_that_cannot_be_read_is_missing_in_the_output() {
    let directory = TempDir::new().unwrap();
    // Of different runs, so that no chain tells what is missing.
    let segment = |boot: u8, second| {
        let mut header = header(0, None);
        (header.boot_id, header.created) = ([boot; 16], BEGIN + (second - 1) * NS);
        Segment::new(&header).push(&v4(Kind::Start, 1, second)).stopped()
    };
    let mut newer = segment(2, 700);
    newer[7] = 9;
    let crc = crc32fast::hash(&[&newer[..60], &newer[64..header_length(&newer)]].concat());
    newer[60..64].copy_from_slice(&crc.to_le_bytes());
    let paths = ["0", "1", "2"].map(|name| directory.path().join(name));
    for (path, bytes) in paths.iter().zip([segment(1, 1), newer, segment(3, 1201)]) {
        fs::write(path, bytes).unwrap();
    }
    let output = directory.path().join("out");
    let words = [OsStr::new("squeeze"), OsStr::new("-o"), output.as_os_str()];
    let squeezed = run(words.into_iter().chain(paths.iter().map(|path| path.as_os_str())));
    assert_eq!(squeezed.status, 5);
    assert!(squeezed.stderr.contains("version 9 is not known"), "{}", squeezed.stderr);
    let listed = run(["list".as_ref(), "-H".as_ref(), output.as_os_str()]);
    let gap = "gap from 2027.01.15 08:00:01.000000 to 2027.01.15 08:20:00.000000: source damaged or incomplete";
    assert!(listed.stderr.contains(gap), "{}", listed.stderr);
}

/// The length of a segment's header.
fn header_length(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize
}

/// Squeezes files into one, next to them.
fn into_one(files: &[(&str, &[u8])]) -> (TempDir, Answer) {
    let directory = super::coverage::journal(files);
    let words = ["squeeze".into(), "-o".into(), directory.path().join("all.sq").into_os_string()];
    let answer = run(words.into_iter().chain(files.iter().map(|(name, _)| directory.path().join(name).into())));
    (directory, answer)
}

#[test]
fn a_directory_that_is_not_there_is_told_as_the_system_does() {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("nodir/x");
    let answer = run(["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), golden("tcp.ct").as_os_str()]);
    assert_eq!(answer.status, 5);
    assert!(answer.stderr.contains("/nodir: No such file or directory"), "{}", answer.stderr);
}

#[test]
fn files_of_several_recorders_do_not_become_one() {
    let first = Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).closed_at(Closing::Stopped, 600).0;
    let other = Header { host: "nat2".into(), ..header(0, None) };
    let other = Segment::new(&other).push(&v4(Kind::Start, 2, 2)).closed_at(Closing::Stopped, 600).0;
    let (directory, answer) = into_one(&[("a", &first), ("b", &other)]);
    assert_eq!(answer.status, 2);
    let said = "segments of several recorders: nat1, nat2; ask each by itself; \
                -o DIRECTORY/, one directory for each, keeps them apart\n";
    assert!(answer.stderr.ends_with(said), "{}", answer.stderr);
    assert!(!directory.path().join("all.sq").exists());
}

#[test]
fn of_a_protocol_that_was_not_recorded_all_the_time_nobody_is_not_said() {
    let of = |protocol, number: u64| Header {
        protocols: vec![protocol],
        recorder_started: BEGIN + number * 600 * NS,
        segment_number: 0,
        ..header(number, None)
    };
    let tcp = Segment::new(&of(6, 0)).push(&v4(Kind::Start, 1, 1)).closed_at(Closing::Stopped, 1200).0;
    let udp = Segment::new(&of(17, 1)).closed_at(Closing::Stopped, 1200).0;
    let (directory, answer) = into_one(&[("tcp", &tcp), ("udp", &udp)]);
    assert_eq!(answer.status, 0, "{}", answer.stderr);
    let all = directory.path().join("all.sq");
    let ask = |second: u64| {
        let at = format!("@{}", 1_800_000_000 + second);
        let words = ["who", "203.0.113.1:9", "--proto", "udp", "--slack", "1s", "--at", &at];
        run(words.iter().map(AsRef::as_ref).chain([all.as_os_str()])).status
    };
    // It holds one list of protocols for all its time, and so it says of no time that there was nobody.
    assert_eq!([ask(300), ask(900)], [4, 4]);
}

//! Many segments, listed as one journal.

use std::ffi::OsStr;
use std::fs;

use ctrecorder_format::{Cause, Closing, Kind, Note};
use tempfile::TempDir;

use super::sample::{BEGIN, NS, Segment, golden, header, line4, line6, run, v4, v6};

#[test]
fn both_families_are_listed_in_order_of_arrival() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.ct");
    let mut end = v6(Kind::End, 1, 5);
    end.flags = ctrecorder_format::record::flags::REPLY_SEEN;
    let segment = Segment::new(&header(0, None))
        .push(&v4(Kind::Start, 1, 0))
        .push(&v6(Kind::Start, 1, 1))
        .push(&v4(Kind::Start, 2, 2))
        .push(&v6(Kind::Start, 2, 2))
        .push(&v4(Kind::End, 1, 4))
        .push(&end)
        .seal()
        .push(&v6(Kind::End, 2, 6));
    fs::write(&path, segment.stopped()).unwrap();
    let listed = run(["-LHf".as_ref(), path.as_os_str()]);
    let expected = [
        line4("08:00:00", "S ", 1),
        line6("08:00:01", "S ", 1),
        line4("08:00:02", "S ", 2),
        line6("08:00:02", "S ", 2),
        line4("08:00:04", "E ", 1),
        line6("08:00:05", "E+", 1),
        line6("08:00:06", "E ", 2),
    ];
    assert_eq!((listed.status, listed.stdout, listed.stderr.as_str()), (0, expected.concat(), ""));

    let only = |arguments: &[&str]| {
        let listed = run(["list", "-H"].iter().chain(arguments).map(AsRef::as_ref).chain([path.as_os_str()]));
        assert_eq!((listed.status, listed.stderr.as_str()), (0, ""));
        listed.stdout
    };
    assert_eq!(only(&["-i", "fd00::/8", "-p", "2"]), [&*expected[3], &expected[6]].concat());
    assert_eq!(only(&["-i", "[fd00::1]", "-p", "1"]), [&*expected[1], &expected[5]].concat());
    assert_eq!(only(&["-i", "10.0.0.1", "-p", "1"]), [&*expected[0], &expected[4]].concat());
    assert_eq!(only(&["-i", "10.0.0.2"]), "");
}

#[test]
fn a_directory_is_its_segments_in_order_of_time() {
    let directory = TempDir::new().unwrap();
    let segment = |number: u16| {
        Segment::new(&header(number.into(), None)).push(&v4(Kind::Start, number, u64::from(number) * 600)).stopped()
    };
    // By name they would be in another order.
    for (name, number) in [("c.ct", 0), ("a.ct", 1), ("b.ct", 2)] {
        fs::write(directory.path().join(name), segment(number)).unwrap();
    }
    fs::write(directory.path().join("notes.txt"), "no segment\n").unwrap();
    let empty = directory.path().join("empty");
    fs::write(&empty, "").unwrap();
    fs::create_dir(directory.path().join("below")).unwrap();
    fs::write(directory.path().join("below/d.ct"), segment(3)).unwrap();
    fs::copy(golden("udp.ct"), directory.path().join("z.ct")).unwrap();
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    let udp = run(["list".as_ref(), "-H".as_ref(), golden("udp.ct").as_os_str()]);
    let new = [line4("08:00:00", "S ", 0), line4("08:10:00", "S ", 1), line4("08:20:00", "S ", 2)].concat();
    let told = format!("ctrecorder: {}: passed over: the file is empty\n", empty.display());
    assert_eq!((listed.status, listed.stdout, listed.stderr), (0, udp.stdout + &new, told));

    let headers = run(["header".as_ref(), directory.path().as_os_str()]);
    let names: Vec<_> = headers.stdout.lines().filter(|line| line.ends_with(".ct:")).collect();
    let expected = ["z.ct", "c.ct", "a.ct", "b.ct"].map(|name| format!("{}:", directory.path().join(name).display()));
    assert_eq!((headers.status, names), (0, expected.iter().map(String::as_str).collect()));
}

/// Scripts made for the C program know the header of the one file that they name. Of a journal it is `header` that shows them.
#[test]
fn a_list_is_headed_by_the_header_of_a_file_that_is_given_alone() {
    let directory = TempDir::new().unwrap();
    let paths = [0, 1].map(|number: u16| {
        let segment =
            Segment::new(&header(number.into(), None)).push(&v4(Kind::Start, number, u64::from(number) * 600));
        let path = directory.path().join(format!("{number}.ct"));
        fs::write(&path, segment.stopped()).unwrap();
        path
    });
    let [first, second] = paths.each_ref().map(|path| path.as_os_str());
    let said = |arguments: &[&OsStr]| {
        let listed = run(arguments);
        assert_eq!(listed.status, 0, "{}", listed.stderr);
        listed.stderr
    };
    let shown = run(["header".as_ref(), first]).stdout;
    assert_eq!(said(&["list".as_ref(), first]), shown);
    assert_eq!(said(&["-L".as_ref(), "-f".as_ref(), first]), shown);
    assert_eq!(said(&["list".as_ref(), "-H".as_ref(), first]), "");
    assert_eq!(said(&["list".as_ref(), directory.path().as_os_str()]), "");
    assert_eq!(said(&["list".as_ref(), first, second]), "");
}

#[test]
fn a_missing_segment_is_a_gap_in_every_list() {
    let directory = TempDir::new().unwrap();
    let path = |number: u64| directory.path().join(number.to_string());
    for number in [0, 1, 3, 4] {
        let segment = Segment::new(&header(number, None)).push(&v4(Kind::Start, number as u16, number * 600));
        fs::write(path(number), segment.closed_at(Closing::WentOn, number * 600 + 600).0).unwrap();
    }
    let gap = format!(
        "ctrecorder: {}: gap from 2027.01.15 08:20:00.000000 to 2027.01.15 08:30:00.000000: segment missing, number of events \
         lost not known\n",
        path(3).display()
    );
    for format in [&["-H"][..], &["-Hs"], &["-H", "-o", "conntrack"], &["-H", "-o", "json"], &["-H", "-o", "csv"]] {
        let listed = run(["list"].iter().chain(format).map(AsRef::as_ref).chain([directory.path().as_os_str()]));
        assert_eq!((listed.status, &listed.stderr), (0, &gap), "{format:?}");
    }
    // Where the number may be that of a file without a header, or was squeezed, it is not said to be missing.
    let mut headless = Segment::new(&header(2, None)).push(&v4(Kind::Start, 2, 1200)).stopped();
    headless[20] ^= 1;
    fs::write(path(2), headless).unwrap();
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    assert_eq!(listed.status, 5);
    assert!(!listed.stderr.contains("missing"), "{}", listed.stderr);
}

#[test]
fn what_is_not_there_is_not_followed() {
    let directory = TempDir::new().unwrap();
    let there = directory.path().join("there");
    fs::write(&there, Segment::new(&header(0, None)).stopped()).unwrap();
    let absent = directory.path().join("absent");
    for paths in [&[&absent][..], &[&there, &absent]] {
        let listed =
            run(["list".as_ref(), "--follow".as_ref()].into_iter().chain(paths.iter().map(|path| path.as_os_str())));
        assert_eq!((listed.status, listed.stdout.as_str()), (5, ""));
        assert!(listed.stderr.contains("absent: No such file or directory"), "{}", listed.stderr);
    }
}

/// The C program may have gone on beside the recorder.
#[test]
fn files_of_both_versions_of_one_time_are_told() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("new.ct");
    let old = golden("tcp.ct");
    let bytes = fs::read(&old).unwrap();
    let recorded = ctrecorder_format::legacy::File::open(&bytes).unwrap().header().clone();
    let started = u64::from(recorded.started.0) * NS;
    let told =
        "ctrecorder: files of version 2 beside files of version 3 of the same time: what both tell of is there twice\n";
    let listed = |header: &ctrecorder_format::Header, is_closed: bool, command: &str| {
        let segment = Segment::new(header);
        fs::write(&path, if is_closed { segment.stopped() } else { segment.cut_off() }).unwrap();
        let orders = [[&path, &old], [&old, &path], [&old, &old], [&path, &path]];
        orders.map(|files| {
            run([command.as_ref()].into_iter().chain(files.map(|file| file.as_os_str()))).stderr.matches(told).count()
        })
    };
    let of = |host: &str, protocols: &[u8], created| ctrecorder_format::Header {
        host: host.into(),
        created,
        protocols: protocols.to_vec(),
        ..header(0, None)
    };
    let host = recorded.host.as_str();
    for (header, is_closed, count) in [
        (of(host, &[6], started + NS), true, 1),
        (of(host, &[], started - NS), true, 1),
        (of(host, &[17], started + NS), true, 0),
        (of("another", &[6], started + NS), true, 0),
        // Begun behind the last record, or ended before the first one.
        (of(host, &[6], started + 86_400 * NS), true, 0),
        (of(host, &[6], started - NS), false, 0),
    ] {
        assert_eq!(listed(&header, is_closed, "list"), [count, count, 0, 0], "{header:?}");
    }
    assert_eq!(listed(&of(host, &[6], started + NS), true, "coverage"), [1, 1, 0, 0]);
}

/// Open records that repeat what was listed are left out: those of a segment that follows the one before.
#[test]
fn open_flows_are_listed_once() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.into_os_string()
    };
    let (first, digest) = Segment::new(&header(0, None))
        .push(&v4(Kind::Open, 1, 0))
        .seal()
        .push(&v4(Kind::Start, 2, 10))
        .closed(Closing::WentOn);
    let (second, digest) = Segment::new(&header(1, Some(digest)))
        .push(&v4(Kind::Open, 1, 0))
        .push(&v4(Kind::Open, 2, 10))
        .seal()
        .push(&v4(Kind::End, 2, 610))
        .note(&Note::gap(BEGIN + 620 * NS, BEGIN + 630 * NS, 4, Cause::KernelOverrun))
        .push(&v4(Kind::Open, 3, 625))
        .closed(Closing::WentOn);
    let (third, digest) = Segment::new(&header(2, Some(digest)))
        .push(&v4(Kind::Open, 1, 0))
        .push(&v4(Kind::Open, 3, 625))
        .seal()
        .note(&Note::gap(BEGIN + 1790 * NS, BEGIN + 1800 * NS, Note::LOST_UNKNOWN, Cause::DiskFull))
        .closed(Closing::WentOn);
    let (fourth, _) = Segment::new(&header(3, Some(digest))).push(&v4(Kind::Open, 4, 1795)).closed(Closing::Stopped);
    let files = [("a", &first), ("b", &second), ("c", &third), ("d", &fourth)].map(|(name, bytes)| file(name, bytes));

    let all = run(["list".into(), "-H".into()].into_iter().chain(files.clone()));
    let expected = [
        line4("08:00:00", "O ", 1),
        line4("08:00:10", "S ", 2),
        line4("08:10:10", "E ", 2),
        line4("08:10:25", "O ", 3),
        line4("08:29:55", "O ", 4),
    ];
    assert_eq!((all.status, all.stdout), (0, expected.concat()));
    let gaps = format!(
        "ctrecorder: {}: gap from 2027.01.15 08:10:20.000000 to 2027.01.15 08:10:30.000000: socket buffer full, \
         4 events lost\n\
         ctrecorder: {}: gap from 2027.01.15 08:29:50.000000 to 2027.01.15 08:30:00.000000: disk full, \
         number of events lost not known\n",
        files[1].display(),
        files[2].display()
    );
    assert_eq!(all.stderr, gaps);

    let later = run(["list".into(), "-H".into()].into_iter().chain(files[1..2].iter().cloned()));
    let opens = [line4("08:00:00", "O ", 1), line4("08:00:10", "O ", 2)].concat();
    assert!(later.stdout.starts_with(&opens), "{}", later.stdout);

    let squeezed = run(["list".into(), "-sH".into()].into_iter().chain(files));
    assert_eq!(squeezed.status, 0);
    let flows: Vec<_> = squeezed.stdout.lines().map(|line| &line[11..53]).collect();
    let half = |start: &str| format!("{start}.000000 -          -              ");
    assert_eq!(
        flows,
        ["08:00:10.000000 2027.01.15 08:10:10.000000", &half("08:00:00"), &half("08:10:25"), &half("08:29:55")]
    );
}

/// A filter lists the lines that the whole list has, no more: also where it spares the blocks behind a gap.
#[test]
fn a_filter_does_not_bring_back_open_flows() {
    let directory = TempDir::new().unwrap();
    let (first, digest) = Segment::new(&header(0, None)).push(&v6(Kind::Open, 1, 0)).closed(Closing::WentOn);
    let (second, digest) = Segment::new(&header(1, Some(digest)))
        .push(&v6(Kind::Open, 1, 0))
        .note(&Note::gap(BEGIN + 620 * NS, BEGIN + 630 * NS, 4, Cause::KernelOverrun))
        .push(&v4(Kind::Open, 3, 625))
        .closed(Closing::WentOn);
    let third = Segment::new(&header(2, Some(digest))).push(&v6(Kind::Open, 1, 0)).push(&v4(Kind::Open, 3, 625));
    for (name, bytes) in [("a", first), ("b", second), ("c", third.stopped())] {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    let list = |address: &str| {
        let listed = run(["list".as_ref(), "-Hi".as_ref(), address.as_ref(), directory.path().as_os_str()]);
        assert_eq!(listed.status, 0);
        listed.stdout
    };
    assert_eq!(list("fd00::/8"), line6("08:00:00", "O ", 1));
    assert_eq!(list("10.0.0.1"), line4("08:10:25", "O ", 3));
}

/// The recorder holds the lock of the segment it writes; what is whole is listed, and nothing is wrong.
#[test]
fn a_segment_that_is_being_written_is_read_to_its_last_whole_block() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("now.ct");
    let mut bytes =
        Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 0)).seal().push(&v4(Kind::End, 1, 1)).cut_off();
    bytes.truncate(bytes.len() - 10);
    fs::write(&path, bytes).unwrap();
    let lines = line4("08:00:00", "S ", 1);

    let cut = run(["list".as_ref(), "-H".as_ref(), path.as_os_str()]);
    assert_eq!((cut.status, &cut.stdout), (5, &lines));
    assert!(cut.stderr.contains(": cut off: the file ends in the middle of a block, "), "{}", cut.stderr);
    assert_eq!(run(["test".as_ref(), path.as_os_str()]).status, 1);

    let recorder = fs::File::open(&path).unwrap();
    recorder.lock().unwrap();
    let listed = run(["list".as_ref(), "-H".as_ref(), path.as_os_str()]);
    assert_eq!((listed.status, listed.stdout, listed.stderr.as_str()), (0, lines, ""));
    let tested = run(["test".as_ref(), path.as_os_str()]);
    let expected = format!("{}: ok, version 3, 1 record, 1 block, still being written", path.display());
    let told = (tested.status, tested.stdout.lines().next(), tested.stderr.as_str());
    assert_eq!(told, (0, Some(expected.as_str()), ""));
}

/// A clock that was set back between two segments changes neither their order nor what is listed.
#[test]
fn segments_of_a_run_stand_in_the_order_of_their_numbers() {
    let directory = TempDir::new().unwrap();
    let (first, digest) = Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 7200)).closed(Closing::WentOn);
    let mut earlier = header(1, Some(digest));
    earlier.created = BEGIN - 3600 * NS;
    let second = Segment::new(&earlier).push(&v4(Kind::Open, 1, 7200)).push(&v4(Kind::End, 1, 3600)).stopped();
    fs::write(directory.path().join("b"), first).unwrap();
    fs::write(directory.path().join("a"), second).unwrap();
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    let kinds: Vec<_> = listed.stdout.lines().map(|line| &line[27..28]).collect();
    assert_eq!((listed.status, kinds), (0, vec!["S", "E"]));
    assert_eq!(run(["test".as_ref(), directory.path().as_os_str()]).status, 0);
}

/// What was lost with a damaged block may be in the next keyframe.
#[test]
fn open_records_behind_damage_are_listed() {
    let directory = TempDir::new().unwrap();
    let (mut first, digest) = Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).closed(Closing::WentOn);
    let block = super::sample::blocks(&first)[0];
    first[block + 70] ^= 1;
    let second = Segment::new(&header(1, Some(digest))).push(&v4(Kind::Open, 1, 1)).stopped();
    fs::write(directory.path().join("0"), first).unwrap();
    fs::write(directory.path().join("1"), second).unwrap();
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    assert_eq!((listed.status, listed.stdout.lines().count(), &listed.stdout[27..28]), (5, 1, "O"));
}

/// In a directory, too, a file that lost its beginning is read and not passed over.
#[test]
fn a_segment_without_its_beginning_is_still_one() {
    let directory = TempDir::new().unwrap();
    let mut bytes = Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).stopped();
    bytes[..64].fill(0);
    fs::write(directory.path().join("0"), bytes).unwrap();
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    assert_eq!((listed.status, listed.stdout.lines().count()), (5, 1));
    assert!(listed.stderr.contains("offset 0: the header is damaged"), "{}", listed.stderr);
    assert_eq!(run(["test".as_ref(), directory.path().as_os_str()]).status, 1);
}

/// Of two recorders in one directory the segments stand in order of time.
#[test]
fn runs_of_two_recorders_are_merged_by_time() {
    let directory = TempDir::new().unwrap();
    let segment = |host: &str, number: u64, second: u64| {
        let mut header = header(number, None);
        header.host = host.into();
        header.created = BEGIN + second * NS;
        Segment::new(&header).push(&v4(Kind::Start, second as u16, second)).stopped()
    };
    for (name, bytes) in
        [("d", segment("a", 0, 10)), ("c", segment("a", 1, 30)), ("b", segment("b", 0, 20)), ("a", segment("b", 1, 40))]
    {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    let times: Vec<_> = listed.stdout.lines().map(|line| &line[17..19]).collect();
    assert_eq!(times, ["10", "20", "30", "40"]);
}

/// What several recorders wrote at the same time is one stream, and each line tells whose it is. Paths may stand in any order.
#[test]
fn recorders_that_wrote_at_the_same_time_are_listed_as_one_stream() {
    let directory = TempDir::new().unwrap();
    let segment = |host: &str, seconds: &[u64]| {
        let mut header = header(0, None);
        header.host = host.into();
        let events = seconds.iter().map(|second| v4(Kind::Start, *second as u16, *second));
        events.fold(Segment::new(&header), |segment, event| segment.push(&event).seal()).stopped()
    };
    let [a, b] = [directory.path().join("a"), directory.path().join("b")];
    fs::write(&a, segment("nat1", &[1, 2, 5, 6])).unwrap();
    fs::write(&b, segment("nat2", &[3, 4, 7])).unwrap();
    for paths in [[&a, &b], [&b, &a]] {
        let listed = run(["list".as_ref(), "-H".as_ref(), paths[0].as_os_str(), paths[1].as_os_str()]);
        let seconds: Vec<_> = listed.stdout.lines().map(|line| line[18..19].parse::<u64>().unwrap()).collect();
        assert_eq!((listed.status, seconds), (0, (1..8).collect()));
    }
    let listed = run(["list", "-H", "-o", "json"].iter().map(AsRef::as_ref).chain([directory.path().as_os_str()]));
    let hosts: Vec<_> = listed.stdout.lines().map(|line| if line.contains("nat1") { 1 } else { 2 }).collect();
    assert_eq!(hosts, [1, 1, 2, 2, 1, 1, 2]);
}

/// A recorder whose clock was ahead, and was set back, does not have what it wrote then wait for the time that the clock had shown.
#[test]
fn a_clock_that_was_ahead_holds_nothing_back() {
    let directory = TempDir::new().unwrap();
    let segment = |host: &str, seconds: &[u64], closed: u64| {
        let mut header = header(0, None);
        header.host = host.into();
        let events = seconds.iter().map(|second| v4(Kind::Start, *second as u16 % 7, *second));
        events
            .fold(Segment::new(&header), |segment, event| segment.push(&event).seal())
            .closed_at(Closing::Stopped, closed)
            .0
    };
    fs::write(directory.path().join("a"), segment("nat1", &[1, 3000, 3, 5], 8)).unwrap();
    fs::write(directory.path().join("b"), segment("nat2", &[2, 4, 6, 9, 20], 30)).unwrap();
    let listed = run(["list", "-H", "-o", "json"].iter().map(AsRef::as_ref).chain([directory.path().as_os_str()]));
    let hosts: String = listed.stdout.lines().map(|line| if line.contains("nat1") { 'a' } else { 'b' }).collect();
    assert_eq!(hosts, "abbbaaabb");
}

//! `ctrecorder squeeze -o DIRECTORY/`: a segment for each input, each of which goes on where the one before it ended.

use std::fs;
use std::path::Path;

use ctrecorder_format::{Closing, Kind, Segment as Read};
use ctrecorder_synth::{Incident, Version};

use super::sample::{Segment, header, run, v4, v6};
use super::squeezed_place::{Place, at, files, flows, incidents, records, same_lines, synthetic};
use crate::program::{answer, ctrecorder};

#[test]
fn a_directory_tells_of_the_flows_that_its_journal_tells_of_each_once() {
    for (version, stamps) in [(Version::Three, false), (Version::Three, true), (Version::Two, false)] {
        let place = synthetic(version, incidents(), stamps);
        let squeezed = place.squeeze("sq", &[], &place.journal());
        // What was being written when the recorder was killed is lost.
        assert_eq!(squeezed.status, 5, "{}", squeezed.stderr);
        let inputs = files(&place.path("journal")).len();
        assert!(
            squeezed.stderr.ends_with(&format!("/sq/: {inputs} written, 0 there already, 0 left for another time\n"))
        );
        assert_eq!(files(&place.path("sq")).len(), inputs);
        let told = flows(&place.path("sq"));
        same_lines(&told, &flows(&place.path("journal")));
        assert!(told.len() > 4_000, "{} flows", told.len());
        // Records are the same flows: what is open is listed of the last segment only.
        let listed = records(&place.path("sq"));
        assert_eq!(listed.len(), told.len(), "{version:?}");
        let open = listed.iter().filter(|line| line.as_bytes()[27] == b'O').count();
        assert!((100..2_000).contains(&open), "{open} open");
        let tested = run(["test".as_ref(), place.path("sq").as_os_str()]);
        assert_eq!(tested.status, 0, "{}", tested.stdout);
    }
}

#[test]
fn a_directory_covers_what_its_journal_covers() {
    let place = synthetic(Version::Three, incidents(), false);
    assert_eq!(place.squeeze("sq", &[], &place.journal()).status, 5);
    let covered = |name: &str| {
        let covered = run(["coverage".as_ref(), "-o".as_ref(), "json".as_ref(), place.path(name).as_os_str()]);
        let told: serde_json::Value = serde_json::from_str(&covered.stdout).unwrap();
        let gaps = told["gaps"].as_array().unwrap().iter();
        let gaps: Vec<_> = gaps.map(|gap| format!("{} {}", gap["from"], gap["to"])).collect();
        (told["from"].clone(), told["to"].clone(), gaps)
    };
    assert_eq!(covered("sq"), covered("journal"));
}

/// Where an output is missing, its sources tell that it is, as they do of themselves.
#[test]
fn an_output_that_is_missing_is_missed() {
    let place = synthetic(Version::Three, Vec::new(), false);
    place.squeeze("sq", &[], &place.journal());
    let names: Vec<_> = files(&place.path("sq")).into_keys().collect();
    let gaps = |name: &str| {
        let covered = run(["coverage".as_ref(), "-o".as_ref(), "json".as_ref(), place.path(name).as_os_str()]);
        serde_json::from_str::<serde_json::Value>(&covered.stdout).unwrap()["gaps"].clone()
    };
    assert_eq!((gaps("sq"), gaps("journal")), (serde_json::json!([]), serde_json::json!([])));
    for directory in ["sq", "journal"] {
        fs::remove_file(place.path(directory).join(&names[names.len() / 2])).unwrap();
    }
    let told = gaps("sq");
    assert_eq!(told, gaps("journal"));
    assert_eq!((told.as_array().unwrap().len(), &told[0]["cause"]), (1, &"segment missing".into()));
}

/// Nothing happened: that is no gap, and nothing to be told of.
#[test]
fn a_segment_without_a_record_covers_its_time() {
    let place = Place::new();
    let (mut previous, start) = (None, v4(Kind::Start, 1, 100));
    for number in 0..3 {
        let segment = Segment::new(&header(number, previous));
        let segment = if number == 0 { segment.push(&start) } else { segment };
        let (bytes, digest) = segment.closed_at(Closing::WentOn, 600 * (number + 1));
        place.put(&format!("{number}.ct"), &bytes);
        previous = Some(digest);
    }
    let squeezed = place.squeeze("sq", &[], &place.journal());
    assert_eq!((squeezed.status, squeezed.stderr.lines().count()), (0, 2), "{}", squeezed.stderr);
    for name in ["journal", "sq"] {
        let covered = run(["coverage".as_ref(), place.path(name).as_os_str()]);
        assert!(covered.stdout.ends_with("\nrecorded 30 min, no gap\n"), "{name}: {}", covered.stdout);
    }
}

/// By whoever makes the outputs, once.
#[test]
fn an_input_that_is_missing_is_told() {
    let place = synthetic(Version::Three, Vec::new(), false);
    fs::remove_file(place.path("journal/03.ct")).unwrap();
    let squeezed = place.squeeze("sq", &[], &place.journal());
    let told = "gap from 2026.11.20 14:01:30.000000 to 2026.11.20 14:02:00.000000: segment missing, number of events lost not known";
    let told = format!("{}: {told}\n", place.path("journal/04.ct").display());
    assert!(squeezed.status == 0 && squeezed.stderr.contains(&told), "{} {told}", squeezed.stderr);
    assert_eq!(squeezed.stderr.matches(" missing").count(), 1, "{}", squeezed.stderr);
    let again = place.squeeze("sq", &[], &place.journal());
    assert!(!again.stderr.contains("missing"), "{}", again.stderr);
}

/// Whoever looks at a file is told what it was made from.
#[test]
fn the_header_of_an_output_tells_its_sources() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (output, journal) = (place.path("all.ct"), place.path("journal"));
    run(["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), journal.as_os_str()]);
    let told = run(["header".as_ref(), output.as_os_str()]).stdout;
    let sources: Vec<_> = told.lines().filter(|line| line.starts_with(".source: ")).collect();
    let inputs = files(&journal);
    assert_eq!(sources.len(), inputs.len(), "{told}");
    for (number, (source, bytes)) in sources.iter().zip(inputs.values()).enumerate() {
        let digest = Read::open(bytes).unwrap().footer().unwrap().digest;
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let end = format!(", segment {number}, {} bytes, digest {digest}", bytes.len());
        assert!(source.ends_with(&end), "{source}");
    }
}

/// However often it was begun anew, and on whatever inputs: the outputs are the same, byte for byte.
#[test]
fn a_directory_that_was_made_step_by_step_is_the_same() {
    for version in [Version::Three, Version::Two] {
        let place = synthetic(version, incidents(), false);
        place.squeeze("once", &[], &place.journal());
        let once = files(&place.path("once"));
        let inputs: Vec<_> = once.keys().map(|name| place.path("journal").join(name)).collect();
        for step in 0..inputs.len() {
            // Earlier ones are there, or they are not.
            let first = if step % 2 == 0 { step.saturating_sub(1) } else { 0 };
            place.squeeze("steps", &["--threads", "1"], &inputs[first..=step]);
        }
        let steps = files(&place.path("steps"));
        for (name, bytes) in &once {
            assert!(steps[name] == *bytes, "{version:?}: {name}");
        }
        // What is missing in the middle is made anew.
        let first = once.keys().nth(4).unwrap();
        fs::remove_file(place.path("once").join(first)).unwrap();
        let squeezed = place.squeeze("once", &[], &place.journal());
        assert!(squeezed.stderr.contains("/once/: 1 written, "), "{}", squeezed.stderr);
        assert!(files(&place.path("once")) == once, "it is not the same");
    }
}

/// What is known of open flows goes to a file, all of it or none: nothing else changes.
#[test]
fn with_little_memory_comes_the_same() {
    for version in [Version::Three, Version::Two] {
        let place = synthetic(version, incidents(), false);
        place.squeeze("much", &[], &place.journal());
        place.squeeze("none", &["--memory", "0"], &place.journal());
        place.squeeze("little", &["--memory", "4MiB"], &place.journal());
        assert!(files(&place.path("much")) == files(&place.path("none")), "{version:?} differs");
        assert!(files(&place.path("much")) == files(&place.path("little")), "{version:?} differs");
        let wrong = place.squeeze("wrong", &["--memory", "1TB"], &place.journal());
        assert_eq!((wrong.status, wrong.stderr.contains("not a size: a number with KiB")), (2, true));
    }
}

/// The verdicts on the public endpoints that flows had, now and then while they were alive.
fn verdicts(questions: &str, path: &Path) -> Vec<String> {
    let mut who = ctrecorder();
    let answered = answer(who.args(["who", "-", "--slack", "0s"]).arg(path).write_stdin(questions));
    let verdict = |line: &str| {
        let told: serde_json::Value = serde_json::from_str(line).unwrap();
        told["verdict"].as_str().unwrap().to_owned()
    };
    answered.stdout.lines().map(verdict).collect()
}

/// Of a whole directory, and of one in which any of the outputs are missing: what is open at the end of one is known there.
#[test]
fn who_never_denies_what_the_journal_knows() {
    let place = synthetic(Version::Three, incidents(), false);
    place.squeeze("sq", &[], &place.journal());
    let public = |line: &str| line.rsplit_once("dst=").unwrap().1.split(' ').next().unwrap().to_owned();
    let told = flows(&place.path("journal"));
    let started = told.iter().filter(|line| !line.starts_with('-')).step_by(5);
    let time = |line: &str| format!("{} UTC", &line[..26]);
    let questions: String = started.map(|line| format!("{} {}\n", public(line), time(line))).collect();
    let by_journal = verdicts(&questions, &place.path("journal"));
    assert!(by_journal.len() > 500 && by_journal.iter().filter(|verdict| *verdict == "UNIQUE").count() > 400);
    let names: Vec<_> = files(&place.path("sq")).into_keys().collect();
    for missing in [None, Some(3), Some(names.len() - 1)] {
        if let Some(missing) = missing {
            fs::remove_file(place.path("sq").join(&names[missing])).unwrap();
        }
        let by_squeezed = verdicts(&questions, &place.path("sq"));
        for ((question, one), other) in questions.lines().zip(&by_journal).zip(&by_squeezed) {
            assert!(other != "NONE" || one == "NONE", "{question}: {one}, and without {missing:?} {other}");
        }
        let same = by_journal.iter().zip(&by_squeezed).filter(|(one, other)| one == other).count();
        assert!(missing.is_some() || same * 100 > by_journal.len() * 95, "{same} of {}", by_journal.len());
    }
}

/// Three segments of a run: a flow goes through all of them, one begins in each and ends in the next.
fn through() -> Place {
    let place = Place::new();
    let (first, digest) = Segment::new(&header(0, None))
        .push(&v4(Kind::Start, 1, 1))
        .push(&v6(Kind::Start, 2, 2))
        .closed_at(Closing::WentOn, 600);
    place.put("a.ct", &first);
    let (second, digest) = Segment::new(&header(1, Some(digest)))
        .push(&v4(Kind::Open, 1, 1))
        .push(&v6(Kind::Open, 2, 2))
        .seal()
        .push(&v6(Kind::End, 2, 700))
        .push(&v4(Kind::Start, 3, 800))
        .closed_at(Closing::WentOn, 1200);
    place.put("b.ct", &second);
    let third = Segment::new(&header(2, Some(digest)))
        .push(&v4(Kind::Open, 1, 1))
        .push(&v4(Kind::Open, 3, 800))
        .seal()
        .push(&v4(Kind::End, 3, 1300));
    place.put("c.ct", &third.stopped());
    place
}

/// Kind and port of each line.
fn kinds(lines: &[String]) -> Vec<(String, String)> {
    let kind = |line: &String| if line.as_bytes()[28] == b' ' { line[27..28].to_owned() } else { "flow".to_owned() };
    let port = |line: &String| line.rsplit_once(':').unwrap().1.to_owned();
    lines.iter().map(|line| (kind(line), port(line))).collect()
}

#[test]
fn what_is_left_open_is_told_once_and_by_the_last_that_is_there() {
    let place = through();
    assert_eq!(place.squeeze("sq", &[], &place.journal()).status, 0);
    let told = |names: &[&str]| {
        let paths = names.iter().map(|name| place.path("sq").join(name));
        let listed = run(["list".into(), "-H".into()].into_iter().chain(paths.map(|path| path.into_os_string())));
        assert_eq!((listed.status, listed.stderr.as_str()), (0, ""));
        let lines: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
        kinds(&lines).into_iter().map(|(kind, port)| format!("{kind} {port}")).collect::<Vec<_>>()
    };
    assert_eq!(told(&["a.ct"]), ["O 1", "O 2"]);
    assert_eq!(told(&["a.ct", "b.ct"]), ["flow 2", "O 1", "O 3"]);
    assert_eq!(told(&["a.ct", "b.ct", "c.ct"]), ["flow 2", "flow 3", "O 1"]);
    // Without the one between, the first one alone knows of flow 2.
    assert_eq!(told(&["a.ct", "c.ct"]), ["O 1", "O 2", "flow 3", "O 1"]);
    let paired = |names: &[&str]| {
        let paths = names.iter().map(|name| place.path("sq").join(name));
        let listed = run(["list".into(), "-sH".into()].into_iter().chain(paths.map(|path| path.into_os_string())));
        let mut ports: Vec<_> = listed.stdout.lines().map(|line| line.rsplit_once(':').unwrap().1.to_owned()).collect();
        ports.sort();
        ports.join(" ")
    };
    assert_eq!([paired(&["a.ct", "c.ct"]), paired(&["a.ct", "b.ct", "c.ct"])], ["1 2 3", "1 2 3"]);

    // A segment of events goes on with what was made from the one before it.
    fs::rename(place.path("journal").join("c.ct"), place.path("sq").join("c.ct")).unwrap();
    assert_eq!(told(&["a.ct", "b.ct", "c.ct"]), ["flow 2", "O 1", "O 3", "E 3"]);
    assert_eq!(paired(&["a.ct", "b.ct", "c.ct"]), "1 2 3");
}

#[test]
fn the_sources_of_an_output_are_named_and_the_outputs_are_a_chain() {
    let place = through();
    assert_eq!(place.squeeze("sq", &[], &place.journal()).status, 0);
    let mut previous = None;
    for (name, bytes) in files(&place.path("sq")) {
        let input = fs::read(place.path("journal").join(&name)).unwrap();
        let (input, output) = (Read::open(&input).unwrap(), Read::open(&bytes).unwrap());
        let sources: Vec<_> = output.made_from().collect();
        assert_eq!(sources.len(), 1);
        let (own, source) = (output.header().unwrap(), sources[0]);
        assert_eq!(source.digest(), input.footer().map(|footer| footer.digest));
        assert_eq!(source.segment_number.get(), own.segment_number);
        assert_eq!(source.closing(), input.footer().map(|footer| footer.totals.closing));
        assert_eq!(own.previous, previous);
        previous = output.footer().map(|footer| footer.digest);
    }
}

/// What is missing, or not what the next one goes on with, shows: of outputs alone, and of those and what came after them.
#[test]
fn outputs_are_tested_as_a_chain() {
    let place = through();
    assert_eq!(place.squeeze("sq", &[], &place.journal()).status, 0);
    let test = |paths: &[&str]| {
        let paths = paths.iter().map(|path| place.path(path).into_os_string());
        run([std::ffi::OsString::from("test")].into_iter().chain(paths))
    };
    let whole = test(&["sq/a.ct", "sq/b.ct", "sq/c.ct"]);
    assert_eq!((whole.status, whole.stdout.matches(": ok, ").count()), (0, 3), "{}", whole.stdout);
    assert!(!whole.stdout.contains("not among those given"), "{}", whole.stdout);
    let mixed = test(&["sq/a.ct", "sq/b.ct", "journal/b.ct", "journal/c.ct"]);
    assert_eq!((mixed.status, mixed.stdout.contains("among")), (0, false), "{}", mixed.stdout);
    for paths in [["sq/a.ct", "sq/c.ct"], ["sq/a.ct", "journal/c.ct"]] {
        let missing = test(&paths);
        assert_eq!(missing.status, 1);
        assert!(
            missing.stdout.contains("FAILED: the file itself is whole, but segment 1 is missing between "),
            "{}",
            missing.stdout
        );
    }
    // Another second one, made alone.
    let alone = place.squeeze("alone", &[], &[place.path("journal/b.ct")]);
    assert_eq!(alone.status, 0, "{}", alone.stderr);
    let other = test(&["alone/b.ct", "sq/c.ct"]);
    assert!(other.stdout.contains("FAILED: it does not follow "), "{}", other.stdout);
    // One of the first and the third, told by its sources.
    let gap = place.path("gap.ct");
    let [first, third] = ["a.ct", "c.ct"].map(|name| place.path("journal").join(name));
    let words = ["squeeze".as_ref(), "-o".as_ref(), gap.as_os_str(), first.as_os_str(), third.as_os_str()];
    assert_eq!(run(words).status, 0);
    let told = test(&["gap.ct"]);
    assert!(
        told.stdout.contains("FAILED: the file itself is whole, but segment 1 is missing between "),
        "{}",
        told.stdout
    );
}

/// Where runs of the recorder meet, the numbers of segments do not tell what is missing, but the next output does.
#[test]
fn an_output_between_two_runs_is_missed() {
    let stops = [(130, 140), (200, 205)].map(|(from, to)| Incident::Stop { at: at(from), back: at(to) });
    let place = synthetic(Version::Three, stops.to_vec(), false);
    place.squeeze("sq", &[], &place.journal());
    let names: Vec<_> = files(&place.path("sq")).into_keys().collect();
    let test = || run(["test".as_ref(), place.path("sq").as_os_str()]);
    let missed = "; between files something is missing, unless they are of several directories; ";
    let goes_on = "it goes on with a squeezed segment that is not among those given";
    let whole = test();
    assert!(!whole.stdout.contains(goes_on) && !whole.stdout.contains(missed), "{}", whole.stdout);
    for removed in [4..5, 5..8, 7..8] {
        let next = place.path("sq").join(&names[removed.end]);
        let removed = removed.map(|number| place.path("sq").join(&names[number]));
        let removed: Vec<_> = removed.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        removed.iter().for_each(|(path, _)| fs::remove_file(path).unwrap());
        let left = test().stdout;
        let fails = left.contains(&format!(
            "{}: FAILED: the file itself is whole, but segments are missing between ",
            next.display()
        ));
        let is_told = left.contains(&format!("{}: {goes_on}\n", next.display())) && left.contains(missed);
        assert!(fails != is_told, "{left}");
        removed.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    }
    fs::remove_file(place.path("sq").join(&names[0])).unwrap();
    let copy = test();
    assert!(copy.stdout.contains(goes_on) && !copy.stdout.contains(missed), "{}", copy.stdout);
}

/// Beside their inputs, the outputs are passed over; where some inputs are gone, their outputs are read.
#[test]
fn of_a_journal_and_its_squeezed_form_each_flow_is_told_once() {
    let place = synthetic(Version::Three, Vec::new(), false);
    assert_eq!(place.squeeze("sq", &[], &place.journal()).status, 0);
    let all = flows(&place.path("journal"));
    let names: Vec<_> = files(&place.path("journal")).into_keys().collect();
    for name in &names {
        let listed =
            run(["list".as_ref(), "-sH".as_ref(), place.path("sq").as_os_str(), place.path("journal").as_os_str()]);
        let left = files(&place.path("journal")).len();
        let others = match left {
            1 => String::new(),
            2 => " and 1 other file".to_owned(),
            left => format!(" and {} other files", left - 1),
        };
        assert!(listed.stderr.starts_with("ctrecorder: ") && listed.stderr.lines().count() <= 2, "{}", listed.stderr);
        assert!(listed.stderr.contains(&format!("{others} passed over: what it was made from is there\n")));
        let mut lines: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        same_lines(&lines, &all);
        fs::remove_file(place.path("journal").join(name)).unwrap();
    }
}

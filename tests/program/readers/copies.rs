//! A file that is there twice is read once, whoever reads it.

use std::fs;
use std::path::Path;

use ctrecorder_format::{Closing, Kind};
use ctrecorder_synth::Version;

use super::sample::{Segment, golden, header, run, v4};
use super::squeezed_place::{Place, files, flows, same_lines, synthetic};

/// Runs these words with two paths behind them.
fn with_both(words: &[&str], paths: [&Path; 2]) -> crate::program::Answer {
    run(words.iter().map(AsRef::as_ref).chain(paths.map(Path::as_os_str)))
}

fn copy(place: &Place, from: &str, to: &str) {
    fs::create_dir(place.path(to)).unwrap();
    for (name, bytes) in files(&place.path(from)) {
        fs::write(place.path(to).join(format!("copy-{name}")), bytes).unwrap();
    }
}

/// Of segments, of what they were squeezed into, of archives, and of files of the C program.
#[test]
fn a_copy_is_passed_over_and_told() {
    let place = synthetic(Version::Three, Vec::new(), false);
    place.squeeze("sq", &[], &place.journal());
    let [journal, archive] = ["journal", "pq"].map(|name| place.path(name));
    assert_eq!(with_both(&["export", "-o"], [&archive, &journal]).status, 0);
    fs::create_dir(place.path("old")).unwrap();
    fs::copy(golden("tcp.ct"), place.path("old/tcp.ct")).unwrap();
    for name in ["journal", "sq", "pq", "old"] {
        let copied = format!("{name}-copy");
        copy(&place, name, &copied);
        let expected = flows(&place.path(name));
        let listed = with_both(&["list", "-sH"], [&place.path(name), &place.path(&copied)]);
        assert_eq!(listed.status, 0);
        assert!(listed.stderr.contains(" passed over: a copy of it is there\n"), "{name}: {}", listed.stderr);
        let mut lines: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        same_lines(&lines, &expected);
        for (command, output) in [("squeeze", format!("{name}.ct")), ("export", format!("{name}.pq"))] {
            let output = place.path(&output);
            let words = [command.as_ref(), "-o".as_ref(), output.as_os_str()];
            let paths = [place.path(&copied), place.path(name)];
            let made = run(words.into_iter().chain(paths.iter().map(|path| path.as_os_str())));
            assert_eq!(made.status, 0, "{command} {name}: {}", made.stderr);
            assert_eq!(flows(&output).len(), expected.len(), "{command} {name}");
        }
    }
}

/// A copy of a segment that was made while it was being written is a shorter one, which knows less.
#[test]
fn of_copies_the_one_that_was_closed_is_read() {
    let place = Place::new();
    let begun = || Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).seal();
    place.put("a.ct", &begun().cut_off());
    place.put("b.ct", &begun().push(&v4(Kind::Start, 2, 2)).closed_at(Closing::Stopped, 600).0);
    let listed = run(["list".as_ref(), "-H".as_ref(), place.path("journal").as_os_str()]);
    let told = format!("ctrecorder: {} passed over: a copy of it is there\n", place.path("journal/a.ct").display());
    assert_eq!((listed.stdout.lines().count(), listed.stderr), (2, told));
}

/// What is added to a directory is not what is in it.
#[test]
fn an_export_of_what_is_in_its_directory_is_refused() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let [journal, archive] = ["journal", "pq"].map(|name| place.path(name));
    for partition in [&["--partition"][..], &[]] {
        let words = [&["export"], partition, &["-o"]].concat();
        assert_eq!(with_both(&words, [&archive, &journal]).status, 0);
        let made = flows(&archive);
        let refused = with_both(&["export", "--add", "-o"], [&archive, &archive]);
        assert_eq!(refused.status, 2);
        assert!(refused.stderr.contains("an input in the directory of the output"), "{}", refused.stderr);
        same_lines(&flows(&archive), &made);
        fs::remove_dir_all(&archive).unwrap();
    }
}

/// A squeezed file and an archive of one journal, or two archives of it, are no copies: both are read.
#[test]
fn what_was_made_from_the_same_in_two_ways_is_told() {
    let place = synthetic(Version::Three, Vec::new(), false);
    place.squeeze("sq", &[], &place.journal());
    let [journal, archive, parts, one] = ["journal", "pq", "pqp", "sq.ct"].map(|name| place.path(name));
    assert_eq!(with_both(&["export", "-o"], [&archive, &journal]).status, 0);
    assert_eq!(with_both(&["export", "--partition", "-o"], [&parts, &journal]).status, 0);
    assert_eq!(with_both(&["squeeze", "-o"], [&one, &journal]).status, 0);
    let forms = ["journal", "sq", "sq.ct", "pq", "pqp"].map(|name| place.path(name));
    let told = " tell of the same: flows are there twice\n";
    for (place, first) in forms.iter().enumerate() {
        let alone = run(["list".as_ref(), "-sH".as_ref(), first.as_os_str()]);
        assert!(!alone.stderr.contains(told), "{}", alone.stderr);
        for second in forms.iter().skip(place + 1) {
            let both = with_both(&["list", "-sH"], [first, second]);
            let is_twice = both.stdout.lines().count() > alone.stdout.lines().count();
            assert_eq!(both.stderr.contains(told), is_twice, "{first:?} {second:?}: {}", both.stderr);
        }
    }
}

/// An archive beside all that it was made from is passed over; beside a part of that, that part is.
#[test]
fn of_a_journal_and_its_archive_each_flow_is_told_once() {
    for options in [&["export", "--add", "-o"][..], &["export", "-o"], &["export", "--partition", "-o"]] {
        let place = synthetic(Version::Three, Vec::new(), false);
        let [journal, archive] = ["journal", "pq"].map(|name| place.path(name));
        let whole = flows(&journal);
        // The last one is none of the archive's.
        let (name, bytes) = files(&journal).into_iter().next_back().unwrap();
        fs::remove_file(journal.join(&name)).unwrap();
        assert_eq!(with_both(options, [&archive, &journal]).status, 0);
        fs::write(journal.join(&name), bytes).unwrap();
        for (passed_over, gone) in
            [("what it was made from", None), ("an archive that was made from it", Some("00.ct"))]
        {
            gone.into_iter().for_each(|name| fs::remove_file(journal.join(name)).unwrap());
            let listed = with_both(&["list", "-sH"], [&journal, &archive]);
            let said = format!(" passed over: {passed_over} is there\n");
            assert!(listed.stderr.contains(&said), "{options:?}: {}", listed.stderr);
            assert!(!listed.stderr.contains("twice"), "{}", listed.stderr);
            let mut lines: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            same_lines(&lines, &whole);
        }
    }
}

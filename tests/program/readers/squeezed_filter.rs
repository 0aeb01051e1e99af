//! `ctrecorder squeeze -o DIRECTORY/` with a filter: of what is chosen, a directory tells what one file does.

use ctrecorder_synth::Version;

use super::sample::run;
use super::squeezed_place::{Place, files, flows, incidents, records, same_lines, synthetic};

/// The flows of a journal, and of a directory and of one file into which it was squeezed with these options.
fn squeezed(place: &Place, options: &[&str]) -> [Vec<String>; 3] {
    let directory = place.squeeze("sq", options, &place.journal());
    assert!([0, 5].contains(&directory.status), "{}", directory.stderr);
    let one = place.path("one.ct");
    let words = ["squeeze".as_ref(), "-o".as_ref(), one.as_os_str()].into_iter();
    run(words.chain(options.iter().map(AsRef::as_ref)).chain([place.path("journal").as_os_str()]));
    [place.path("journal"), place.path("sq"), one].map(|path| flows(&path))
}

fn has_end(line: &&String) -> bool {
    line.as_bytes()[27] != b'-'
}

/// The filter leaves out none, and no end is lost for it.
#[test]
fn with_a_filter_the_ends_that_nobody_heard_are_known_as_without() {
    let place = synthetic(Version::Three, incidents(), false);
    let [journal, directory, one] = squeezed(&place, &["--where", "not port 1"]);
    assert!(journal.iter().filter(|line| line.contains("[ended after")).count() > 20);
    same_lines(&one, &journal);
    same_lines(&directory, &journal);
}

/// What was open at the end of an output, and is not kept once its end is known, is no flow without an end.
#[test]
fn what_a_filter_does_not_keep_is_open_nowhere_once_it_has_ended() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let [journal, directory, one] = squeezed(&place, &["--min-duration", "20s"]);
    // What is open at the end of the last output may yet be kept.
    let open = || journal.iter().filter(|line| !has_end(line)).cloned();
    let mut expected: Vec<_> = one.iter().cloned().chain(open()).collect();
    expected.sort_unstable();
    assert!(one.len() > 1_000 && one.len() + 1_000 < journal.len() && open().count() > 100);
    same_lines(&directory, &expected);

    // The same of outputs that were squeezed again, and of all of these as one file.
    let words = |output: &str| ["squeeze".into(), "-o".into(), place.path(output).into_os_string()];
    for again in ["again/", "again.ct"] {
        assert_eq!(run(words(again).into_iter().chain([place.path("sq").into_os_string()])).status, 0);
        same_lines(&flows(&place.path(again)), &expected);
    }

    assert_eq!(files(&place.path("sq")).len(), files(&place.path("journal")).len());
    assert_eq!(records(&place.path("sq")).len(), expected.len());
}

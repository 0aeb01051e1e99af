//! Of a squeezed file beside what it was made from, each flow is told once.

use std::fs;

use ctrecorder_format::{Closing, Content, Header, Kind};
use tempfile::TempDir;

use super::sample::{Segment, golden, header, run, v4};
use super::squeeze::{is_done, is_done_beside, journal};
use crate::program::Answer;

/// Of a file and what was made from it, one is read, and which one is told.
#[test]
fn in_a_directory_a_squeezed_file_beside_its_input_is_passed_over() {
    let directory = TempDir::new().unwrap();
    let input = directory.path().join("in.ct");
    fs::write(&input, Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).stopped()).unwrap();
    let output = directory.path().join("in.sq.ct");
    is_done_beside(&run(["squeeze".as_ref(), input.as_os_str()]), &output);
    let listed = || run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    let told = format!("ctrecorder: {} passed over: what it was made from is there\n", output.display());
    let Answer { status, stdout, stderr } = listed();
    assert_eq!((status, stdout.lines().count(), stderr), (0, 1, told));
    assert!(run(["test".as_ref(), directory.path().as_os_str()]).stdout.contains("in.sq.ct: ok"));

    // It was made from another one, though of the same name and number.
    fs::write(&input, Segment::new(&header(0, None)).push(&v4(Kind::Start, 2, 1)).stopped()).unwrap();
    let Answer { status, stdout, stderr } = listed();
    assert_eq!((status, stdout.lines().count(), stderr.as_str()), (0, 2, ""));

    // One that does not say what it was made from, as those of long ago.
    let flow = v4(Kind::Flow, 1, 1);
    let squeezed = Header { content: Content::Flows, ..header(0, None) };
    fs::write(&output, Segment::new(&squeezed).push(&flow).closed(Closing::Complete).0).unwrap();
    let told = "ctrecorder: squeezed files beside files of events: what both tell of is there twice\n";
    let Answer { status, stdout, stderr } = listed();
    assert_eq!((status, stdout.lines().count(), stderr.as_str()), (0, 2, told));
}

/// What was made from several is read in place of those that are left of them.
#[test]
fn what_is_left_of_several_is_passed_over_beside_what_was_made_of_all() {
    let directory = TempDir::new().unwrap();
    let segments = directory.path().join("segments");
    fs::create_dir(&segments).unwrap();
    journal(&segments);
    let output = segments.join("all.ct");
    let words = ["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), segments.as_os_str()];
    is_done(&run(words), &output);
    let listed = || run(["list".as_ref(), "-sH".as_ref(), segments.as_os_str()]);
    let both = listed();
    assert!(both.stderr.starts_with(&format!("ctrecorder: {} passed over: what ", output.display())));
    let left = segments.join("2.ct");
    fs::remove_file(segments.join("1.ct")).unwrap();
    let one = listed();
    let told = format!("ctrecorder: {} passed over: a squeezed file that was made from it is there\n", left.display());
    assert!(one.stderr.starts_with(&told), "{}", one.stderr);
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&one.stdout), sorted(&both.stdout));
    // With a filter it does not have all of it.
    fs::remove_file(&output).unwrap();
    journal(&segments);
    is_done(&run(words.into_iter().chain(["-p".as_ref(), "3".as_ref()])), &output);
    fs::remove_file(segments.join("1.ct")).unwrap();
    let listed = listed();
    assert!(!listed.stderr.contains("passed over"), "{}", listed.stderr);
}

/// The protocols of files of version 2 stand in its header.
#[test]
fn what_is_left_of_several_of_version_2_is_passed_over_likewise() {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("all.ct");
    let inputs = ["tcp.ct", "udp.ct"].map(|name| (golden(name), directory.path().join(name)));
    for (golden, input) in &inputs {
        fs::copy(golden, input).unwrap();
    }
    let words = ["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), directory.path().as_os_str()];
    assert_eq!(run(words).status, 0);
    let [(_, gone), (_, left)] = inputs;
    fs::remove_file(gone).unwrap();
    let told = format!("{} passed over: a squeezed file that was made from it is there\n", left.display());
    let listed = run(["list".as_ref(), "-sH".as_ref(), directory.path().as_os_str()]);
    assert!(listed.stderr.contains(&told), "{}", listed.stderr);
}

/// Begin and length may be the same of two files of the C program: it takes their bytes to tell one from the other.
#[test]
fn of_version_2_another_file_of_the_same_begin_and_length_is_not_what_it_was_made_from() {
    let directory = TempDir::new().unwrap();
    let input = directory.path().join("a.ct");
    fs::copy(golden("tcp.ct"), &input).unwrap();
    let output = directory.path().join("a.sq.ct");
    is_done_beside(&run(["squeeze".as_ref(), input.as_os_str()]), &output);
    let listed = || run(["list".as_ref(), "-sH".as_ref(), directory.path().as_os_str()]);
    let one = listed();
    assert!(one.stderr.contains("a.sq.ct passed over: what it was made from is there\n"), "{}", one.stderr);

    let other = directory.path().join("b.ct");
    let mut bytes = fs::read(&input).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&other, bytes).unwrap();
    fs::remove_file(&input).unwrap();
    let both = listed();
    assert!(!both.stderr.contains("passed over"), "{}", both.stderr);
    assert!(both.stdout.lines().count() > one.stdout.lines().count());
    // The digest of its bytes is told.
    let told = run(["header".as_ref(), output.as_os_str()]).stdout;
    let digest = ctrecorder_format::digest_of(&fs::read(golden("tcp.ct")).unwrap());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(told.contains(&format!("digest {digest}\n")), "{told}");
}

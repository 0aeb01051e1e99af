//! Bad input: one clear line each, with the file and the place, and the right exit status.

use std::fs;
use std::path::{Path, PathBuf};

use ctrecorder_format::Kind;
use tempfile::TempDir;

use super::sample::{Segment, blocks, golden, header, line4, run, v4};

/// Four records in two blocks.
fn segment() -> Vec<u8> {
    Segment::new(&header(0, None))
        .push(&v4(Kind::Start, 1, 0))
        .push(&v4(Kind::Start, 2, 1))
        .seal()
        .push(&v4(Kind::End, 1, 2))
        .push(&v4(Kind::End, 2, 3))
        .stopped()
}

/// Sets a checksum anew after a change.
fn crc(bytes: &[u8]) -> [u8; 4] {
    crc32fast::hash(bytes).to_le_bytes()
}

/// The header with one change, and a checksum that fits.
fn with_header(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = segment();
    change(&mut bytes);
    let length = blocks(&segment())[0];
    let sum = crc(&[&bytes[..60], &bytes[64..length]].concat());
    bytes[60..64].copy_from_slice(&sum);
    bytes
}

/// The first block's header with one change, and a checksum that fits.
fn with_block(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = segment();
    let at = blocks(&bytes)[0];
    let block = &mut bytes[at..at + 64];
    change(block);
    let sum = crc(&block[..60]);
    block[60..].copy_from_slice(&sum);
    bytes
}

/// Asserts what is said of a file: `said` on standard error by `list` and `header`, and on standard output by `test`
/// (after the name and `FAILED`) where that ends with 1.
fn assert_refused(path: &Path, said: &str, test_status: i32) {
    let line = format!("ctrecorder: {}: {said}\n", path.display());
    for command in ["list", "header"] {
        let answer = run([command.as_ref(), path.as_os_str()]);
        assert_eq!((answer.status, answer.stdout.as_str(), &answer.stderr), (5, "", &line), "{command}");
    }
    let test = run(["test".as_ref(), path.as_os_str()]);
    let failed = format!("{}: FAILED: {said}\n", path.display());
    let expected = if test_status == 1 { (1, &*failed, "") } else { (5, "", &*line) };
    assert_eq!((test.status, test.stdout.as_str(), test.stderr.as_str()), expected);

    let squeezed = run(["squeeze".as_ref(), path.as_os_str()]);
    assert_eq!((squeezed.status, squeezed.stdout.as_str()), (5, ""));
    assert!(squeezed.stderr.starts_with(&line), "{}", squeezed.stderr);
}

fn file(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn what_is_no_segment_is_refused() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    assert_refused(&at("none.ct"), "No such file or directory (os error 2)", 5);
    assert_refused(&file(&directory, "empty", b""), "the file is empty", 1);
    let not_ours = "offset 0: not a ctrecorder file (it does not begin with \"CTNL\")";
    assert_refused(&file(&directory, "text", b"Dear Sir or Madam,\n"), not_ours, 1);
    let mut old = fs::read(golden("tcp.ct")).unwrap();
    old[7] = 1;
    assert_refused(&file(&directory, "v1", &old), "offset 4: version 1 of the format, which was never released", 5);
    old[7] = 9;
    let unknown = "offset 4: version 9 is not known to this program (it reads 2 and 3)";
    assert_refused(&file(&directory, "v9", &old), unknown, 5);
    old[7] = 2;
    old[11] = 34;
    let length = "offset 10: the header says that its records have 34 bytes, not 33";
    assert_refused(&file(&directory, "entry", &old), length, 1);
    let features =
        "offset 24: the file uses features that this program does not know (bits 0x4); a newer one is needed";
    assert_refused(&file(&directory, "features", &with_header(|header| header[24] = 4)), features, 5);
    let size = "offset 32: a record size of 0 bytes is not possible";
    assert_refused(&file(&directory, "size", &with_header(|header| header[32] = 0)), size, 1);
}

#[test]
fn a_directory_without_segments_is_refused() {
    let directory = TempDir::new().unwrap();
    file(&directory, "notes.txt", b"none of ours");
    for command in ["list", "header", "test"] {
        let answer = run([command.as_ref(), directory.path().as_os_str()]);
        let expected = format!("ctrecorder: {}: no segments in this directory\n", directory.path().display());
        assert_eq!((answer.status, answer.stderr), (5, expected));
        // `test` says of every file what became of it.
        assert_eq!(
            answer.stdout.contains("notes.txt: passed over: offset 0: not a ctrecorder file"),
            command == "test"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_device_that_never_ends_is_refused() {
    let answer = run(["list", "/dev/zero"]);
    let expected = "ctrecorder: /dev/zero: neither a file nor a pipe\n";
    assert_eq!((answer.status, answer.stdout.as_str(), answer.stderr.as_str()), (5, "", expected));
}

/// Damage never hides what is good.
#[test]
fn damage_is_told_and_the_rest_is_shown() {
    let directory = TempDir::new().unwrap();
    let whole = segment();
    let [first, second, ..] = blocks(&whole)[..] else { panic!("two blocks and a footer") };
    let lines = [
        line4("08:00:00", "S ", 1) + &line4("08:00:01", "S ", 2),
        line4("08:00:02", "E ", 1) + &line4("08:00:03", "E ", 2),
    ];
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let length = second - first;
    for (name, bytes, said, shown) in [
        ("header", flipped(70), format!("offset 0: the header is damaged, {first} bytes, 0 records lost"), [true; 2]),
        (
            "payload",
            flipped(first + 80),
            format!("offset {first}: block 0 does not match its checksum, {length} bytes, 2 records lost"),
            [false, true],
        ),
        (
            "size",
            with_block(|block| block[14] = 0),
            format!("offset {first}: block 0 contradicts itself: its record size is 0, {length} bytes, 2 records lost"),
            [false, true],
        ),
        (
            "count",
            with_block(|block| block[16] = 200),
            format!(
                "offset {first}: block 0 contradicts itself: its count goes beyond its end, {length} bytes, \
                 200 records lost"
            ),
            [false, true],
        ),
        (
            "missing",
            [&whole[..first], &whole[second..]].concat(),
            format!("offset {first}: blocks 0 to 0 are missing, "),
            [false, true],
        ),
    ] {
        let path = file(&directory, name, &bytes);
        let listed = run(["list".as_ref(), "-H".as_ref(), path.as_os_str()]);
        let expected: String = lines.iter().zip(shown).filter(|(_, shown)| *shown).map(|(lines, _)| &**lines).collect();
        assert_eq!((listed.status, listed.stdout), (5, expected), "{name}");
        // The head of the block, which is whole, tells when its records arrived.
        let has_head = ["payload", "size", "count"].contains(&name);
        let when = ", between 2027.01.15 08:00:00.000000 and 2027.01.15 08:00:01.000000\n";
        let line = format!("ctrecorder: {}: {said}{}", path.display(), if has_head { when } else { "" });
        let squeezed = run([
            "squeeze".as_ref(),
            "-o".as_ref(),
            directory.path().join(format!("{name}.sq")).as_os_str(),
            path.as_os_str(),
        ]);
        assert!(squeezed.stderr.contains(&line), "{name}: {}", squeezed.stderr);
        // A footer that has moved is not in its place.
        let said_in_all = if name == "missing" { 2 } else { 1 };
        assert!(listed.stderr.starts_with(&line) && listed.stderr.lines().count() == said_in_all, "{}", listed.stderr);
        let test = run(["test".as_ref(), path.as_os_str()]);
        assert_eq!((test.status, test.stderr.as_str()), (1, ""), "{name}");
        assert!(test.stdout.starts_with(&format!("{}: FAILED: {said}", path.display())), "{}", test.stdout);
    }
}

/// Every file of a version 2 recorder that was killed ends so, and after a full disk one may be out of step.
#[test]
fn a_version_2_file_is_read_on_where_it_is_in_step_again() {
    let directory = TempDir::new().unwrap();
    let whole = fs::read(golden("tcp.ct")).unwrap();
    let list = fs::read_to_string(golden("tcp.list.utc.txt")).unwrap();
    let lines: Vec<_> = list.split_inclusive('\n').collect();

    let cut = file(&directory, "cut", &whole[..whole.len() - 5]);
    let offset = whole.len() - 33;
    let listed = run(["list".as_ref(), "-H".as_ref(), cut.as_os_str()]);
    let said = format!("offset {offset}: cut off: the file ends in the middle of a record, 28 bytes, 1 record lost");
    let expected = (5, lines[..lines.len() - 1].concat(), format!("ctrecorder: {}: {said}\n", cut.display()));
    assert_eq!((listed.status, listed.stdout, listed.stderr), expected);
    let test = run(["-T".as_ref(), "-f".as_ref(), cut.as_os_str()]);
    let failed = format!("{}: FAILED: {said}", cut.display());
    assert_eq!((test.status, test.stdout.lines().next()), (1, Some(failed.as_str())));

    let at = 256 + 100 * 33;
    let shifted = file(&directory, "shifted", &[&whole[..at + 20], &whole[at + 33..]].concat());
    let listed = run(["list".as_ref(), "-H".as_ref(), shifted.as_os_str()]);
    let expected = [&lines[..100], &lines[101..]].concat().concat();
    assert_eq!((listed.status, listed.stdout), (5, expected));
    let said = format!(
        "ctrecorder: {}: offset {at}: no whole record here: a write failed, or the file is damaged, 20 bytes",
        shifted.display()
    );
    assert!(listed.stderr.starts_with(&said), "{}", listed.stderr);
}

#[test]
fn a_bad_file_does_not_keep_the_good_ones_from_being_read() {
    let directory = TempDir::new().unwrap();
    let good = file(&directory, "good", &segment());
    let bad = file(&directory, "bad", b"text");
    let none = directory.path().join("none");
    let paths = [good.as_os_str(), bad.as_os_str(), none.as_os_str(), good.as_os_str()];
    let alone = run(["list".as_ref(), "-H".as_ref(), good.as_os_str()]);
    let listed = run(["list".as_ref(), "-H".as_ref()].into_iter().chain(paths));
    // The good one is there twice, and read once, which is said.
    assert_eq!((listed.status, listed.stdout), (5, alone.stdout));
    assert_eq!(listed.stderr.lines().count(), 3, "{}", listed.stderr);
    // What cannot be examined at all is worse than what failed.
    assert_eq!(run(["test".as_ref()].into_iter().chain(paths)).status, 5);
    assert_eq!(run(["test".as_ref()].into_iter().chain(paths[..2].iter().copied())).status, 1);
}

#[test]
fn bad_arguments_are_named() {
    let tcp = golden("tcp.ct");
    for (option, value, said) in [
        ("-i", "300.1.1.1", "'--address <IP[/MASK]>': 300.1.1.1 is not an IP address"),
        (
            "-i",
            "10.0.0.0/33",
            "'--address <IP[/MASK]>': 10.0.0.0/33: a prefix of an IPv4 address is at most 32 bits long",
        ),
        ("-i", "10.0.0.0/255.0.255.0", "'--address <IP[/MASK]>': 10.0.0.0/255.0.255.0: "),
        ("-p", "70000", "'--port <PORT>': 70000 is not a port, which is a number up to 65535"),
        ("-p", "tcp", "'--port <PORT>': tcp is not a port, which is a number up to 65535"),
    ] {
        for (status, words) in [(2, &["list"][..]), (1, &["-L", "-f"])] {
            let words = words.iter().map(AsRef::as_ref);
            let answer = run(words.chain([tcp.as_os_str(), option.as_ref(), value.as_ref()]));
            assert_eq!((answer.status, answer.stdout.as_str()), (status, ""));
            assert!(answer.stderr.contains(said), "{}", answer.stderr);
        }
    }
}

/// Whatever the bytes, the program ends by itself with a status of its own.
#[test]
fn a_segment_cut_anywhere_is_read_as_far_as_it_goes() {
    let directory = TempDir::new().unwrap();
    let whole = segment();
    let [first, second, footer, _] = blocks(&whole)[..] else { panic!("two blocks and a footer") };
    for (length, records) in
        [(first - 1, 0), (first, 0), (second - 1, 0), (second, 2), (footer - 1, 2), (footer, 4), (whole.len() - 1, 4)]
    {
        let path = file(&directory, "cut", &whole[..length]);
        let listed = run(["list".as_ref(), "-H".as_ref(), path.as_os_str()]);
        assert_eq!(listed.stdout.lines().count(), records, "{length} bytes");
        let damaged = ![first, second, footer].contains(&length);
        assert_eq!(listed.status, if damaged { 5 } else { 0 }, "{length} bytes: {}", listed.stderr);
        let test = run(["test".as_ref(), path.as_os_str()]);
        assert_eq!(test.status, 1, "{length} bytes: {}", test.stdout);
        let whole_blocks = [first, second, footer].iter().filter(|end| **end <= length).count();
        let blocks = ["0 blocks", "0 blocks", "1 block", "2 blocks"][whole_blocks];
        let are = format!("{records} records in {blocks} are whole");
        let no_footer = format!(
            "offset {length}: no footer: cut off, as where a recorder was killed, or copied while it was written; before that, {are}\n"
        );
        let (line, _) = test.stdout.split_at(test.stdout.find('\n').unwrap() + 1);
        assert!(line.ends_with(&no_footer), "{}", test.stdout);
    }
}

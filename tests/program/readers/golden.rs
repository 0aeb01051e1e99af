//! What the C program recorded is listed as it listed it, byte for byte.

use ctrecorder_format::Kind;

use super::sample::{Segment, golden, header, line4, run, v4};
use crate::program::{Answer, answer, ctrecorder};

/// Asserts that these arguments list what stands in a golden file.
fn assert_lists(zone: &str, arguments: &[&str], file: &str, expected: &str) {
    for classic in [true, false] {
        let mut command = ctrecorder();
        command.env("TZ", zone);
        if classic {
            command.args(["-L", "-f"]).arg(golden(file)).args(arguments);
        } else {
            command.arg("list").args(arguments).arg(golden(file));
        }
        let expected = std::fs::read_to_string(golden(expected)).unwrap();
        let Answer { status, stdout, stderr } = answer(&mut command);
        assert_eq!((status, stdout), (0, expected), "{arguments:?} {file}");
        assert_eq!(stderr.is_empty(), arguments.contains(&"-H"), "{stderr}");
    }
}

#[test]
fn lists_are_those_of_the_c_program() {
    assert_lists("UTC", &["-H"], "tcp.ct", "tcp.list.utc.txt");
    assert_lists("UTC", &[], "tcp.combined.ct", "tcp.combined.list.utc.txt");
    assert_lists("Europe/Warsaw", &["-H"], "udp.ct", "udp.list.warsaw.txt");
    assert_lists("UTC", &["-i", "203.0.113.0/29"], "udp.ct", "udp.list.i-203.0.113.0_29.utc.txt");
    assert_lists("UTC", &["-i", "203.0.113.1/255.255.255.248"], "udp.ct", "udp.list.i-203.0.113.0_29.utc.txt");
    assert_lists("UTC", &["-i", "10.10.0.2", "-p", "8022"], "tcp.ct", "tcp.list.i-10.10.0.2.p-8022.utc.txt");
}

#[test]
fn the_header_is_that_of_the_c_program_but_for_its_wrong_month_and_end() {
    let expected = std::fs::read_to_string(golden("tcp.header.utc.txt")).unwrap();
    let expected = expected.replace(".startd: 2026.10.20", ".startd: 2026.11.20");
    let expected = expected.replace(".end: 1970.01.01 00:00:00.000000", ".end: -");
    let file = golden("tcp.ct").into_os_string();
    for arguments in [["-H".into(), "-f".into(), file.clone()].as_slice(), &["header".into(), file.clone()]] {
        assert_eq!(run(arguments), Answer { status: 0, stdout: expected.clone(), stderr: String::new() });
    }
    let listed = run(["-L".into(), "-f".into(), file, "-p".into(), "1".into()]);
    assert_eq!(listed, Answer { status: 0, stdout: String::new(), stderr: expected });
}

/// The C program's squeeze dropped some starts whose end it had not seen; here they are, at the end.
#[test]
fn a_squeezed_list_has_every_line_of_the_c_programs() {
    for name in ["tcp", "udp"] {
        let listed = run(["list".into(), "-sH".into(), golden(&format!("{name}.ct")).into_os_string()]);
        let combined = run(["list".into(), "-H".into(), golden(&format!("{name}.combined.ct")).into_os_string()]);
        assert_eq!((listed.status, combined.status), (0, 0));
        let mut left: Vec<_> = listed.stdout.lines().collect();
        for line in combined.stdout.lines() {
            let at = left.iter().position(|own| *own == line).unwrap_or_else(|| panic!("{name}: {line}"));
            left.remove(at);
        }
        assert!(left.iter().all(|line| line[27..].starts_with("-          -")), "{left:?}");
    }
}

#[test]
fn a_pipe_is_read_as_a_file_is() {
    let bytes = std::fs::read(golden("tcp.ct")).unwrap();
    let piped = answer(ctrecorder().args(["list", "-H", "/dev/stdin"]).write_stdin(bytes));
    let expected = std::fs::read_to_string(golden("tcp.list.utc.txt")).unwrap();
    assert_eq!(piped, Answer { status: 0, stdout: expected, stderr: String::new() });
}

#[test]
fn usage_in_the_classic_spelling_ends_with_1() {
    for line in [&[][..], &["-L"], &["-f", "x"], &["-L", "-f", "x", "-z"], &["-S", "-f", "a", "b"]] {
        let answer = run(line);
        assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{line:?}");
        assert!(answer.stderr.contains("\n  ctrecorder -L -f FILE [-i IP[/MASK]] [-p PORT] [-s] [-H]\n"), "{line:?}");
    }
    assert_eq!(run(["nonsense"]).status, 2);
}

#[test]
fn help_and_version_are_answers() {
    for line in [&["-h"][..], &["--help"], &["help"], &["list", "--help"]] {
        let answer = run(line);
        assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{line:?}");
        assert!(answer.stdout.contains("Usage: ctrecorder"), "{line:?}");
    }
    let capture = match (cfg!(target_os = "linux"), cfg!(feature = "capture")) {
        (true, true) => "built in",
        (true, false) => "left out at compile time",
        (false, _) => "left out (Linux only)",
    };
    for option in ["-V", "--version"] {
        let archive = if cfg!(feature = "archive") { "built in" } else { "left out at compile time" };
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!("ctrecorder {version}\ncapture: {capture}\narchive: {archive}\n");
        assert_eq!(run([option]), Answer { status: 0, stdout: expected, stderr: String::new() });
    }
}

/// `head` is gone before the program has written all.
#[test]
fn an_output_that_is_closed_ends_it_quietly() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    // More than a pipe holds, which is 64 KiB: the program is still writing when we go.
    let segment =
        (0..2_000).fold(Segment::new(&header(0, None)), |segment, flow| segment.push(&v4(Kind::Start, flow, 1)));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("in.ct");
    std::fs::write(&path, segment.stopped()).unwrap();
    let first_line = |paths: &[&std::path::Path]| {
        let mut child = Command::new(crate::program::PATH)
            .args(["list", "-H"])
            .args(paths)
            .env("TZ", "UTC")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, line4("08:00:01", "S ", 0));
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (child.wait().unwrap().code(), stderr)
    };
    assert_eq!(first_line(&[&path]), (Some(0), String::new()));
    // What could not be read until then is told all the same.
    let said = "ctrecorder: /nowhere: No such file or directory (os error 2)\n";
    assert_eq!(first_line(&["/nowhere".as_ref(), &path]), (Some(5), said.to_owned()));
}

/// Whether files are whole is the answer, also to who reads nothing of it.
#[test]
fn a_test_that_nobody_reads_ends_as_one_that_is_read() {
    let status = |path: &std::path::Path| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = std::process::Command::new(crate::program::PATH)
            .args(["test".as_ref(), golden("tcp.ct").as_path(), path])
            .stdout(writer)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let directory = tempfile::tempdir().unwrap();
    let cut_off = directory.path().join("cut-off.ct");
    let bytes = Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).stopped();
    std::fs::write(&cut_off, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(status(&golden("udp.combined.ct")), (Some(0), String::new()));
    assert_eq!(status(&cut_off), (Some(1), String::new()));
    let said = "ctrecorder: /nowhere: No such file or directory (os error 2)\n";
    assert_eq!(status("/nowhere".as_ref()), (Some(5), said.to_owned()));
}

/// Nothing that was asked for is lost in silence.
#[cfg(target_os = "linux")]
#[test]
fn an_output_that_is_full_is_a_failure() {
    for words in [&["list", "-H"][..], &["header"], &["test"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(crate::program::PATH);
        let output = command.args(words).arg(golden("tcp.ct")).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{words:?}");
        assert_eq!(said, "ctrecorder: standard output: No space left on device (os error 28)\n");
    }
}

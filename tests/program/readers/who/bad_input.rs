//! Bad input: one clear line each, and the right exit status.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::time::Duration;
use std::{io, thread};

use ctrecorder_format::{Cause, Closing, Header, Kind, Note, V4};
use tempfile::TempDir;

use super::answers::ask;
use super::journal::{TCP, directory, event, every_protocol, segment};
use crate::program::{PATH, answer, ctrecorder};
use crate::readers::sample::{BEGIN, NS, Segment, blocks, header, run};

const PUBLIC: &str = "203.0.113.6:36782";
const AT: &str = "2027-01-15T08:02:00Z";

/// What is said of a question that makes no sense.
fn refused(arguments: &[&str]) -> String {
    let answer = ask(&[("a.ct", segment())], arguments);
    assert_eq!((answer.status, answer.stdout.as_str()), (2, ""), "{arguments:?}");
    answer.stderr
}

#[test]
fn an_endpoint_that_is_none_is_refused() {
    for (endpoint, said) in [
        ("2001:db8::1:443", "2001:db8::1:443: an IPv6 address with a port stands in brackets: [2001:db8::1]:443"),
        ("203.0.113.6", "203.0.113.6: say the port, too, as in 203.0.113.6:36782"),
        ("203.0.113.6:70000", "203.0.113.6:70000: a port is a number from 1 to 65535"),
        ("203.0.113.6:0", "203.0.113.6:0: no flow has port 0; protocols without ports are asked for with --proto"),
        ("203.0.113.0/24:80", "203.0.113.0/24:80 is a network: say one address of it, as 203.0.113.6"),
        ("nat:80", "nat:80 is no ADDRESS:PORT such as 203.0.113.6:36782 or [2001:db8::1]:443"),
    ] {
        assert_eq!(refused(&[endpoint, "--at", AT]), format!("ctrecorder: {said}\n"));
    }
    assert!(refused(&[PUBLIC, "--at", AT, "--peer", "here"]).starts_with("ctrecorder: peer here is no ADDRESS:PORT"));
    assert!(refused(&["203.0.113.6:0", "--at", AT, "--proto", "tcp"]).contains("no flow has port 0"));
}

#[test]
fn a_time_of_which_no_moment_is_known_is_refused() {
    assert_eq!(
        refused(&[PUBLIC, "--at", "2027-01-15 08:02:00"]),
        "ctrecorder: 2027-01-15 08:02:00 names no time zone: as UTC it is 2027-01-15T08:02:00Z, as local time \
         2027-01-15T08:02:00Z; say Z or an offset behind it, or --tz\n"
    );
    let directory = directory(&[("a.ct", segment())]);
    let mut who = ctrecorder();
    who.env("TZ", "Europe/Warsaw").args(["who", PUBLIC, "--at", "2027-01-15 08:02:00"]).arg(directory.path());
    assert!(answer(&mut who).stderr.contains("as UTC it is 2027-01-15T08:02:00Z, as local time 2027-01-15T07:02:00Z;"));
    assert!(refused(&[PUBLIC, "--at", "yesterday"]).starts_with("ctrecorder: yesterday is no time: say "));
    let warsaw = |at| refused(&[PUBLIC, "--tz", "Europe/Warsaw", "--at", at]);
    assert_eq!(
        warsaw("2026-03-29 02:30:00"),
        "ctrecorder: 2026-03-29 02:30:00 did not exist in Europe/Warsaw, where clocks were set forward over it: say it in \
         UTC\n"
    );
    assert_eq!(
        warsaw("2026-10-25 02:30:00"),
        "ctrecorder: 2026-10-25 02:30:00 came twice in Europe/Warsaw, where clocks were set back: say \
         2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00\n"
    );
    assert_eq!(refused(&[PUBLIC]), "ctrecorder: say --at TIME, as --at 2026-11-20T14:13:20Z\n");
}

#[test]
fn an_option_that_makes_no_sense_is_refused() {
    for (option, value, said) in [
        ("--slack", "60", "60 is no span of time: say 60s for seconds, 60d for days"),
        ("--slack", "-5s", "-5s is no span of time: it has no sign"),
        ("--slack", "soon", "soon is no span of time: say 90s, 5 minutes or 1h 30m"),
        ("--at", "2026-11-20 UTC", "2026-11-20 UTC is a day, and who asks for a moment"),
        ("--at", "[2026-11-20 UTC]", "[2026-11-20 UTC] is a day, and who asks for a moment"),
        ("--at", "", "ctrecorder: the time is missing"),
        ("--peer", "203.0.113.400", "peer 203.0.113.400 is not an IP address"),
        ("--peer", "198.51.100.0/24", "peer 198.51.100.0/24 is a network: say one address of it, as 203.0.113.6"),
        ("--proto", "tpc", "\"tpc\" is not a protocol"),
        ("--tz", "CEST", "CEST is the short name of a time, and not clear: say +0200, or Europe/Berlin"),
        ("--output", "xml", "[possible values: text, json]"),
    ] {
        let at = ["--at", AT];
        let at = if option == "--at" { &at[..0] } else { &at };
        let stderr = refused(&[&[PUBLIC], at, &[option, value]].concat());
        assert!(stderr.contains(said), "{stderr}");
    }
    assert!(refused(&["-", "--at", AT]).starts_with("ctrecorder: questions on standard input have their own"));
}

/// The program as a user who may read next to nothing, with the files and itself where that user can get at them.
fn as_nobody(directory: &TempDir, arguments: &[&str]) -> (String, String, Option<i32>) {
    let program = directory.path().join("ctrecorder");
    fs::copy(PATH, &program).unwrap();
    for path in [directory.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut asked = Command::new(&program);
    asked.args(arguments).env("TZ", "UTC").uid(65_534).gid(65_534);
    // While another test starts a program, its child has this one open for writing, too.
    let is_started = |answer: &io::Result<Output>| {
        !answer.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ExecutableFileBusy)
    };
    let mut answers = (0..500).map(|_| asked.output().inspect_err(|_| thread::sleep(Duration::from_millis(10))));
    let output = answers.find(is_started).unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// A recorder numbers its segments: one that is not there is missed, and one that cannot be read is none of those that are
/// there. Of other files nobody knows what they hold.
#[test]
fn a_file_without_permission_makes_unknown_what_it_may_hold() {
    let directory = directory(&[("a.ct", segment()), ("secret.ct", segment())]);
    let secret = directory.path().join("secret.ct");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    let path = directory.path().display().to_string();
    let said = format!("ctrecorder: {}: Permission denied (os error 13)\n", secret.display());
    let ask = |endpoint, at, path: &str| {
        let (stdout, stderr, status) = as_nobody(&directory, &["who", endpoint, "--at", at, path]);
        assert!(stderr.starts_with(&said), "{stderr}");
        (stdout.lines().next().unwrap().to_owned(), status)
    };
    // As the segment before it stopped in order, nothing of this recorder is missing.
    assert_eq!(ask(PUBLIC, "2027-01-15T08:04:30Z", &path), ("UNIQUE: 10.64.3.7".into(), Some(5)));
    assert_eq!(ask("203.0.113.6:1", AT, &path), ("NONE: no flow had 203.0.113.6:1 then".into(), Some(5)));
    let squeezed = directory.path().join("sq.ct");
    let files = [directory.path().join("a.ct").display().to_string(), squeezed.display().to_string()];
    assert_eq!(run(["squeeze", "-o", &files[1], &files[0]]).status, 0);
    fs::set_permissions(&squeezed, fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(&files[0]).unwrap();
    let (line, status) = ask("203.0.113.6:1", AT, &path);
    assert!(
        line.starts_with("UNKNOWN: ") && line.ends_with("a file could not be read, and what it covers is not known")
    );
    assert_eq!(status, Some(4));
}

#[test]
fn a_path_that_is_not_there_is_told() {
    let answer = run(["who", PUBLIC, "--at", AT, "/nowhere"]);
    assert_eq!(answer.stderr, "ctrecorder: /nowhere: No such file or directory (os error 2)\n");
    assert_eq!(answer.status, 5);
    assert!(answer.stdout.starts_with("UNKNOWN: ") && answer.stdout.contains("no file could be read"));
    let empty = TempDir::new().unwrap();
    let path = empty.path().display().to_string();
    let answer = run(["who", PUBLIC, "--at", AT, &path]);
    assert_eq!(answer.stderr, format!("ctrecorder: {path}: no segments in this directory\n"));
    assert_eq!(answer.status, 5);
}

/// It may be the file that somebody had the endpoint in.
#[test]
fn beside_others_a_path_that_is_not_there_makes_unknown() {
    let directory = directory(&[("a.ct", segment())]);
    let path = directory.path().display().to_string();
    let ask = |endpoint: &str| {
        let answer = run(["who", endpoint, "--at", "2027-01-15T08:04:30Z", "/nowhere", &path]);
        assert_eq!(answer.stderr, "ctrecorder: /nowhere: No such file or directory (os error 2)\n");
        (answer.stdout.lines().next().unwrap().to_owned(), answer.status)
    };
    let (line, status) = ask("203.0.113.6:1");
    assert!(line.starts_with("UNKNOWN: ") && line.ends_with("what it covers is not known"), "{line}");
    assert_eq!(status, 4);
    let (line, status) = ask(PUBLIC);
    assert!(line.starts_with("UNIQUE: 10.64.3.7; others may be missing: a file could not be read"), "{line}");
    assert_eq!(status, 5);
}

/// Two segments; of the second, the block of flows between 08:11:40 and 08:13:20 is damaged. Whose filter says that it cannot hold the
/// endpoint is not read at all.
#[test]
fn a_damaged_segment_makes_unknown_only_what_it_may_hold() {
    let flow = |port: u16| {
        let public = format!("203.0.113.6:{port}");
        move |kind, second| {
            event::<V4>(kind, TCP, second, ["10.0.0.1:1", "198.51.100.7:443", "198.51.100.7:443", &public])
        }
    };
    let first = Segment::new(&every_protocol(0))
        .note(&Note::at(BEGIN, Cause::Started))
        .note(&Note::gap(BEGIN, BEGIN + NS, 0, Cause::TableRead))
        .push(&flow(1000)(Kind::Start, 10))
        .push(&flow(1000)(Kind::End, 20));
    let (first, digest) = first.closed_at(Closing::WentOn, 600);
    let mut damaged = Segment::new(&Header { protocols: Vec::new(), ..header(1, Some(digest)) }).note(&Note::gap(
        BEGIN,
        BEGIN + 601 * NS,
        0,
        Cause::TableRead,
    ));
    // So many records have an index.
    for port in 2000..2050 {
        let mut end = flow(port)(Kind::End, 800);
        end.start = (BEGIN + 700 * NS).into();
        damaged = damaged.push(&flow(port)(Kind::Start, 700)).push(&end);
    }
    let mut damaged = damaged.closed_at(Closing::Stopped, 3600).0;
    // The last byte of the records.
    let at = blocks(&damaged)[2] - 33;
    damaged[at] ^= 0x40;
    let files = [("0.ct", first), ("1.ct", damaged)];
    let ask = |endpoint: &str, at: &str| {
        let answer = ask(&files, &[endpoint, "--at", at]);
        (answer.stdout.lines().next().unwrap().to_owned(), answer.status, answer.stderr)
    };
    let (line, status, stderr) = ask("203.0.113.6:2005", "2027-01-15T08:12:00Z");
    let unknown = "UNKNOWN: no flow is known to have had 203.0.113.6:2005 then, but one may be missing: records of this time may be lost to damage";
    assert_eq!((line.as_str(), status), (unknown, 4));
    assert!(stderr.contains("1.ct: offset ") && stderr.contains("does not match its checksum"), "{stderr}");
    // Before the damaged block's flows began.
    let (line, status, _) = ask("203.0.113.6:2005", "2027-01-15T08:05:00Z");
    assert_eq!((line.as_str(), status), ("NONE: no flow had 203.0.113.6:2005 then", 5));
    // What is found is found, and the damage is told.
    let (line, status, _) = ask("203.0.113.6:1000", "2027-01-15T08:00:15Z");
    assert_eq!(
        (line.as_str(), status),
        (
            "UNIQUE: 10.0.0.1; others may be missing: no file given covers the whole slack, though the time itself was recorded",
            0
        ),
        "the index rules the damaged block out"
    );
}

//! The options of the one filter, and how times are typed, from outside.

use std::path::PathBuf;

use ctrecorder_format::{Closing, Kind, Record, V4};
use tempfile::TempDir;

use super::sample::{Segment, header, line4, line6, run, v4, v6};
use crate::program::{Answer, answer, ctrecorder};

/// Flow 1 from second 0 to 20 and flow 2 from second 10 on, of IPv4; flow 3 from second 5 to 15, of IPv6. Flow 2 is of UDP,
/// in zone 7, with mark 0x12 and id 2, and not translated.
fn segment(directory: &TempDir) -> PathBuf {
    let mut other: Record<V4> = v4(Kind::Start, 2, 10);
    (other.protocol, other.zone, other.mark) = (17, 7.into(), 0x12.into());
    other.reply.dst = other.original.src;
    let mut end = v4(Kind::End, 1, 20);
    end.start = v4(Kind::Start, 1, 0).start;
    let bytes = Segment::new(&header(0, None))
        .push(&v4(Kind::Start, 1, 0))
        .push(&v6(Kind::Start, 3, 5))
        .push(&other)
        .push(&v6(Kind::End, 3, 15))
        .push(&end)
        .closed(Closing::Stopped)
        .0;
    let path = directory.path().join("a.ct");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The lines of those of the five records, by the first letters of flow and kind.
fn lines(which: &str) -> String {
    let line = |name: &str| match name {
        "1S" => line4("08:00:00", "S ", 1),
        "3S" => line6("08:00:05", "S ", 3),
        "2S" => line4("08:00:10", "S ", 2).replace("dst=203.0.113.1", "dst=10.0.0.1"),
        "3E" => line6("08:00:15", "E ", 3),
        "1E" => line4("08:00:20", "E ", 1),
        _ => unreachable!("{name}"),
    };
    which.split_whitespace().map(line).collect()
}

fn assert_keeps(options: &[&str], which: &str) {
    let directory = TempDir::new().unwrap();
    let answer = answer(ctrecorder().args(["list", "-H"]).args(options).arg(segment(&directory)));
    let expected = Answer { status: 0, stdout: lines(which), stderr: String::new() };
    assert_eq!(answer, expected, "{options:?}");
}

#[test]
fn each_option_keeps_what_it_says() {
    for (options, which) in [
        (&[][..], "1S 3S 2S 3E 1E"),
        (&["-i", "10.0.0.1"], "1S 2S 1E"),
        (&["-i", "203.0.113.1", "-i", "fd00::/16"], "1S 3S 3E 1E"),
        (&["-p", "2", "-p", "3"], "3S 2S 3E"),
        (&["-p", "2:3"], "3S 2S 3E"),
        (&["-p", "2-3", "-i", "10.0.0.0/255.0.0.0"], "2S"),
        (&["--endpoint", "203.0.113.1:1"], "1S 1E"),
        (&["--endpoint", "10.0.0.1:443"], ""),
        (&["--endpoint", "198.51.100.7:443", "--nat"], "1S 1E"),
        (&["--endpoint", "10.0.0.1:2", "--endpoint", "[2001::1]:3"], "3S 2S 3E"),
        (&["--orig-src", "198.51.100.7"], ""),
        (&["--orig-src", "10.0.0.1", "--orig-port-src", "1"], "1S 1E"),
        (&["--orig-dst", "198.51.100.0/24", "--orig-port-dst", "443"], "1S 2S 1E"),
        (&["--reply-src", "198.51.100.7", "--reply-port-src", "440:450"], "1S 2S 1E"),
        (&["--reply-dst", "203.0.113.1"], "1S 1E"),
        (&["--reply-dst", "203.0.113.1", "--reply-port-dst", "2"], ""),
        (&["--reply-dst", "2001::1"], "3S 3E"),
        (&["--proto", "udp"], "2S"),
        (&["--proto", "udp,tcp"], "1S 3S 2S 3E 1E"),
        (&["--proto", "udp", "--proto", "6"], "1S 3S 2S 3E 1E"),
        (&["--proto", "all"], "1S 3S 2S 3E 1E"),
        (&["--zone", "7"], "2S"),
        (&["--zone", "0", "--zone", "7", "-p", "2"], "2S"),
        (&["--mark", "0x12"], "2S"),
        (&["--mark", "0x10/0xf0"], "2S"),
        (&["--mark", "0/2"], "1S 3S 3E 1E"),
        (&["--id", "3"], "3S 3E"),
        (&["--nat"], "1S 3S 3E 1E"),
        (&["--min-duration", "20s"], "1E"),
        (&["--min-duration", "20001ms"], ""),
        (&["--where", "endpoint 203.0.113.1:1"], "1S 1E"),
        (&["--where", "post src endpoint 10.0.0.1:1"], ""),
        (&["--where", "src endpoint 10.0.0.1:1 or dst endpoint [2a00::7]:443"], "1S 3S 3E 1E"),
        (&["--where", "post src ip 203.0.113.1 or proto udp"], "1S 2S 1E"),
        (&["--where", "proto udp", "--where", "ip ::/0"], "3S 2S 3E"),
        (&["--where", "not nat", "--zone", "0"], ""),
    ] {
        assert_keeps(options, which);
    }
}

#[test]
fn times_keep_what_happened_in_the_span() {
    for (options, which) in [
        (&["--since", "2027-01-15T08:00:10Z"][..], "2S 3E 1E"),
        (&["--until", "2027-01-15 09:00:10+01:00"], "1S 3S 2S"),
        (&["--since", "Fri, 15 Jan 2027 08:00:05 +0000", "--until", "15/Jan/2027:08:00:15 +0000"], "3S 2S 3E"),
        (&["--since", "@1800000010.000000001", "--until", "1800000019"], "3E"),
        (&["--since", "2027-01-15 03:00:10.5 America/New_York"], "3E 1E"),
        (&["--until", "5 minutes ago", "--since", "10 minutes ago"], ""),
        (&["--at", "2027-01-15T08:00:12Z"], "1S 3S 2S 3E 1E"),
        (&["--at", "2027-01-15T08:00:07Z"], "1S 3S 3E 1E"),
        (&["--where", "between 2027-01-15T08:00:05Z 2027-01-15T08:00:10Z"], "3S 2S"),
        (&["--where", "after '2027-01-15 08:00:15 UTC' and not before 2027-01-15T08:00:15Z"], "1E"),
    ] {
        assert_keeps(options, which);
    }
}

/// Squeezed, a flow is asked as a whole.
#[test]
fn a_flow_is_asked_once_it_is_whole() {
    let directory = TempDir::new().unwrap();
    let path = segment(&directory);
    let listed = |options: &[&str]| {
        let answer = answer(ctrecorder().args(["list", "-sH"]).args(options).arg(&path));
        assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{options:?}");
        let port = |line: &str| line.split(':').nth_back(0).map(str::to_owned);
        answer.stdout.lines().filter_map(port).collect::<Vec<_>>().concat()
    };
    assert_eq!(listed(&[]), "312");
    assert_eq!(listed(&["--at", "2027-01-15T08:00:07Z"]), "31");
    assert_eq!(listed(&["--at", "2027-01-15T08:00:18Z"]), "12");
    assert_eq!(listed(&["--since", "2027-01-15T08:00:16Z"]), "12");
    assert_eq!(listed(&["--until", "2027-01-15T08:00:07Z"]), "31");
    assert_eq!(listed(&["--min-duration", "15s"]), "1");
    assert_eq!(listed(&["--where", "not at 2027-01-15T08:00:07Z"]), "2");
    assert_eq!(listed(&["--mark", "0x12"]), "2");
}

/// A time that names no zone is local, and that is said.
#[test]
fn a_zone_that_was_assumed_is_told() {
    let directory = TempDir::new().unwrap();
    let mut command = ctrecorder();
    command.env("TZ", "Europe/Warsaw").args(["list", "-H", "--since", "2027-01-15 09:00:20"]);
    let answer = answer(command.args(["--where", "before 2027-01-16"]).arg(segment(&directory)));
    let said = "ctrecorder: --since 2027-01-15 09:00:20 is taken as local time: 2027-01-15T08:00:20Z\n\
                ctrecorder: --where: 2027-01-16 is taken as local time: 2027-01-15T23:00:00Z\n";
    assert_eq!((answer.status, answer.stderr.as_str()), (0, said));
    assert_eq!(answer.stdout, lines("1E").replace("08:00", "09:00"));
}

/// Times are read in the zone that was asked for, and shown in it.
#[test]
fn a_zone_is_a_name_or_an_offset() {
    let directory = TempDir::new().unwrap();
    let path = segment(&directory);
    for (zone, hour, first) in [
        ("Europe/Warsaw", "09:00", "2027-01-15 09:00:20"),
        ("+01:00", "09:00", "2027-01-15 09:00:20"),
        ("-0330", "04:30", "2027-01-15 04:30:20"),
        ("Z", "08:00", "2027-01-15 08:00:20"),
        ("utc", "08:00", "2027-01-15 08:00:20"),
    ] {
        let words = ["list", "-H", "--tz", zone, "--since", first];
        let listed = answer(ctrecorder().env("TZ", "Asia/Tokyo").args(words).arg(&path));
        let expected = lines("1E").replace("08:00", hour);
        assert_eq!(listed, Answer { status: 0, stdout: expected, stderr: String::new() }, "{zone}");
        let header = answer(ctrecorder().env("TZ", "Asia/Tokyo").args(["header", "--tz", zone]).arg(&path));
        assert!(header.stdout.contains(&format!("\n.start: 2027.01.15 {hour}:00.000000\n")), "{}", header.stdout);
    }
    let refused = answer(ctrecorder().args(["list", "--tz", "+25:00"]).arg(&path));
    assert!(refused.stderr.contains("+25:00 is no offset from UTC: its hours go up to 23"), "{}", refused.stderr);
    assert_eq!(refused.status, 2);
}

/// What the environment says of the zone is understood, or it is said that it is not: then it is UTC, as for the C library.
#[cfg(unix)]
#[test]
fn an_environment_that_is_not_understood_is_told() {
    let directory = TempDir::new().unwrap();
    let path = segment(&directory);
    let list = |tz: &str, options: &[&str]| {
        answer(ctrecorder().env("TZ", tz).args(["list", "-H", "--proto", "udp"]).args(options).arg(&path))
    };
    for (tz, time) in [
        ("", "08:00:10"),
        ("UTC0", "08:00:10"),
        ("CET", "09:00:10"),
        ("Europe/Berlin", "09:00:10"),
        (":Europe/Berlin", "09:00:10"),
        ("/usr/share/zoneinfo/Europe/Berlin", "09:00:10"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "09:00:10"),
        ("<+0330>-3:30", "11:30:10"),
        ("XYZ+1:30:15", "06:29:55"),
        ("AAA0BBB-2,0/0,365/24:00:00", "10:00:10"),
        ("AAA0BBB,J60,J300/1:30", "08:00:10"),
        ("NZST-12NZDT,M9.5.0,M4.1.0/3", "21:00:10"),
    ] {
        let expected = lines("2S").replace("08:00:10", time);
        assert_eq!(list(tz, &[]), Answer { status: 0, stdout: expected, stderr: String::new() }, "{tz}");
    }
    let unknown =
        |tz: &str| format!("ctrecorder: TZ={tz} is not understood as a time zone: local times are taken to be UTC\n");
    for tz in ["Nowhere/Nothing", ":Nowhere", "/etc/passwd", "A1", "CET-1CEST,M13.5.0,M10.5.0", "UTC-24", "UTC0x"] {
        assert_eq!(list(tz, &[]), Answer { status: 0, stdout: lines("2S"), stderr: unknown(tz) });
        assert_eq!(list(tz, &["--tz", "UTC"]).stderr, "", "{tz}");
    }
    let without_days = "ctrecorder: TZ=CET-1CEST does not say when daylight saving time begins and ends, as \
                        CET-1CEST,M3.5.0,M10.5.0/3 does: local times are taken to be UTC\n";
    assert_eq!(list("CET-1CEST", &[]), Answer { status: 0, stdout: lines("2S"), stderr: without_days.into() });
    let since = "ctrecorder: --since 2027-01-15 is taken as local time: 2027-01-15T00:00:00Z\n";
    assert_eq!(list("Mars", &["--since", "2027-01-15"]).stderr, unknown("Mars") + since);
    for command in ["header", "coverage", "squeeze"] {
        let said = answer(ctrecorder().env("TZ", "Mars").arg(command).arg(&path)).stderr;
        assert!(said.starts_with(&unknown("Mars")), "{command}: {said}");
    }
}

#[test]
fn what_cannot_be_understood_is_pointed_at() {
    let directory = TempDir::new().unwrap();
    let path = segment(&directory);
    for (options, said) in [
        (&["--since", "2026-03-29 02:30"][..], "--since: 2026-03-29 02:30 did not exist in the local time zone"),
        (
            &["--until", "2026-10-25 02:30"],
            "--until: 2026-10-25 02:30 came twice in the local time zone, where clocks were \
          set back: say 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00\n",
        ),
        (&["--at", "2026-11-20 12:00 CET"], "--at: 2026-11-20 12:00 CET: CET is the short name of a time"),
        (
            &["--at", "2026-11-20 12:00 CST"],
            "--at: 2026-11-20 12:00 CST: CST is the short name of a time, and not clear: say -0600, or America/Chicago; or +0800, \
             or Asia/Shanghai\n",
        ),
        (&["--since", "tomorrow"], "--since: tomorrow is no time"),
        (&["--since", "2026-02-30"], "--since: 2026-02-30: February 2026 has no day 30\n"),
        (&["--at", "2026-11-20T14:00:60Z"], "--at: 2026-11-20T14:00:60Z: there is no second 60 but the leap second"),
        (
            &["--since", "@2", "--until", "@1"],
            "--since is later than --until, 1970-01-01T00:00:02Z than 1970-01-01T00:00:01Z: say the earlier one with --since\n",
        ),
        (
            &["--where", "src ip 10.0.0.1 und nat"],
            "--where: \"and\" or \"or\" is missing before this: did you mean \"and\"?\n  src ip 10.0.0.1 und nat\n\
            \u{20}                 ^^^\n",
        ),
        (&["--where", "before 2026-03-29 02:30"], "--where: 2026-03-29 02:30 did not exist"),
    ] {
        let mut command = ctrecorder();
        let answer = answer(command.env("TZ", "Europe/Warsaw").arg("list").args(options).arg(&path));
        assert_eq!((answer.status, answer.stdout.as_str()), (2, ""), "{options:?}");
        assert!(answer.stderr.starts_with(&format!("ctrecorder: {said}")), "{options:?}: {}", answer.stderr);
    }
    for (options, said) in [
        (["--orig-port-src", "2:1"], "2:1: the first port of a range is not greater than the last"),
        (["--reply-dst", "10.0.0.0/33"], "10.0.0.0/33: a prefix of an IPv4 address is at most 32 bits long"),
        (["--mark", "0xg"], "0xg is not a mark"),
        (["--min-duration", "5"], "5 is no span of time"),
        (["--proto", "tpc"], "\"tpc\" is not a protocol"),
        (["--zone", "65536"], "65536 is not a conntrack zone"),
        (["--id", "x"], "x is not a conntrack id"),
        (
            ["-i", "[fd00::1]:80"],
            "[fd00::1]:80 is an address with a port: say the two by themselves, or both at once as an endpoint",
        ),
        (["--threads", "0"], "0 is not a number of threads, which is at least 1"),
    ] {
        let answer = answer(ctrecorder().arg("list").args(options).arg(&path));
        assert_eq!((answer.status, answer.stdout.as_str()), (2, ""), "{options:?}");
        assert!(answer.stderr.contains(said), "{options:?}: {}", answer.stderr);
    }
}

/// The letters know -i and -p only, each of them also more than once.
#[test]
fn the_letters_stay_what_they_were() {
    let directory = TempDir::new().unwrap();
    let path = segment(&directory).into_os_string();
    let listed = |letters: &[&str]| {
        let words = ["-L", "-H"].iter().chain(letters).map(std::ffi::OsString::from);
        run(words.chain(["-f".into(), path.clone()]))
    };
    assert_eq!(listed(&["-i", "10.0.0.1/255.255.255.255", "-p", "2"]).stdout, lines("2S"));
    assert_eq!(listed(&["-p", "1", "-p", "3"]).stdout, lines("1S 3S 3E 1E"));
    for letters in [&["-p", "x"][..], &["-i", "x"], &["--since", "@1"], &["--where", "nat"]] {
        assert_eq!((listed(letters).status, listed(letters).stdout.as_str()), (1, ""), "{letters:?}");
    }
}

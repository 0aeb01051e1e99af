//! Files of several network namespaces of one host, which are never mixed.

use std::fs;
use std::path::PathBuf;

use ctrecorder_format::header::namespace;
use ctrecorder_format::record::flags;
use ctrecorder_format::{Closing, Content, Header, Kind, Record, Tuple, V4, Writer};
use tempfile::TempDir;

use crate::program::{Answer, answer, ctrecorder};

const NS: u64 = 1_000_000_000;
/// 2026-11-20T14:00:00Z.
const T0: u64 = 1_795_183_200 * NS;

/// One flow, whose start and end have all in common that pairing asks for, the kernel's id, too.
fn record(kind: Kind, second: u64) -> Record<V4> {
    let tuple = |src, dst, sport: u16, dport: u16| Tuple { src, dst, sport: sport.into(), dport: dport.into() };
    let moment = T0 + second * NS;
    let (start, end) = if kind == Kind::End { (0, moment) } else { (moment, 0) };
    Record {
        start: start.into(),
        end: end.into(),
        original: tuple([10, 0, 0, 7], [198, 51, 100, 80], 51234, 443),
        reply: tuple([198, 51, 100, 80], [203, 0, 113, 6], 443, 36782),
        id: 77.into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: kind as u8,
        protocol: 6,
        status: 0.into(),
        tcp_state: 0,
        flags: flags::REPLY_SEEN,
    }
}

/// A segment of the namespace with this id, from this second on for ten, with these records.
fn segment(directory: &TempDir, id: Option<u32>, second: u64, records: &[Record<V4>]) -> PathBuf {
    let name = format!("{}.{second}.ct", id.map_or("own".into(), |id| id.to_string()));
    segment_of(directory, namespace(0, id), &name, second, records)
}

/// The same of the namespace with this number, as headers have it, and of this name.
fn segment_of(directory: &TempDir, namespace: u64, name: &str, second: u64, records: &[Record<V4>]) -> PathBuf {
    let created = T0 + second * NS;
    let header =
        Header { host: "host".into(), namespace, recorder_started: created, created, ..Header::blank(Content::Events) };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    for record in records {
        writer.push(record, None, record.event_time());
    }
    writer.finish(Closing::Stopped, created + 10 * NS).unwrap();
    writer.write_out().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, writer.output()).unwrap();
    path
}

fn run(directory: &TempDir, words: &[&str]) -> Answer {
    answer(ctrecorder().args(words).arg(directory.path()).env("TZ", "UTC"))
}

#[test]
fn a_start_in_one_namespace_and_an_end_in_another_are_two_flows_whatever_their_ids() {
    let directory = TempDir::new().unwrap();
    segment(&directory, Some(3), 0, &[record(Kind::Start, 1)]);
    segment(&directory, Some(7), 20, &[record(Kind::End, 21)]);
    segment(&directory, None, 40, &[record(Kind::End, 41)]);
    let listed = run(&directory, &["list", "-s", "-H"]);
    let tuples = "src=10.0.0.7:51234 dst=198.51.100.80:443 src=198.51.100.80:443 dst=203.0.113.6:36782";
    let nothing = "-          -              ";
    let expected = format!(
        "{nothing} 2026.11.20 14:00:41.000000 {tuples}\n\
         2026.11.20 14:00:01.000000 {nothing} {tuples} [netns 3]\n\
         {nothing} 2026.11.20 14:00:21.000000 {tuples} [netns 7]\n"
    );
    assert_eq!((listed.status, listed.stdout), (0, expected), "{}", listed.stderr);
    // One after the other they are of several recorders, too.
    for command in [&["coverage"][..], &["squeeze", "-o", "/nonexistent/one.ct"]] {
        let refused = run(&directory, command);
        assert_eq!(refused.status, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("network namespace with the id 3"), "{}", refused.stderr);
    }
    // The end tells nothing of the flow that began elsewhere.
    let who =
        |netns| run(&directory, &["who", "203.0.113.6:36782", "--at", "@1795183225", "--slack", "0", "--netns", netns]);
    assert!(who("7").stdout.starts_with("UNKNOWN") && who("3").stdout.starts_with("UNKNOWN"), "{}", who("3").stdout);
    assert_eq!(
        run(&directory, &["who", "203.0.113.6:36782", "--at", "@1795183205", "--slack", "0", "--netns", "3"]).status,
        0
    );
}

#[test]
fn of_one_namespace_its_files_are_read_and_one_that_does_not_tell_is_left_out_and_told() {
    let directory = TempDir::new().unwrap();
    segment(&directory, Some(3), 0, &[record(Kind::Start, 1), record(Kind::End, 2)]);
    segment(&directory, None, 0, &[record(Kind::Start, 3)]);
    let list = |netns| run(&directory, &["list", "-H", "--netns", netns]);
    assert_eq!(["3", "own", "7"].map(|id| list(id).stdout.lines().count()), [2, 1, 0]);
    let nonsense = run(&directory, &["list", "--netns", "mine"]);
    assert!(nonsense.status == 2 && nonsense.stderr.contains("or the word own"), "{}", nonsense.stderr);
    let header = answer(ctrecorder().arg("header").arg(directory.path().join("3.0.ct")));
    assert!(header.stdout.contains(".netns: 3\n"), "{}", header.stdout);
    let damaged = segment(&directory, Some(3), 30, &[record(Kind::Start, 31)]);
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[100] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let listed = list("3");
    assert_eq!((listed.status, listed.stdout.lines().count()), (5, 2), "{}", listed.stderr);
    assert!(listed.stderr.contains("3.30.ct") && listed.stderr.contains("network namespace"), "{}", listed.stderr);
}

/// Nor has one of them an id that would tell it: two recorders of one host, one of them in a container.
#[test]
fn export_refuses_two_namespaces_at_the_same_time() {
    let directory = TempDir::new().unwrap();
    segment_of(&directory, namespace(4_026_531_840, None), "one", 0, &[record(Kind::Start, 1)]);
    segment_of(&directory, namespace(4_026_532_177, None), "other", 1, &[record(Kind::Start, 2)]);
    let around = TempDir::new().unwrap();
    let output = around.path().join("exported");
    let refused = run(&directory, &["export", "--to", "csv", "-o", output.to_str().unwrap()]);
    assert_eq!((refused.status, output.exists()), (2, false), "{}", refused.stderr);
    assert!(refused.stderr.contains("4026531840") && refused.stderr.contains("4026532177"), "{}", refused.stderr);
}

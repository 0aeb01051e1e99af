//! What the program answers, in words of these tests.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};

use chrono::DateTime;
use ctrecorder_format::Kind;
use ctrecorder_format::record::flags::{END_AT_LATEST, END_FROM_KERNEL, RECOVERED, REPLY_SEEN, START_FROM_KERNEL};

use crate::program::{Answer, answer, ctrecorder};
use crate::rows::Says;

/// Runs the program.
pub fn run<A: AsRef<OsStr>, B: AsRef<OsStr>>(
    words: impl IntoIterator<Item = A>,
    paths: impl IntoIterator<Item = B>,
) -> Answer {
    answer(ctrecorder().args(words).args(paths))
}

/// The lines of `list -o csv` as what they say, with the status.
pub fn listed<A: AsRef<OsStr>, B: AsRef<OsStr>>(
    words: impl IntoIterator<Item = A>,
    paths: impl IntoIterator<Item = B>,
) -> (i32, Vec<Says>) {
    let mut command = ctrecorder();
    command.args(["list", "-H", "-o", "csv"]).args(words).args(paths);
    let answer = answer(&mut command);
    assert!([0, 5].contains(&answer.status), "{command:?}: {}", answer.stderr);
    (answer.status, answer.stdout.lines().skip(1).map(line).collect())
}

/// A moment in RFC 3339 as ns since the epoch, 0 for none.
pub fn moment(text: &str) -> u64 {
    if text.is_empty() {
        return 0;
    }
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap().cast_unsigned()
}

/// What a line of CSV says; docs/outputs.md tells of its fields.
fn line(text: &str) -> Says {
    let fields: Vec<_> = text.split(',').collect();
    let kind = match fields[1] {
        "start" => Kind::Start,
        "end" => Kind::End,
        "open" => Kind::Open,
        "update" => Kind::Update,
        "flow" => Kind::Flow,
        other => panic!("a record of kind {other:?}"),
    };
    // An update tells when it was, and not when its flow began.
    let start = if kind == Kind::Update { fields[0] } else { fields[2] };
    let flag = |flag, field: usize, value| if fields[field] == value { flag } else { 0 };
    let endpoint = |at: usize| SocketAddr::new(fields[at].parse::<IpAddr>().unwrap(), fields[at + 1].parse().unwrap());
    let says = Says {
        kind,
        start: moment(start),
        end: moment(fields[4]),
        flags: flag(START_FROM_KERNEL, 3, "kernel")
            | flag(END_FROM_KERNEL, 5, "kernel")
            | flag(REPLY_SEEN, 7, "true")
            | flag(RECOVERED, 8, "true")
            | flag(END_AT_LATEST, 9, "true"),
        ended_after: moment(fields[10]),
        endpoints: [14, 16, 18, 20].map(endpoint),
        protocol: fields[13].parse().unwrap(),
        id: if fields[28].is_empty() { 0 } else { fields[28].parse().unwrap() },
    };
    assert_eq!(moment(fields[0]), says.time(), "the time of {text}");
    says
}

//! In which words a person is answered.

use ctrecorder_format::{Closing, Kind, V4};

use super::answers::ask;
use super::journal::{TCP, event, every_protocol, segment};
use crate::readers::sample::Segment;

const PUBLIC: &str = "203.0.113.6:36782";

/// A year too late, or the afternoon for the morning: an answer of what is still to come would be one about nothing.
#[test]
fn a_time_that_is_still_to_come_is_warned_of_where_no_file_tells_of_it() {
    let files = [("a.ct", segment())];
    let warned = |at: &str, more: &[&str]| {
        let answer = ask(&files, &[&[PUBLIC, "--at", at], more].concat());
        let lines = answer.stderr.lines().filter(|line| line.contains("still to come")).count();
        assert_eq!(answer.stderr.lines().count(), lines, "{}", answer.stderr);
        lines
    };
    assert_eq!(warned("2200-01-15T08:04:30Z", &[]), 1);
    assert_eq!(warned("2200-01-15T08:04:30Z", &["-o", "json"]), 1);
    assert_eq!(warned("2000-01-15T08:04:30Z", &[]), 0);
    // This may be the future, by the clock of the machine that reads: the recorder's was there.
    assert_eq!(warned("2027-01-15T08:04:30Z", &[]), 0);
    let of_2200 = [("a.ct", Segment::new(&every_protocol(0)).closed_at(Closing::Stopped, 200 * 31_557_600).0)];
    assert!(!ask(&of_2200, &[PUBLIC, "--at", "2200-01-15T08:04:30Z"]).stderr.contains("still to come"));
}

#[test]
fn a_slack_is_told_as_it_is_typed() {
    let files = [("a.ct", segment())];
    for (slack, told) in [
        ("2d", "2d"),
        ("60 days", "60d"),
        ("36h", "1d 12h"),
        ("90s", "1m 30s"),
        ("1500ms", "1s 500ms"),
        ("1us 1ns", "1us 1ns"),
        ("0s", "0s"),
    ] {
        let text = ask(&files, &[PUBLIC, "--at", "2027-01-15T08:04:30Z", "--slack", slack]).stdout;
        assert!(text.contains(&format!("Z, {told} before and after\n")), "{slack}: {text}");
    }
}

/// That a flow ended at all is more than such files tell.
#[test]
fn a_flow_without_an_end_is_not_said_to_have_ended() {
    let inside = ["10.64.3.7:51322", "198.51.100.7:443", "198.51.100.7:443", PUBLIC];
    let open = Segment::new(&every_protocol(0)).push::<V4>(&event(Kind::Start, TCP, 60, inside));
    let files = [("a.ct", open.closed_at(Closing::Stopped, 3600).0)];
    let text = ask(&files, &[PUBLIC, "--at", "2027-01-15T08:04:30Z", "--slack", "1s"]).stdout;
    let told = "  began 2027-01-15T08:01:00Z (recorder's clock)\n  no end is recorded: it may have gone on\n";
    assert!(text.starts_with("UNIQUE: 10.64.3.7; ") && text.contains(told), "{text}");
}

//! Which answer is given, and how the program ends with it.

use ctrecorder_format::record::flags;
use ctrecorder_format::{Cause, Closing, Header, Kind, Note, V4};
use serde_json::Value;

use super::journal::{TCP, UDP, directory, event, every_protocol, segment};
use crate::program::Answer;
use crate::readers::sample::{BEGIN, NS, Segment, golden, header, run};

/// Asks of files with these contents.
pub fn ask(files: &[(&str, Vec<u8>)], arguments: &[&str]) -> Answer {
    let directory = directory(files);
    let path = directory.path().display().to_string();
    run([&["who"], arguments, &[&path]].concat())
}

/// The JSON of an answer, and the exit status.
fn json(files: &[(&str, Vec<u8>)], arguments: &[&str]) -> (Value, i32) {
    let answer = ask(files, &[arguments, &["-o", "json"]].concat());
    (serde_json::from_str(&answer.stdout).unwrap(), answer.status)
}

/// Verdict, inside addresses, and the exit status.
pub fn verdict(files: &[(&str, Vec<u8>)], arguments: &[&str]) -> (String, Vec<String>, i32) {
    let (answer, status) = json(files, arguments);
    let inside = answer["inside"].as_array().unwrap().iter().map(|ip| ip.as_str().unwrap().to_owned());
    (answer["verdict"].as_str().unwrap().to_owned(), inside.collect(), status)
}

pub fn is(word: &str, inside: &[&str], status: i32) -> (String, Vec<String>, i32) {
    (word.to_owned(), inside.iter().map(|&ip| ip.to_owned()).collect(), status)
}

#[test]
fn every_verdict_has_its_exit_status() {
    let files = [("a.ct", segment())];
    let ask = |endpoint, at, more: &[&str]| verdict(&files, &[&[endpoint, "--at", at], more].concat());
    let both = ["10.64.3.7", "10.64.9.1"];
    let public = "203.0.113.6:36782";
    assert_eq!(ask(public, "2027-01-15T08:04:30Z", &["--slack", "1s"]), is("UNIQUE", &both[..1], 0));
    assert_eq!(ask(public, "2027-01-15T08:02:00Z", &[]), is("AMBIGUOUS", &both, 3));
    assert_eq!(ask(public, "2027-01-15T08:02:00Z", &["--peer", "198.51.100.8"]), is("UNIQUE", &both[1..], 0));
    assert_eq!(ask(public, "2027-01-15T08:02:00Z", &["--peer", "198.51.100.7:443"]), is("UNIQUE", &both[..1], 0));
    assert_eq!(ask(public, "2027-01-15T08:02:00Z", &["--peer", "198.51.100.7:444"]), is("NONE", &[], 1));
    assert_eq!(ask(public, "2027-01-15T08:02:00Z", &["--proto", "udp"]), is("NONE", &[], 1));
    assert_eq!(ask(public, "2027-01-15T08:10:00Z", &[]), is("NONE", &[], 1));
    assert_eq!(ask(public, "2027-01-15T08:15:05Z", &["--slack", "0s"]), is("UNKNOWN", &[], 4));
    // A slack that touches the gap, or the end of the journal, by its last moment.
    assert_eq!(ask(public, "2027-01-15T08:14:00Z", &[]), is("UNKNOWN", &[], 4));
    assert_eq!(ask(public, "2027-01-15T08:13:59Z", &[]), is("NONE", &[], 1));
    assert_eq!(ask(public, "2027-01-15T08:59:00.1Z", &[]), is("UNKNOWN", &[], 4));
    assert_eq!(ask(public, "2026-01-15T08:00:00Z", &[]), is("UNKNOWN", &[], 4));
    assert_eq!(ask(public, "2027-01-15T08:02:00Z", &["--slack", "500 years"]), is("AMBIGUOUS", &both, 3));
}

#[test]
fn endpoints_of_every_kind_are_found() {
    let files = [("a.ct", segment())];
    for (endpoint, at, inside, peer, how) in [
        ("203.0.113.6:8080", "08:03:00", "10.64.0.80:80", "192.0.2.9:50000", "destination NAT"),
        ("[2001:db8:1::7]:5353", "08:30:00", "[2001:db8:1::7]:5353", "[2001:db8:2::53]:53", "not translated"),
        ("[2001:db8:2::53]:53", "08:30:00", "[2001:db8:2::53]:53", "[2001:db8:1::7]:5353", "not translated"),
        ("198.51.100.8:25", "08:02:00", "198.51.100.8:25", "203.0.113.6:36782", "not translated"),
        ("[::ffff:203.0.113.6]:8080", "08:03:00", "10.64.0.80:80", "192.0.2.9:50000", "destination NAT"),
    ] {
        let (answer, status) = json(&files, &[endpoint, "--at", &format!("2027-01-15T{at}Z")]);
        let flow = &answer["flows"][0];
        let end = |name: &str| {
            let (ip, port) = (flow[name]["ip"].as_str().unwrap(), &flow[name]["port"]);
            if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
        };
        assert_eq!((answer["verdict"].as_str(), status), (Some("UNIQUE"), 0), "{endpoint}: {answer}");
        assert_eq!((end("inside").as_str(), end("peer").as_str()), (inside, peer), "{endpoint}");
        assert_eq!(flow["translation"], how, "{endpoint}");
    }
}

#[test]
fn it_is_told_whose_clock_told_a_time_and_what_was_only_found() {
    let files = [("a.ct", segment())];
    let flow = |endpoint, at| json(&files, &[endpoint, "--at", at, "--slack", "0s"]).0["flows"][0].clone();
    let forwarded = flow("203.0.113.6:8080", "2027-01-15T08:03:00Z");
    assert_eq!((&forwarded["clock"]["start"], &forwarded["clock"]["end"]), (&"kernel".into(), &"kernel".into()));
    assert_eq!(forwarded["end"], "2027-01-15T08:04:00.000000000Z");
    let found = flow("203.0.113.7:1500", "2027-01-15T08:15:00Z");
    assert_eq!((&found["start"], &found["began_by"]), (&Value::Null, &"2027-01-15T08:15:11.000000000Z".into()));
    assert_eq!(found["began_after"], "2027-01-15T08:14:50.000000000Z");
    // Before that reading of the table began nobody had it.
    assert_eq!(flow("203.0.113.7:1500", "2027-01-15T08:14:49Z"), Value::Null);
    let unheard = flow("203.0.113.7:1600", "2027-01-15T08:15:05Z");
    assert_eq!((&unheard["end"], &unheard["ended_by"]), (&Value::Null, &"2027-01-15T08:15:11.000000000Z".into()));
    assert_eq!(unheard["ended_after"], "2027-01-15T08:14:50.000000000Z");
    assert_eq!(unheard["clock"]["end"], "recorder");
    let open = flow("[2001:db8:1::7]:5353", "2027-01-15T08:30:00Z");
    assert_eq!((&open["end"], &open["ended_by"], &open["clock"]["end"]), (&Value::Null, &Value::Null, &Value::Null));
}

/// The kernel holds no two flows with one reply tuple.
#[test]
fn a_flow_whose_end_is_missing_ended_before_its_place_was_taken() {
    let flow = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
    let next = ["10.0.0.2:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
    let bytes = Segment::new(&every_protocol(0))
        .note(&Note::at(BEGIN, Cause::Started))
        .push::<V4>(&event(Kind::Start, TCP, 10, flow))
        .push::<V4>(&event(Kind::Start, TCP, 100, next))
        .push::<V4>(&event(Kind::End, TCP, 110, next))
        .closed(Closing::Stopped)
        .0;
    let files = [("a.ct", bytes)];
    let ask = |at| verdict(&files, &["203.0.113.6:1000", "--at", at, "--slack", "0s"]);
    assert_eq!(ask("2027-01-15T08:01:00Z"), is("UNIQUE", &["10.0.0.1"], 0));
    assert_eq!(ask("2027-01-15T08:01:45Z"), is("UNIQUE", &["10.0.0.2"], 0));
    let (answer, _) = json(&files, &["203.0.113.6:1000", "--at", "2027-01-15T08:01:00Z", "--slack", "0s"]);
    assert_eq!(answer["flows"][0]["ended_by"], "2027-01-15T08:01:40.000000000Z");
}

#[test]
fn of_icmp_the_port_is_the_id() {
    let mut ping =
        event::<V4>(Kind::Start, 1, 10, ["10.0.0.1:77", "198.51.100.7:2048", "198.51.100.7:78", "203.0.113.6:0"]);
    ping.flags = flags::START_FROM_KERNEL;
    let read = Note::gap(BEGIN, BEGIN, 0, Cause::TableRead);
    let bytes = Segment::new(&every_protocol(0)).note(&read).push(&ping).closed(Closing::Stopped).0;
    let files = [("a.ct", bytes)];
    let ask =
        |endpoint, more: &[&str]| verdict(&files, &[&[endpoint, "--at", "2027-01-15T08:02:00Z"], more].concat()).0;
    assert_eq!(ask("203.0.113.6:78", &["--proto", "icmp"]), "UNIQUE");
    assert_eq!(ask("203.0.113.6:78", &["--proto", "all"]), "UNIQUE");
    assert_eq!(ask("203.0.113.6:77", &["--proto", "icmp"]), "NONE");
    assert_eq!(ask("203.0.113.6:78", &[]), "NONE", "without a protocol a port is a port");
    assert_eq!(ask("203.0.113.6:0", &["--proto", "icmp"]), "NONE");

    // The same query listed: by its id, wherever that stands.
    let directory = directory(&files);
    let path = directory.path().display().to_string();
    let listed = |endpoint, more: &[&str]| {
        let answer = run([&["list", "--endpoint", endpoint][..], more, &[&path]].concat());
        assert_eq!(answer.status, 0, "{}", answer.stderr);
        answer.stdout.lines().count()
    };
    for (endpoint, found) in [
        ("203.0.113.6:78", 1),
        ("10.0.0.1:77", 1),
        ("198.51.100.7:77", 1),
        ("198.51.100.7:78", 1),
        ("203.0.113.6:77", 0),
        ("10.0.0.1:78", 0),
    ] {
        assert_eq!(listed(endpoint, &["--proto", "icmp"]), found, "{endpoint}");
        assert_eq!(listed(endpoint, &["--proto", "tcp"]), 0, "{endpoint}");
    }
    assert_eq!(listed("203.0.113.6:78", &[]), 0, "without a protocol a port is what stands in its place");
    let squeezed = directory.path().join("squeezed.ct").display().to_string();
    let words = ["squeeze", "-o", &squeezed, "--endpoint", "203.0.113.6:78", "--proto", "icmp", &path];
    assert_eq!(run(words).status, 0);
    assert_eq!(run(["list", "-H", &squeezed]).stdout.lines().count(), 1);
}

/// Who complains of a ping seldom knows its id.
#[test]
fn an_address_without_the_id_of_a_query_is_told_what_to_say() {
    let said = |protocols| {
        let asked = ["203.0.113.6", "--at", "2027-01-15T08:02:00Z", "--proto", protocols];
        let answer = ask(&[("a.ct", segment())], &asked);
        assert_eq!((answer.status, answer.stdout.as_str()), (2, ""));
        answer.stderr
    };
    assert_eq!(
        said("icmp"),
        "ctrecorder: 203.0.113.6: say what icmp has in the place of the port, too: of ICMP the id of the query, as \
         203.0.113.6:4660, of GRE the key, else 0; what the address had whatever that was: ctrecorder list --squeezed --proto \
         icmp --address 203.0.113.6 --at TIME\n"
    );
    assert_eq!(said("tcp"), "ctrecorder: 203.0.113.6: say the port, too, as in 203.0.113.6:36782\n");
}

/// NONE is for what was looked for, and not there.
#[test]
fn what_was_not_recorded_is_not_denied() {
    let tcp = golden("tcp.ct").display().to_string();
    let ask = |endpoint: &str, more: &[&str]| {
        let answer = run([&["who", endpoint, "--at", "2026-11-20T21:12:30Z", "--slack", "1s"], more, &[&tcp]].concat());
        (answer.stdout.lines().next().unwrap().to_owned(), answer.status, answer.stdout)
    };
    let (line, status, text) = ask("203.0.113.1:1", &["--proto", "tcp"]);
    assert_eq!((line.as_str(), status), ("NONE: no flow had 203.0.113.1:1 by tcp then", 1));
    assert!(!text.contains("only tcp was recorded") && text.contains("version 2 do not tell"), "{text}");
    // Nobody says that it was TCP.
    let (line, status, text) = ask("203.0.113.1:1", &[]);
    assert!(line.starts_with("UNKNOWN: ") && status == 4 && text.contains("\nonly tcp was recorded\n"), "{text}");
    for (endpoint, more) in [("203.0.113.1:1", ["--proto", "udp"]), ("[2001:db8::1]:1", ["--proto", "tcp"])] {
        let (line, status, _) = ask(endpoint, &more);
        assert!(
            line.starts_with("UNKNOWN: ") && line.ends_with("not every kind of flow that is asked for was recorded"),
            "{line}"
        );
        assert_eq!(status, 4);
    }
}

/// A time that is an hour off, or twelve, names another host.
#[test]
fn it_is_told_what_the_answer_depends_on() {
    let flow = |inside| [inside, "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
    let whole = |segment: Segment, inside, from: u64, to: u64| {
        segment.push::<V4>(&event(Kind::Start, TCP, from, flow(inside))).push::<V4>(&event(
            Kind::End,
            TCP,
            to,
            flow(inside),
        ))
    };
    let mut segment = Segment::new(&every_protocol(0)).note(&Note::at(BEGIN, Cause::Started)).note(&Note::gap(
        BEGIN,
        BEGIN,
        0,
        Cause::TableRead,
    ));
    let hour = 3600;
    for (inside, from) in [("10.0.0.1:1", 0), ("10.0.0.2:1", 11 * hour), ("10.0.0.3:1", 12 * hour)] {
        segment = whole(segment, inside, from + 1, from + 1800);
    }
    let files = [("a.ct", segment.closed_at(Closing::Stopped, 30 * hour).0)];
    let arguments = ["203.0.113.6:1000", "--at", "2027-01-15T20:10:00Z", "--tz", "Europe/Warsaw"];
    let answer = ask(&files, &arguments);
    assert_eq!(answer.stdout.lines().next(), Some("UNIQUE: 10.0.0.3"));
    assert!(
        answer.stdout.contains("\nif local time was meant (2027-01-15T20:10:00+01:00) it would be UNIQUE: 10.0.0.2\n")
    );
    assert!(answer.stdout.contains("\n12 hours earlier (2027-01-15T09:10:00+01:00) it would be UNIQUE: 10.0.0.1\n"));
    assert!(answer.stdout.contains("\n12 hours later (2027-01-16T09:10:00+01:00) it would be NONE\n"));
    assert!(answer.stdout.contains("\nthe same with slack 0s, with slack 1s\n"), "{}", answer.stdout);
    let (answer, _) = json(&files, &arguments);
    let changes: Vec<_> = answer["sensitivity"].as_array().unwrap().iter().map(|change| &change["change"]).collect();
    assert_eq!(changes, ["slack", "slack", "slack", "local time", "12 hours earlier", "12 hours later"]);
}

/// What a complaint says besides may be wrong as well.
#[test]
fn it_is_told_what_the_answer_would_be_without_peer_and_protocol() {
    let files = [("a.ct", segment())];
    let asked = ["203.0.113.6:36782", "--at", "2027-01-15T08:04:30Z", "--slack", "5s"];
    let text = |more: &[&str]| ask(&files, &[&asked[..], more].concat()).stdout;
    let without = |what: &str| format!("\nwithout {what} it would be UNIQUE: 10.64.3.7\n");
    let wrong = text(&["--peer", "198.51.100.99"]);
    assert!(wrong.starts_with("NONE: ") && wrong.contains(&without("--peer")) && !wrong.contains("--proto"), "{wrong}");
    let wrong = text(&["--proto", "udp"]);
    assert!(wrong.starts_with("NONE: ") && wrong.contains(&without("--proto")) && !wrong.contains("--peer"), "{wrong}");
    let right = text(&["--proto", "tcp", "--peer", "198.51.100.7"]);
    assert!(right.contains("\nthe same without --peer, without --proto, with slack 0s, "), "{right}");
    assert!(!text(&[]).contains("without --"));
    // Both are wrong: neither alone changes that.
    let (answer, _) = json(&files, &[&asked[..], &["--proto", "udp", "--peer", "198.51.100.99"]].concat());
    let changes = answer["sensitivity"].as_array().unwrap()[..2].iter();
    let changes: Vec<_> = changes.map(|change| (&change["change"], &change["verdict"], &change["differs"])).collect();
    let none = |what: &'static str| (Value::from(what), Value::from("NONE"), Value::from(false));
    let expected = ["without --peer", "without --proto"].map(none);
    assert_eq!(changes, expected.iter().map(|(what, none, no)| (what, none, no)).collect::<Vec<_>>());
    // What has no ports is not asked for by protocols that have.
    let pings = ask(&files, &["203.0.113.6:0", "--at", "2027-01-15T08:04:30Z", "--proto", "icmp"]).stdout;
    assert!(pings.starts_with("NONE: ") && !pings.contains("without --proto"), "{pings}");
}

const LONG: [&str; 4] = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];

/// Six segments of ten minutes, each with a whole keyframe. A flow lasts from the first to the fifth; the second, third and
/// fourth each have the start of one that does not end.
fn rotated() -> Vec<(&'static str, Vec<u8>)> {
    let mut previous = None;
    let names = ["0.ct", "1.ct", "2.ct", "3.ct", "4.ct", "5.ct"];
    let segment = |(number, name): (u64, &'static str)| {
        let (begin, is_last) = (number * 600, number == 5);
        let header = Header { protocols: Vec::new(), ..header(number, previous) };
        let mut segment = Segment::new(&header);
        if number == 0 {
            segment = segment.note(&Note::at(BEGIN, Cause::Started));
        } else if !is_last {
            segment = segment.push::<V4>(&event(Kind::Open, TCP, 5, LONG));
        }
        let public = format!("203.0.113.9:{number}");
        let short = ["10.0.0.9:9", "1.1.1.1:53", "1.1.1.1:53", &public];
        let read = BEGIN + begin * NS + NS / 2;
        segment = segment.note(&Note::gap(read - NS / 4, read, 0, Cause::TableRead));
        segment = match number {
            0 => segment.push::<V4>(&event(Kind::Start, TCP, 5, LONG)),
            4 => segment.push::<V4>(&event(Kind::End, TCP, begin + 90, LONG)),
            _ => segment.push::<V4>(&event(Kind::Start, UDP, begin + 90, short)),
        };
        let (bytes, digest) = segment.closed_at(if is_last { Closing::Stopped } else { Closing::WentOn }, begin + 600);
        previous = Some(digest);
        (name, bytes)
    };
    (0..).zip(names).map(segment).collect()
}

#[test]
fn a_flow_that_was_open_at_last_is_shown_and_no_answer_later() {
    let endpoints = ["10.64.3.7:1", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1"];
    let open = event::<V4>(Kind::Start, TCP, 10, endpoints);
    let files = [("a.ct", Segment::new(&header(0, None)).push(&open).closed_at(Closing::Stopped, 600).0)];
    let ask = |at| json(&files, &["203.0.113.6:1", "--at", at, "--slack", "0s"]);
    let (within, status) = ask("2027-01-15T08:10:00Z");
    assert_eq!((within["verdict"].as_str(), status), (Some("UNIQUE"), 0));
    let (behind, status) = ask("2027-01-15T08:10:01Z");
    assert_eq!((behind["verdict"].as_str(), status), (Some("UNKNOWN"), 4));
    assert_eq!(behind["inside"].as_array().map(Vec::len), Some(0));
    assert_eq!((&within["flows"][0]["answer"], &behind["flows"][0]["answer"]), (&true.into(), &false.into()));
    let mut flows = within["flows"].clone();
    // It was alive at the last moment that the journal tells of, and nobody knows how long it was.
    assert_eq!((&flows[0]["sure"], &behind["flows"][0]["sure"]), (&true.into(), &false.into()));
    (flows[0]["answer"], flows[0]["sure"]) = (false.into(), false.into());
    assert_eq!(behind["flows"], flows);
}

/// A flow is known from the keyframe of the segment that covers the time, and its end from the next one; neither the
/// segments before nor those behind change that.
#[test]
fn a_part_of_the_journal_answers_as_the_whole() {
    let files = rotated();
    let arguments = ["203.0.113.6:1000", "--at", "2027-01-15T08:25:00Z"];
    let (whole, status) = json(&files, &arguments);
    assert_eq!((whole["verdict"].as_str(), status), (Some("UNIQUE"), 0));
    let (part, _) = json(&files[2..5], &arguments);
    assert_eq!(whole["flows"], part["flows"]);
    assert_eq!(whole["flows"][0]["end"], "2027-01-15T08:41:30.000000000Z");
    assert_eq!(verdict(&files, &["203.0.113.6:1000", "--at", "2027-01-15T08:50:00Z"]), is("NONE", &[], 1));
    // Without the segment of the time nobody can say that nobody had it.
    let without = [&files[..4], &files[5..]].concat();
    assert_eq!(verdict(&without, &["203.0.113.6:1001", "--at", "2027-01-15T08:45:00Z"]), is("UNKNOWN", &[], 4));
}

#[test]
fn a_flow_is_found_in_whichever_segment_it_began() {
    let files = rotated();
    for (endpoint, at) in [("203.0.113.9:1", "08:11:40"), ("203.0.113.9:2", "08:21:40"), ("203.0.113.9:3", "08:31:40")]
    {
        let ask = |at: &str| verdict(&files, &[endpoint, "--at", at, "--slack", "1s"]);
        assert_eq!(ask(&format!("2027-01-15T{at}Z")), is("UNIQUE", &["10.0.0.9"], 0), "{endpoint}");
        // The next keyframe does not tell of it: it ended unheard in between.
        assert_eq!(ask("2027-01-15T08:41:00Z"), is("NONE", &[], 1), "{endpoint}");
    }
}

#[test]
fn squeezed_or_not_the_answer_is_one() {
    let journal = directory(&[("a.ct", segment())]);
    let squeezed = journal.path().join("sq");
    let path = journal.path().join("a.ct").display().to_string();
    assert_eq!(run(["squeeze", "-o", &squeezed.display().to_string(), &path]).status, 0);
    for (endpoint, at) in [
        ("203.0.113.6:36782", "2027-01-15T08:02:00Z"),
        ("203.0.113.7:1500", "2027-01-15T08:15:05Z"),
        ("203.0.113.7:1600", "2027-01-15T08:15:05Z"),
        ("203.0.113.6:1", "2027-01-15T08:30:00Z"),
        ("[2001:db8:1::7]:5353", "2027-01-15T08:30:00Z"),
    ] {
        let ask = |path: &str| run(["who", endpoint, "--at", at, "-o", "json", path]);
        assert_eq!(ask(&squeezed.display().to_string()), ask(&path), "{endpoint}");
    }
}

/// Whoever asks for the wrong side is told so.
#[test]
fn an_inside_endpoint_is_told_from_one_that_nobody_had() {
    let files = [("a.ct", segment())];
    for (inside, public) in [("10.64.3.7:51322", "203.0.113.6:36782"), ("10.64.0.80:80", "203.0.113.6:8080")] {
        let asked = [inside, "--at", "2027-01-15T08:03:00Z"];
        let told = ask(&files, &asked);
        let first = format!("NONE: no flow had {inside} then");
        assert_eq!((told.stdout.lines().next(), told.status), (Some(first.as_str()), 1));
        let said = format!("\n{inside} is an inside endpoint: what others saw of it then was {public}\n");
        assert!(told.stdout.contains(&said), "{}", told.stdout);
        let (answer, _) = json(&files, &asked);
        let (ip, port) = public.split_once(':').unwrap();
        let expected = serde_json::json!([{"ip": ip, "port": port.parse::<u16>().unwrap()}]);
        assert_eq!(answer["inside_as"], expected, "{inside}");
    }
    let none = |endpoint, at| json(&files, &[endpoint, "--at", at]).0["inside_as"].clone();
    assert_eq!(none("10.64.3.7:51322", "2027-01-15T08:30:00Z"), serde_json::json!([]), "it was over then");
    assert_eq!(none("203.0.113.6:36782", "2027-01-15T08:03:00Z"), serde_json::json!([]));
    assert_eq!(none("[2001:db8:1::7]:5353", "2027-01-15T08:30:00Z"), serde_json::json!([]), "it is public itself");
}

/// A server has thousands of flows at a time: those that matter most are shown.
#[test]
fn of_many_flows_the_nearest_are_shown() {
    let begun = Segment::new(&every_protocol(0)).note(&Note::at(BEGIN, Cause::Started)).note(&Note::gap(
        BEGIN,
        BEGIN,
        0,
        Cause::TableRead,
    ));
    let whole = (1..=30_u16).fold(begun, |segment, number| {
        let peer = format!("198.51.100.7:{number}");
        let flow = [peer.as_str(), "203.0.113.6:80", "10.0.0.1:80", peer.as_str()];
        let second = u64::from(number) * 10;
        let segment = segment.push::<V4>(&event(Kind::Start, TCP, second, flow));
        segment.push::<V4>(&event(Kind::End, TCP, second + 5, flow))
    });
    let files = [("a.ct", whole.closed(Closing::Stopped).0)];
    let asked = ["203.0.113.6:80", "--at", "2027-01-15T08:05:00Z", "--slack", "10m"];
    let text = |more: &[&str]| ask(&files, &[&asked, more].concat()).stdout;
    let peers = |text: &str| -> Vec<u16> {
        let flows = text.lines().filter(|line| line.starts_with("tcp "));
        let peers = flows.map(|line| line.split_once("198.51.100.7:").unwrap().1.split_once(',').unwrap().0.parse());
        let mut peers: Vec<_> = peers.map(Result::unwrap).collect();
        peers.sort_unstable();
        peers
    };
    let some = text(&[]);
    assert!(some.starts_with("UNIQUE: 10.0.0.1"), "{some}");
    assert_eq!(peers(&some), (11..=30).collect::<Vec<_>>());
    assert!(some.contains("\nand 10 flows more, less near to that time: --all shows them\n"), "{some}");
    let all = text(&["--all"]);
    assert!(peers(&all) == (1..=30).collect::<Vec<_>>() && !all.contains("--all"), "{all}");
    assert_eq!(json(&files, &asked).0["flows"].as_array().map(Vec::len), Some(30));
}

/// A kernel whose buffer overruns again and again leaves a gap every time.
#[test]
fn of_many_gaps_the_nearest_are_shown() {
    let begun = Segment::new(&every_protocol(0)).note(&Note::at(BEGIN, Cause::Started));
    let whole = (1..=30_u64).fold(begun, |segment, number| {
        let from = BEGIN + number * 10 * NS;
        segment.note(&Note::gap(from, from + NS, number, Cause::KernelOverrun))
    });
    let files = [("a.ct", whole.closed_at(Closing::Stopped, 7200).0)];
    let asked = ["203.0.113.6:80", "--at", "2027-01-15T08:05:00Z", "--slack", "1s"];
    let gaps = |more: &[&str]| -> (Vec<String>, String) {
        let text = ask(&files, &[&asked, more].concat()).stdout;
        let lost = text.lines().filter_map(|line| line.split_once("buffer full, ")?.1.split_once(' '));
        (lost.map(|(lost, _)| lost.to_owned()).collect(), text.clone())
    };
    let (shown, text) = gaps(&[]);
    assert_eq!(shown, (11..=30).map(|lost: u64| lost.to_string()).collect::<Vec<_>>(), "{text}");
    assert!(text.contains("\nand 11 gaps more, less near to that time: --all shows them\n"), "{text}");
    let (shown, text) = gaps(&["--all"]);
    assert!(shown.len() == 30 && !text.contains("--all"), "{text}");
}

/// Which of several hosts it was, the remote side or the protocol tells only where each had another one.
#[test]
fn what_decides_is_said_only_where_it_does() {
    let flow = |host: &'static str, server: &'static str| [host, server, server, "203.0.113.6:1000"];
    let said = |protocols: [u8; 2], servers: [&'static str; 2], more: &[&str]| {
        let [one, other] = [flow("10.0.0.1:1000", servers[0]), flow("10.0.0.2:1000", servers[1])];
        let bytes = Segment::new(&every_protocol(0))
            .note(&Note::at(BEGIN, Cause::Started))
            .note(&Note::gap(BEGIN, BEGIN, 0, Cause::TableRead))
            .push::<V4>(&event(Kind::Start, protocols[0], 10, one))
            .push::<V4>(&event(Kind::End, protocols[0], 20, one))
            .push::<V4>(&event(Kind::Start, protocols[1], 30, other))
            .push::<V4>(&event(Kind::End, protocols[1], 40, other));
        let files = [("a.ct", bytes.stopped())];
        let arguments = [&["203.0.113.6:1000", "--at", "2027-01-15T08:01:00Z"][..], more].concat();
        let text = ask(&files, &arguments).stdout;
        let hint = json(&files, &arguments).0["hint"].as_str().map(str::to_owned);
        let shown = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        assert_eq!(text.lines().next(), Some(&*format!("AMBIGUOUS: 10.0.0.1, 10.0.0.2{shown}")));
        hint
    };
    let is = |hint: &str| Some(hint.to_owned());
    let (apart, same) = (["198.51.100.7:443", "198.51.100.8:443"], ["198.51.100.7:443", "198.51.100.7:443"]);
    let by_port = ["198.51.100.7:443", "198.51.100.7:444"];
    assert_eq!(said([TCP; 2], apart, &[]), is("--peer decides"));
    assert_eq!(said([TCP; 2], by_port, &["--peer", "198.51.100.7"]), is("--peer with its port decides"));
    assert_eq!(said([TCP; 2], same, &["--peer", "198.51.100.7"]), is("less slack may decide"));
    assert_eq!(said([TCP; 2], same, &["--peer", "198.51.100.7:443"]), is("less slack may decide"));
    assert_eq!(said([TCP, UDP], same, &[]), is("--proto decides"));
    assert_eq!(said([TCP, UDP], by_port, &[]), is("--proto decides"));
    assert_eq!(said([TCP, UDP], apart, &[]), is("--peer or --proto decides"));
    let unique =
        json(&[("a.ct", segment())], &["203.0.113.6:36782", "--at", "2027-01-15T08:04:30Z", "--slack", "5s"]).0;
    assert_eq!((&unique["verdict"], &unique["hint"]), (&"UNIQUE".into(), &Value::Null));
}

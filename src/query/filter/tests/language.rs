//! What `--where` understands, and where it says that something is wrong.

use chrono_tz::Tz;

use super::filter;
use crate::query::{Clock, Where, parse_time};

#[test]
fn what_is_read_is_what_is_meant() {
    for (text, printed) in [
        ("ip 10.0.0.1", "ip 10.0.0.1"),
        ("IP 10.1.2.3/8 AND port 80", "ip 10.0.0.0/8 and port 80"),
        ("pre src ip 10.0.0.1/255.255.0.0", "pre src ip 10.0.0.0/16"),
        ("post dst ip [2001:db8::1]", "post dst ip 2001:db8::1"),
        ("src port 1024-2047", "src port 1024:2047"),
        ("ip 10.0.0.1 or ip 10.0.0.2 and port 80", "ip 10.0.0.1 or ip 10.0.0.2 and port 80"),
        ("(ip 10.0.0.1 or ip 10.0.0.2) and port 80", "(ip 10.0.0.1 or ip 10.0.0.2) and port 80"),
        ("((port 80))and(port 81)", "port 80 and port 81"),
        ("port 80 and (port 81 and port 82)", "port 80 and (port 81 and port 82)"),
        ("not port 80 and nat", "not port 80 and nat"),
        ("not (port 80 and nat)", "not (port 80 and nat)"),
        ("not not nat", "not not nat"),
        ("proto TCP or proto 99", "proto tcp or proto 99"),
        ("zone 7 and mark 16/0xff and id 12", "zone 7 and mark 0x10/0xff and id 12"),
        ("pre src endpoint 10.0.0.1:80", "pre src ip 10.0.0.1 and pre src port 80"),
        (
            "dst endpoint [2001:db8::1]:80 and nat",
            "(pre dst ip 2001:db8::1 and pre dst port 80 or post dst ip 2001:db8::1 and post dst port 80) and nat",
        ),
        ("lasts 90s", "lasts 1m 30s"),
        ("lasts 1h 30m or nat", "lasts 1h 30m or nat"),
        ("before 2026-11-20T14:13:20Z", "before 2026-11-20T14:13:20Z"),
        ("after 2026-11-20 14:13:20.5 UTC and nat", "after 2026-11-20T14:13:20.500Z and nat"),
        ("at '2026-11-20 14:13:20Z'", "at 2026-11-20T14:13:20Z"),
        ("at Fri, 20 Nov 2026 14:13:20 +0000", "at 2026-11-20T14:13:20Z"),
        ("(at [20/Nov/2026:15:13:20 +0100])", "at 2026-11-20T14:13:20Z"),
        ("between 2026-11-20 UTC 2026-11-21 12:00Z", "after 2026-11-20T00:00:00Z and before 2026-11-21T12:00:00Z"),
        ("between '@1' @2", "after 1970-01-01T00:00:01Z and before 1970-01-01T00:00:02Z"),
        ("between @1 \"@2\" and nat", "(after 1970-01-01T00:00:01Z and before 1970-01-01T00:00:02Z) and nat"),
        ("between @1 @1", "after 1970-01-01T00:00:01Z and before 1970-01-01T00:00:01Z"),
    ] {
        assert_eq!(filter(text).to_string(), printed, "{text}");
        assert_eq!(filter(printed), filter(text), "{text}");
    }
}

/// The message, and the text with what is marked of it in `<` and `>`.
fn wrong(text: &str) -> (String, String) {
    let error = text.parse::<super::Filter>().unwrap_err();
    let (begin, end) = (error.at.start, error.at.end);
    (error.message, format!("{}<{}>{}", &text[..begin], &text[begin..end], &text[end..]))
}

#[test]
fn errors_point_at_the_place() {
    for (marked, message) in [
        ("<>", "a condition is missing here"),
        ("   <>", "a condition is missing here"),
        ("<up> 10.0.0.1", "a condition begins with pre, post, src"),
        ("<10.0.0.1>", "a condition begins with"),
        ("<\"nat\">", "a condition begins with"),
        ("ip <10.0.0.400>", "10.0.0.400 is not an IP address"),
        ("ip <10.0.0.0/33> and nat", "10.0.0.0/33: a prefix of an IPv4 address is at most 32 bits long"),
        ("ip<>", "an address or a network is missing here"),
        ("ip <(>10.0.0.1)", "an address or a network is missing here"),
        ("pre src<>", "\"ip\", \"port\" or \"endpoint\" is missing here"),
        ("pre <pots> 80", "\"ip\", \"port\" or \"endpoint\" is expected here"),
        ("src <pre> ip 10.0.0.1", "\"ip\", \"port\" or \"endpoint\" is expected here"),
        ("endpoint<>", "an address with a port is missing here"),
        ("endpoint <10.0.0.1> and nat", "10.0.0.1: say the port, too"),
        ("dst endpoint <2001:db8::1:80>", "2001:db8::1:80: an IPv6 address with a port stands in brackets"),
        ("port <tcp>", "tcp is not a port"),
        ("port <9:8>", "9:8: the first port of a range is not greater than the last"),
        ("nat <nat>", "\"and\" or \"or\" is missing before this"),
        ("nat and<>", "a condition is missing here"),
        ("nat <xor> nat", "\"and\" or \"or\" is missing before this"),
        ("nat and <or> nat", "a condition begins with"),
        ("not<>", "a condition is missing here"),
        ("<(>nat", "this parenthesis is not closed"),
        ("(nat <nat>)", "\"and\", \"or\" or a parenthesis is missing before this"),
        ("nat<)>", "no parenthesis is open here"),
        ("(<)>", "a condition begins with"),
        ("nat and <\">10.0.0.1", "this quote is not closed"),
        ("proto <tpc>", "tpc is not a protocol"),
        ("zone <65536>", "65536 is not a conntrack zone"),
        ("mark <x>", "x is not a mark"),
        ("id <-1>", "-1 is not a conntrack id"),
        ("lasts <5> or nat", "5 is no span of time"),
        ("before<>", "a time is missing here"),
        ("between '2026-11-20' <and> '2026-11-21'", "the second time stands behind the first one, without \"and\""),
        ("before <and> nat", "a time is missing before this"),
        ("before <yesterday noon> and nat", "yesterday noon is no time"),
        ("at <'2026-02-30'>", "2026-02-30: February 2026 has no day 30"),
        ("at <2026-11-20 12:00 CEST>", "2026-11-20 12:00 CEST: CEST is the short name of a time"),
        ("between<>", "two times are missing here"),
        ("between 2026-11-20<>", "the second time is missing here"),
        (
            "between 2026-11-20<> and 2026-11-21",
            "the second time is missing here: it stands behind the first one, without \"and\"",
        ),
        ("ip <10.0.0.1:80>", "10.0.0.1:80 is an address with a port: say the two by themselves"),
        ("before <1h> and nat", "1h is a span of time, and no time: say 1h ago"),
        ("between <2026-11-20 2026-11-31>", "these are not two times"),
        ("between '@1'<>", "a time is missing here"),
        ("between <@2 @1> and nat", "the first of the two times is later than the second"),
    ] {
        let text = marked.replace(['<', '>'], "");
        let (said, place) = wrong(&text);
        assert_eq!(place, marked, "{said}");
        assert!(said.starts_with(message), "{marked}: {said}");
    }
}

/// Each word of the language with a letter exchanged, missing or wrong.
#[test]
fn a_misspelt_word_is_told_which_it_may_be() {
    for (marked, meant) in [
        ("nat <adn> port 80", "\"and\""),
        ("nat <an> port 80", "\"and\""),
        ("nat <ro> port 80", "\"or\""),
        ("(nat <oor> nat)", "\"or\""),
        ("nat <&&> nat", "\"and\""),
        ("<nto> nat", "\"not\""),
        ("<!> nat", "\"not\""),
        ("<per> src ip 10.0.0.1", "\"pre\""),
        ("<pots> src ip 10.0.0.1", "\"post\""),
        ("pre <scr> ip 10.0.0.1", "\"src\""),
        ("<dts> port 80", "\"dst\""),
        ("<up> 10.0.0.1", "\"ip\""),
        ("src <pi> 10.0.0.1", "\"ip\""),
        ("<endpiont> 10.0.0.1:80", "\"endpoint\""),
        ("dst <endpont> 10.0.0.1:80", "\"endpoint\""),
        ("<Prot> 80", "\"port\" or \"proto\""),
        ("<befor> 2026-11-20", "\"before\""),
        ("<aftr> 2026-11-20", "\"after\""),
        ("<betwene> @1 @2", "\"between\""),
        ("<Protocol> tcp", "\"proto\""),
        ("<zoen> 7", "\"zone\""),
        ("<makr> 7", "\"mark\""),
        ("<di> 7", "\"id\""),
        ("not <nta>", "\"nat\""),
        ("<last> 5s", "\"lasts\""),
        ("<sport> 80", "\"src port\""),
        ("<TCP> and port 80", "\"proto tcp\""),
        // A time goes up to the next word of the language, and this was meant to be one.
        ("before 2026-11-20 12:00 <adn> nat", "\"and\""),
        ("at 5 minutes ago <ro> lasts 5s", "\"or\""),
        ("lasts 5 minutes <adn> port 80", "\"and\""),
        ("between 2026-11-20 2026-11-21 12:00 <und> nat", "\"and\""),
    ] {
        let (said, place) = wrong(&marked.replace(['<', '>'], ""));
        assert_eq!(place, marked, "{said}");
        assert!(said.ends_with(&format!(": did you mean {meant}?")), "{marked}: {said}");
    }
    // What is near nothing, and a time whose fault is another one, have no such hint.
    for text in ["10.0.0.1", "nat x nat", "src 443", "before 20 Nov 2026 25:00", "before 2026-11-20 tomorrow and nat"] {
        let (said, _) = wrong(text);
        assert!(!said.contains("did you mean"), "{text}: {said}");
    }
}

#[test]
fn the_mark_stands_under_the_place() {
    let error = "été and\nip 10.0.0.1".parse::<super::Filter>().unwrap_err();
    let said = error.to_string();
    assert!(said.ends_with("\n  été and ip 10.0.0.1\n  ^^^"), "{said}");
    let error = "port 80 and port é1 or nat".parse::<super::Filter>().unwrap_err();
    assert!(error.to_string().ends_with("\n  port 80 and port é1 or nat\n                   ^^"), "{error}");
    let error = "nat and".parse::<super::Filter>().unwrap_err();
    assert!(error.to_string().ends_with("\n  nat and\n         ^"), "{error}");
    let error = "\tnat\tand\tport\tx".parse::<super::Filter>().unwrap_err();
    assert!(error.to_string().ends_with("\n   nat and port x\n                ^"), "{error}");
    // Wide characters take two places, and what cannot be seen is shown.
    let error = "ip １０ or port x".parse::<super::Filter>().unwrap_err();
    assert!(error.to_string().ends_with("\n  ip １０ or port x\n     ^^^^"), "{error}");
    let error = "nat or ip 10.0.0.1\u{200b}".parse::<super::Filter>().unwrap_err();
    assert!(error.to_string().ends_with("\n  nat or ip 10.0.0.1\u{fffd}\n            ^^^^^^^^^"), "{error}");
    let error = "nat e\u{301} '\u{202e}' ip x".parse::<super::Filter>().unwrap_err();
    assert!(error.to_string().ends_with("\n  nat e\u{fffd} '\u{fffd}' ip x\n      ^^"), "{error}");
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| format!("{}nat{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(filter(&nested(64)).to_string(), "nat");
    // What stands side by side is not deep.
    filter(&vec!["(not (nat))"; 100].join(" and "));
    let between = |depth: usize| "not ".repeat(depth) + "between @1 @2";
    assert_eq!(filter(&filter(&between(63)).to_string()), filter(&between(63)));
    let endpoint = |depth: usize| "not ".repeat(depth) + "endpoint 10.0.0.1:80";
    assert_eq!(filter(&filter(&endpoint(63)).to_string()), filter(&endpoint(63)));
    for text in [nested(65), between(64), endpoint(64), nested(100_000), "not ".repeat(100_000) + "nat"] {
        let message = text.parse::<super::Filter>().unwrap_err().message;
        assert_eq!(message, "this is nested deeper than 64 levels");
    }
}

const MANUAL: &str = include_str!("../../../../docs/reading.md");

/// What stands in backquotes behind a heading of docs/reading.md, up to the next heading, in the last column of tables.
fn examples(heading: &str) -> Vec<String> {
    let (_, section) = MANUAL.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = section.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.rsplit('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_manuals_examples_are_understood() {
    let times: Vec<_> = examples("Times").into_iter().filter(|example| example != "@").collect();
    assert!(times.len() >= 12, "{times:?}");
    for time in times {
        assert!(Clock::new(None).read(&time).is_ok(), "{time}");
    }
    let expressions: Vec<_> = MANUAL.split("--where '").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
    assert_eq!(expressions.len(), 4);
    for expression in expressions {
        filter(expression);
    }
}

#[test]
fn times_that_were_taken_as_local_are_told() {
    let text = "between 2026-11-20 '2026-11-21 12:00' or at 2026-11-20T12:00:00Z or after @5 or before 5 minutes ago";
    let assumed = |zone: Option<Tz>| Where::parse(text, &Clock::new(zone.map(Into::into))).unwrap().assumed;
    let read = assumed(None).into_iter().map(|time| (parse_time(&time.text) == Ok(time.ns)).then_some(time.text));
    assert_eq!(read.collect::<Vec<_>>(), [Some("2026-11-20".into()), Some("2026-11-21 12:00".into())]);
    assert!(assumed(Some(Tz::UTC)).is_empty());
    let one = |zone: Tz| Where::parse("at 2026-11-20 15:13:20", &Clock::new(Some(zone.into()))).unwrap().filter;
    assert_eq!(one(Tz::Europe__Warsaw), filter("at 2026-11-20T14:13:20Z"));
}

//! An answer as text: the verdict in the first line, then what it stands on.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use ctrecorder_format::NS_PER_SECOND;

use super::{translation, verdict};
use crate::output::gap;
use crate::protocol::{Protocol, Protocols};
use crate::query::ClockZone;
use crate::query::coverage::Gap;
use crate::query::who::{Answer, Around, Change, Doubt, Finding, Flow, Question, Told, Translation, Verdict, What};

/// An answer as lines, times as RFC 3339 in this zone:
///
/// ```text
/// UNIQUE: 10.64.3.7
/// asked: 203.0.113.6:36782 at 2027-01-15T08:04:30Z, 5s before and after
/// tcp 10.64.3.7:51322 as 203.0.113.6:36782 with 198.51.100.7:443, source NAT
///   began 2027-01-15T08:01:00.000412Z (recorder's clock)
///   ended 2027-01-15T08:05:00.100200300Z (kernel's clock)
/// recorded by nat1 without gap from 2027-01-15T08:00:00Z to 2027-01-15T08:15:00Z
/// with slack 1h it would be AMBIGUOUS: 10.64.3.7, 10.64.9.1
/// the same with slack 0s, with slack 1s, with slack 1m
/// ```
pub fn text(answer: &Answer, zone: ClockZone) -> String {
    let Answer { question, finding, around, sensitivity } = answer;
    let times = Times(zone);
    let mut out = headline(question, finding);
    out += &asked(question, times);
    for flow in &finding.flows {
        out += &lines(flow, times);
    }
    out += &coverage(around, question, times);
    for doubt in finding.doubts.iter().filter(|doubt| !matches!(doubt, Doubt::Gap(_))) {
        out.push_str(doubt.text());
        out.push('\n');
    }
    out += &changes(sensitivity, times);
    out
}

/// Writes moments in a zone.
#[derive(Clone, Copy)]
struct Times(ClockZone);

impl Times {
    fn text(self, ns: u64) -> String {
        // Nanoseconds of 64 bits end in the year 2554, which is no end for chrono.
        let moment = DateTime::from_timestamp((ns / NS_PER_SECOND) as i64, (ns % NS_PER_SECOND) as u32);
        moment.unwrap_or_default().with_timezone(&self.0).to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }
}

fn headline(question: &Question, finding: &Finding) -> String {
    let word = verdict(finding.verdict);
    let mut reasons: Vec<_> = finding.doubts.iter().map(|doubt| doubt.text()).collect();
    reasons.dedup();
    let reasons = reasons.join("; ");
    let missing = if reasons.is_empty() { String::new() } else { format!("; others may be missing: {reasons}") };
    match finding.verdict {
        Verdict::Unique => {
            let is_own = finding.flows.iter().all(|flow| flow.translation == Translation::None);
            let own = if is_own { ", not translated" } else { "" };
            format!("{word}: {}{own}{missing}\n", addresses(&finding.insides))
        }
        Verdict::Ambiguous => {
            let hint = if question.peer.is_some_and(|peer| peer.port.is_some()) { "" } else { "; --peer decides" };
            format!("{word}: {}{hint}{missing}\n", addresses(&finding.insides))
        }
        Verdict::None => format!("{word}: no flow had {} then\n", subject(question)),
        Verdict::Unknown if !finding.flows.is_empty() => {
            format!("{word}: the journal ends before that time; a flow that had {} was open then\n", subject(question))
        }
        Verdict::Unknown => {
            let subject = subject(question);
            format!("{word}: no flow is known to have had {subject} then, but one may be missing: {reasons}\n")
        }
    }
}

/// The endpoint, and what else flows had to meet.
fn subject(question: &Question) -> String {
    let mut subject = question.endpoint.to_string();
    if let Some(peer) = question.peer {
        subject += &format!(" with {peer}");
    }
    if let Some(protocols) = &question.protocols {
        subject += &format!(" by {protocols}");
    }
    subject
}

/// The addresses, or the first of many and how many more there are.
fn addresses(addresses: &[IpAddr]) -> String {
    const SHOWN: usize = 8;
    let shown = addresses.iter().take(SHOWN).map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    match addresses.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn asked(question: &Question, times: Times) -> String {
    let Question { endpoint, at, slack, protocols, peer, .. } = question;
    let mut line = format!("asked: {endpoint} at {}, {} before and after", times.text(*at), span(*slack));
    // Writing to a text cannot fail.
    if let Some(peer) = peer {
        let _ = write!(line, ", with {peer}");
    }
    if let Some(protocols) = protocols {
        let _ = write!(line, ", {protocols}");
    }
    line + "\n"
}

fn span(ns: u64) -> String {
    humantime::format_duration(Duration::from_nanos(ns)).to_string()
}

fn lines(flow: &Flow, times: Times) -> String {
    let Flow { inside, start, end, public, peer, translation: how, protocol, zone } = *flow;
    let zone = if zone == 0 { String::new() } else { format!(", zone {zone}") };
    let protocol = Protocol(protocol);
    format!(
        "{protocol} {inside} as {public} with {peer}, {}{zone}\n  began {}\n  ended {}\n",
        translation(how),
        told(start, times),
        told(end, times)
    )
}

fn told(told: Told, times: Times) -> String {
    match told {
        Told::At { moment, kernel } => {
            let clock = if kernel { "kernel's clock" } else { "recorder's clock" };
            format!("{} ({clock})", times.text(moment))
        }
        Told::By { after, latest } => {
            let after = after.map(|after| format!(", after {}", times.text(after))).unwrap_or_default();
            format!("by {} at the latest{after} (not heard; recorder's clock)", times.text(latest))
        }
        Told::Unknown => "at a time that is not known".to_owned(),
    }
}

fn coverage(around: &Around, question: &Question, times: Times) -> String {
    let mut out = String::new();
    let host = around.host.as_ref().map(|host| format!(" by {}", host.escape_debug())).unwrap_or_default();
    out += &match around.recorded {
        Some(span) => {
            format!("recorded{host} without gap from {} to {}\n", times.text(span.from), times.text(span.to))
        }
        None => format!("that time was not recorded{host} without gap\n"),
    };
    for found in &around.gaps {
        let Gap { from, to, cause, lost } = *found;
        let touches = if found.touches(question.window()) { "; the time asked for touches it" } else { "" };
        let (from, to, lost) = (times.text(from), times.text(to), gap::lost(lost));
        out += &format!("gap from {from} to {to}: {}, {lost}{touches}\n", cause.text());
    }
    if around.has_version_2 {
        out += "files of version 2 do not tell what was lost: there may be gaps that nobody knows of\n";
    }
    if let Some(protocols) = &around.protocols {
        out += &format!("only {} was recorded\n", Protocols::These(protocols.clone()));
    }
    out
}

fn changes(changes: &[Change], times: Times) -> String {
    let mut out = String::new();
    for change in changes.iter().filter(|change| change.differs) {
        let addresses = match change.insides.as_slice() {
            [] => String::new(),
            insides => format!(": {}", addresses(insides)),
        };
        let at = match change.what {
            What::Slack => String::new(),
            _ => format!(" ({})", times.text(change.at)),
        };
        out += &format!("{}{at} it would be {}{addresses}\n", name(change), verdict(change.verdict));
    }
    let same: Vec<_> = changes.iter().filter(|change| !change.differs).map(name).collect();
    if !same.is_empty() {
        out += &format!("the same {}\n", same.join(", "));
    }
    out
}

fn name(change: &Change) -> String {
    match change.what {
        What::Slack => format!("with slack {}", span(change.slack)),
        What::Local => "if local time was meant".to_owned(),
        What::Utc => "if UTC was meant".to_owned(),
        What::Earlier => "12 hours earlier".to_owned(),
        What::Later => "12 hours later".to_owned(),
    }
}

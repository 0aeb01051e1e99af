//! An answer as text: the verdict in the first line, then what it stands on.

use std::fmt::{Display, Write};

use chrono::SecondsFormat;
use ctrecorder_format::NS_PER_SECOND;

use super::hint::hint;
use super::{translation, verdict};
use crate::counted::counted;
use crate::output::gap;
use crate::protocol::{Protocol, Protocols};
use crate::query::ClockZone;
use crate::query::coverage::{Gap, GapCause};
use crate::query::time::date_time;
use crate::query::who::{Answer, Around, Change, Flow, Question, Told, Translation, Verdict, What, Why};

/// So many flows are shown at most, and so many gaps of a recorder, unless all are asked for.
const SHOWN: usize = 20;

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
///
/// Of many flows, and of many gaps, those are shown that are nearest to the time that was asked for, and how many more there are;
/// with `all`, all are.
pub fn text(answer: &Answer, zone: ClockZone, all: bool) -> String {
    let Answer { question, finding, around, sensitivity, .. } = answer;
    let times = Times(zone);
    let mut out = headline(answer);
    out += &asked(question, times);
    out += &flows(answer, times, all);
    out += &inside(answer);
    for around in around {
        out += &coverage(around, answer, times, all);
    }
    for doubt in finding.doubts.iter().filter(|doubt| !matches!(doubt.why, Why::Gap(_))) {
        out += &answer.reason(*doubt);
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
        date_time(ns).with_timezone(&self.0).to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }
}

fn headline(answer: &Answer) -> String {
    let Answer { question, finding, .. } = answer;
    let word = verdict(finding.verdict);
    let reasons = answer.reasons().join("; ");
    let unsure = if finding.is_sure() { "" } else { " may have had it" };
    let missing = if reasons.is_empty() { String::new() } else { format!("; others may be missing: {reasons}") };
    match finding.verdict {
        Verdict::Unique => {
            let mut answers = finding.flows.iter().filter(|flow| flow.is_answer);
            let is_own = answers.all(|flow| flow.translation == Translation::None);
            let own = match (is_own, unsure) {
                (false, _) => "",
                (true, "") => ", not translated",
                (true, _) => ", not translated,",
            };
            format!("{word}: {}{own}{unsure}{missing}\n", few(&finding.insides))
        }
        Verdict::Ambiguous => {
            let decides = hint(answer).map(|hint| format!("; {hint}")).unwrap_or_default();
            let several = if finding.insides.len() > 1 { "" } else { " in several network namespaces" };
            format!("{word}: {}{several}{unsure}{}{missing}\n", few(&finding.insides), decides)
        }
        Verdict::None => {
            let away: Vec<_> =
                answer.around.iter().filter(|around| around.is_away).map(|around| &around.name).collect();
            let away = match away.as_slice() {
                [] => String::new(),
                [one] => format!("; {one} is not counted: its files are of another time"),
                more => format!("; {} are not counted: their files are of another time", few(more)),
            };
            format!("{word}: no flow had {} then{away}\n", subject(question))
        }
        Verdict::Unknown if !finding.flows.is_empty() => {
            let subject = subject(question);
            let window = question.window();
            if answer.around.iter().filter_map(|around| around.given).all(|given| window.to < given.from) {
                let since = "and nobody knows since when";
                format!(
                    "{word}: the journal begins after that time; a flow that had {subject} was alive then, {since}\n"
                )
            } else {
                format!("{word}: the journal ends before that time; a flow that had {subject} was open where it ends\n")
            }
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

/// A list, or the first of many and how many more there are.
fn few(list: &[impl Display]) -> String {
    const SHOWN: usize = 8;
    let shown = list.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(SHOWN) {
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

/// A span of time as it can be typed, a day being 24 hours: `2d`, `1m 30s`.
fn span(ns: u64) -> String {
    const UNITS: [(u64, &str); 7] = [
        (86_400 * NS_PER_SECOND, "d"),
        (3600 * NS_PER_SECOND, "h"),
        (60 * NS_PER_SECOND, "m"),
        (NS_PER_SECOND, "s"),
        (1_000_000, "ms"),
        (1000, "us"),
        (1, "ns"),
    ];
    let mut left = ns;
    let parts = UNITS.map(|(unit, name)| {
        let count = left / unit;
        left %= unit;
        if count == 0 { String::new() } else { format!(" {count}{name}") }
    });
    match parts.concat().trim_start() {
        "" => "0s".to_owned(),
        parts => parts.to_owned(),
    }
}

/// Of many things the nearest, in their order, and how many more there are.
fn nearest<T: Ord, K: Ord>(things: &[T], all: bool, distance: impl Fn(&T) -> K) -> (Vec<&T>, usize) {
    let mut shown: Vec<_> = things.iter().collect();
    let left = if all { 0 } else { things.len().saturating_sub(SHOWN) };
    if left > 0 {
        shown.sort_by_key(|thing| distance(thing));
        shown.truncate(SHOWN);
        shown.sort();
    }
    (shown, left)
}

/// The flows, or those of many that are nearest to the time that was asked for: of those that were alive then, the ones that
/// began last.
fn flows(answer: &Answer, times: Times, all: bool) -> String {
    let at = answer.question.at;
    let distance = |flow: &Flow| (flow.distance(at), at.abs_diff(flow.start.latest().unwrap_or(0)));
    let (shown, left) = nearest(&answer.finding.flows, all, distance);
    let mut out: String = shown.into_iter().map(|flow| lines(flow, answer, times)).collect();
    if left > 0 {
        out += &format!("and {} more, less near to that time: --all shows them\n", counted(left, "flow"));
    }
    out
}

fn lines(flow: &Flow, answer: &Answer, times: Times) -> String {
    let Flow { inside, start, end, public, peer, translation: how, protocol, zone, recorder, is_answer, .. } = *flow;
    let no_answer = if is_answer { "" } else { "no answer: " };
    let zone = if zone == 0 { String::new() } else { format!(", zone {zone}") };
    let around = answer.around.get(recorder).filter(|_| answer.has_several_recorders());
    let by = around.map(|around| format!(", recorded by {}", around.name)).unwrap_or_default();
    let protocol = Protocol(protocol);
    format!(
        "{no_answer}{protocol} {inside} as {public} with {peer}, {}{zone}{by}\n  {}\n  {}\n",
        translation(how),
        told(start, times).map_or_else(|| "began at a time that is not known".into(), |start| format!("began {start}")),
        told(end, times).map_or_else(|| "no end is recorded: it may have gone on".into(), |end| format!("ended {end}")),
    )
}

/// Whoever asks for an inside endpoint is told by which ones others have seen it.
fn inside(Answer { question, inside_as, .. }: &Answer) -> String {
    if inside_as.is_empty() {
        return String::new();
    }
    let verb = if inside_as.len() == 1 { "was" } else { "were" };
    format!("{} is an inside endpoint: what others saw of it then {verb} {}\n", question.endpoint, few(inside_as))
}

/// When a flow began or ended; `None` if nothing is known of that.
fn told(told: Told, times: Times) -> Option<String> {
    Some(match told {
        Told::At { moment, kernel } => {
            let clock = if kernel { "kernel's clock" } else { "recorder's clock" };
            format!("{} ({clock})", times.text(moment))
        }
        Told::By { after, latest } => {
            let after = after.map(|after| format!(", after {}", times.text(after))).unwrap_or_default();
            format!("by {} at the latest{after} (not heard; recorder's clock)", times.text(latest))
        }
        Told::Unknown => return None,
    })
}

/// What a recorder recorded.
fn coverage(around: &Around, answer: &Answer, times: Times, all: bool) -> String {
    let several = answer.has_several_recorders();
    let of_one = |word: &str| format!(" {word} {}", around.name);
    let by = if several || around.name.host.is_some() { of_one("by") } else { String::new() };
    let of = if several { of_one("of") } else { String::new() };
    if let Some(given) = around.given.filter(|_| around.is_away) {
        let (from, to) = (times.text(given.from), times.text(given.to));
        return format!("{} is not counted: its files are of the time from {from} to {to}\n", around.name);
    }
    let mut out = match around.recorded {
        Some(span) => format!("recorded{by} without gap from {} to {}\n", times.text(span.from), times.text(span.to)),
        None => format!("that time was not recorded{by} without gap\n"),
    };
    let at = answer.question.at;
    let distance = |gap: &Gap| gap.from.saturating_sub(at).max(at.saturating_sub(gap.to));
    let (shown, left) = nearest(&around.gaps, all, distance);
    for found in shown {
        let Gap { from, to, cause, lost } = *found;
        let touches = if found.touches(answer.question.window()) { "; the time asked for touches it" } else { "" };
        let lost = gap::losing(cause, lost);
        // A gap that reaches further than the hour that is told of is cut off there; what is written is not.
        let written = times.text(around.given.map_or(from, |given| given.to.min(from)));
        let (from, to) = (times.text(from), times.text(to));
        out += &match cause {
            // Most of it may be still to come.
            GapCause::NotYetWritten => format!("nothing{of} is written yet behind {written}{touches}\n"),
            _ => format!("gap{of} from {from} to {to}: {}{lost}{touches}\n", cause.text()),
        };
    }
    if left > 0 {
        out += &format!("and {} more{of}, less near to that time: --all shows them\n", counted(left, "gap"));
    }
    if around.has_version_2 {
        out += &format!("files of version 2{of} do not tell what was lost: there may be gaps that nobody knows of\n");
    }
    if let Some(protocols) = &around.protocols {
        out +=
            &format!("only {} was recorded{}\n", Protocols::These(protocols.clone()), if several { &by } else { "" });
    }
    out
}

fn changes(changes: &[Change], times: Times) -> String {
    let mut out = String::new();
    for change in changes.iter().filter(|change| change.differs) {
        let addresses = match change.insides.as_slice() {
            [] => String::new(),
            insides => format!(": {}", few(insides)),
        };
        let at = match change.what {
            What::Slack | What::AnyPeer | What::AnyProtocol => String::new(),
            What::Local | What::Utc | What::Earlier | What::Later => format!(" ({})", times.text(change.at)),
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
        What::AnyPeer => "without --peer".to_owned(),
        What::AnyProtocol => "without --proto".to_owned(),
        What::Slack => format!("with slack {}", span(change.slack)),
        What::Local => "if local time was meant".to_owned(),
        What::Utc => "if UTC was meant".to_owned(),
        What::Earlier => "12 hours earlier".to_owned(),
        What::Later => "12 hours later".to_owned(),
    }
}

//! How sure an answer is, and what would change it.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};

use ctrecorder_format::NS_PER_SECOND;

use super::evidence::Evidence;
use super::recorder::Heard;
use super::{Flow, Name, Question};
use crate::query::coverage::{Gap, GapCause, Span};

const HOUR: u64 = 3600 * NS_PER_SECOND;

/// Would the answer be another one with such a slack, in ns?
const SLACKS: [u64; 4] = [0, NS_PER_SECOND, 60 * NS_PER_SECOND, HOUR];

/// What the answer is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One inside host had the endpoint.
    Unique,
    /// Several may have had it: several inside addresses, or one behind the translations of several network namespaces of one machine.
    Ambiguous,
    /// None had it, and nothing is missing that could say otherwise.
    None,
    /// None is known to have had it, but something may be missing.
    Unknown,
}

/// Why a flow may be missing, and who did not record it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The number of the recorder in [`Answer::around`]; `None` where nobody knows whose fault it is.
    pub recorder: Option<usize>,
    /// Why.
    pub why: Why,
}

/// Why a flow may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A gap, or a time before or behind all that was recorded.
    Gap(Gap),
    /// Records were lost to damage that may have told of a flow of this time.
    Damage,
    /// A file could not be read, and what it covers is not known.
    Unread,
    /// Files of an archive are not among those given, in which flows are that ended later.
    PartMissing,
    /// No file could be read.
    NoFile,
    /// Not every kind of flow that is asked for was recorded.
    NotRecorded,
    /// Some flows were left out of a file by a filter.
    Filtered,
    /// Flows may have been alive that began unheard, and no reading of the kernel's table tells of them.
    NoReading,
}

/// What was found for one time and one slack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// The inside addresses, each once, in order.
    pub insides: Vec<IpAddr>,
    /// The flows, by their inside endpoints.
    pub flows: Vec<Flow>,
    /// Why further flows may be missing.
    pub doubts: Vec<Doubt>,
    /// Of each recorder, whether it had no part in this: no file of it is near that time, and another recorder's is.
    pub away: Vec<bool>,
}

impl Finding {
    /// Of the recorders that go by these names, whoever was found for an endpoint of this address.
    pub(super) fn new(public: IpAddr, heard: Vec<Heard>, names: &[Option<&Name>], doubts: Vec<Doubt>) -> Self {
        let away = heard.iter().map(|heard| heard.is_away).collect();
        let insides: BTreeSet<_> = heard.iter().flat_map(|heard| heard.insides.iter().copied()).collect();
        let insides: Vec<_> = insides.into_iter().collect();
        let is_several =
            insides.iter().any(|inside| *inside != public && is_in_several_networks(*inside, &heard, names));
        let mut flows: Vec<_> = heard.into_iter().flat_map(|heard| heard.flows).collect();
        flows.sort_unstable();
        // What is told of twice is sure if either is.
        flows.dedup_by(|next, flow| {
            let is_same = Flow { is_sure: flow.is_sure, ..*next } == *flow;
            flow.is_sure |= is_same && next.is_sure;
            is_same
        });
        let verdict = match insides.len() {
            0 if doubts.is_empty() => Verdict::None,
            0 => Verdict::Unknown,
            1 if !is_several => Verdict::Unique,
            _ => Verdict::Ambiguous,
        };
        Self { verdict, insides, flows, doubts, away }
    }
}

impl Finding {
    /// Whether it is sure of one of the answers at least that it had the endpoint then; else each may have had it.
    pub fn is_sure(&self) -> bool {
        self.flows.iter().any(|flow| flow.is_answer && flow.is_sure)
    }
}

/// Whether an inside address was found behind the translations of several network namespaces of one machine: these are networks of
/// their own, in which one private address is as many hosts. Of two machines it may be one flow, which one of them copied from the other.
fn is_in_several_networks(inside: IpAddr, heard: &[Heard], names: &[Option<&Name>]) -> bool {
    let mut machines = HashSet::new();
    let found = heard.iter().zip(names).filter(|(heard, _)| heard.insides.contains(&inside));
    let mut found = found.filter_map(|(_, name)| name.filter(|name| name.namespace.is_some_and(|number| number > 0)));
    // Whoever goes by the same host is another namespace of it.
    found.any(|name| !machines.insert(&name.host))
}

/// How a question could have been asked otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Whoever the peer was.
    AnyPeer,
    /// By whatever protocol that has ports.
    AnyProtocol,
    /// With another slack.
    Slack,
    /// The digits of its time meant as local time.
    Local,
    /// The digits of its time meant as UTC.
    Utc,
    /// Twelve hours earlier.
    Earlier,
    /// Twelve hours later.
    Later,
}

/// The answer to the same question asked otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is other.
    pub what: What,
    /// The time that it asks for, ns since the epoch.
    pub at: u64,
    /// Its slack, ns.
    pub slack: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// The inside addresses, each once, in order.
    pub insides: Vec<IpAddr>,
    /// Whether verdict or addresses are other ones.
    pub differs: bool,
}

/// What one recorder recorded around the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Around {
    /// Who recorded.
    pub name: Name,
    /// No file of this recorder is near that time, and another recorder's is: it was taken to have had no part in it.
    pub is_away: bool,
    /// From when to when its files tell; `None` if nobody can say.
    pub given: Option<Span>,
    /// The span recorded without gap that holds the time.
    pub recorded: Option<Span>,
    /// The gaps that the time with its slack touches, or that lie within an hour of it.
    pub gaps: Vec<Gap>,
    /// Files of version 2 are among those asked: their gaps are not known.
    pub has_version_2: bool,
    /// The protocols that were recorded, if some that are asked for were not.
    pub protocols: Option<Vec<u8>>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub question: Question,
    /// What was found.
    pub finding: Finding,
    /// What was recorded in the hour before and after the time, or within its slack where that is longer.
    pub near: Span,
    /// What was recorded around the time, by each recorder.
    pub around: Vec<Around>,
    /// If no flow is found: the public endpoints of flows that had the one asked for on the *inside*, each once, in order.
    pub inside_as: Vec<SocketAddr>,
    /// What the answer would have been, had the question been another one.
    pub sensitivity: Vec<Change>,
}

impl Answer {
    pub(super) fn new(question: Question, evidence: &Evidence) -> Self {
        let finding = evidence.find(&question, question.at, question.slack, true);
        let change = |question: &Question, what, at, slack| {
            let Finding { verdict, insides, .. } = evidence.find(question, at, slack, false);
            let differs = (verdict, &insides) != (finding.verdict, &finding.insides);
            Change { what, at, slack, verdict, insides, differs }
        };
        let wider = question.wider().map(|(what, wider)| change(&wider, what, wider.at, wider.slack));
        let others = question.variants().into_iter().map(|(what, at, slack)| change(&question, what, at, slack));
        let sensitivity = wider.chain(others).collect();
        let near = Span::around(question.at, question.slack.max(HOUR));
        let around = evidence.around(&question, near, &finding.away);
        let inside_as = if finding.flows.is_empty() { evidence.inside_as(&question) } else { Vec::new() };
        Self { question, finding, near, around, inside_as, sensitivity }
    }

    /// Why further flows may be missing, in words, each once; of several recorders with the name of the one that may have missed
    /// them.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<_> = Vec::new();
        for reason in self.finding.doubts.iter().map(|doubt| self.reason(*doubt)) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }

    /// A doubt in words, likewise.
    pub fn reason(&self, Doubt { recorder, why }: Doubt) -> String {
        let around = recorder.and_then(|number| self.around.get(number));
        let text = match why {
            Why::Gap(Gap { cause: GapCause::NoFile, .. }) if around.is_some_and(|around| around.recorded.is_some()) => {
                "no file given covers the whole slack, though the time itself was recorded"
            }
            _ => why.text(),
        };
        match around.filter(|_| self.has_several_recorders()) {
            Some(around) => format!("{}: {text}", around.name),
            None => text.to_owned(),
        }
    }

    /// Whether the files are those of several recorders.
    pub const fn has_several_recorders(&self) -> bool {
        self.around.len() > 1
    }
}

impl Question {
    /// The same without one of its conditions.
    pub(super) fn wider(&self) -> impl Iterator<Item = (What, Self)> {
        let any_peer = self.peer.is_some().then(|| (What::AnyPeer, Self { peer: None, ..self.clone() }));
        // Of protocols that have ports none is asked for where the endpoint has none.
        let may_have_port = self.protocols.is_some() && self.endpoint.port() != 0;
        let any_protocol = may_have_port.then(|| (What::AnyProtocol, Self { protocols: None, ..self.clone() }));
        any_peer.into_iter().chain(any_protocol)
    }

    /// The other times to ask for, each with its slack.
    fn variants(&self) -> Vec<(What, u64, u64)> {
        let slacks = SLACKS.into_iter().filter(|slack| *slack != self.slack);
        let mut variants: Vec<_> = slacks.map(|slack| (What::Slack, self.at, slack)).collect();
        let others = [
            (What::Local, self.meant.local),
            (What::Utc, self.meant.utc),
            (What::Earlier, self.at.checked_sub(12 * HOUR)),
            (What::Later, self.at.checked_add(12 * HOUR)),
        ];
        variants.extend(others.into_iter().filter_map(|(what, at)| Some((what, at?, self.slack))));
        variants
    }

    /// The spans that the question, however it is asked, is about.
    pub(super) fn windows(&self) -> impl Iterator<Item = Span> {
        let others = self.variants().into_iter().map(|(_, at, slack)| Span::around(at, slack));
        std::iter::once(self.window()).chain(others)
    }
}

impl Why {
    /// The reason in words, wherever in the time and its slack it holds.
    fn text(self) -> &'static str {
        match self {
            Self::Gap(Gap { cause: GapCause::NoFile, .. }) => "no file given covers that time",
            Self::Gap(gap) => gap.cause.text(),
            Self::Damage => "records of this time may be lost to damage",
            Self::Unread => "a file could not be read, and what it covers is not known",
            Self::PartMissing => "files of an archive are missing, and flows that ended later are in them",
            Self::NoFile => "no file could be read",
            Self::NotRecorded => "not every kind of flow that is asked for was recorded",
            Self::NoReading => "nobody tells which flows were alive before: the kernel's table was not read since",
            Self::Filtered => "a file holds only what a filter kept (see header)",
        }
    }
}

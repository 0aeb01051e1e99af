//! All that one recorder has to say to some questions.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use ctrecorder_format::NS_PER_SECOND;

use super::flow::{Flow, Known};
use super::gather::{Read, gather};
use super::intervals::Intervals;
use super::plan;
use super::scope::Scope;
use super::survey::{Name, Recorded};
use super::{Around, Asked, Question, Wanted, Why};
use crate::journal::Journal;
use crate::query::Coverage;
use crate::query::coverage::{Extent, Gap, Reading, Span};

/// A recorder of which no file is nearer to a time than this is taken to have had no part in it: docs/who.md, "Several
/// recorders".
const FAR: u64 = 24 * 3600 * NS_PER_SECOND;

/// What one pass through a recorder's files found.
#[derive(Debug)]
struct Pass {
    /// What was read for spans of time that lie apart, in their order.
    reads: Vec<Read>,
    /// The flows that have each endpoint, each with its place among those that were told of.
    flows: HashMap<SocketAddr, Intervals<(usize, Known)>>,
    /// When flows may have been alive of which lost records told.
    lost: Intervals<()>,
}

/// What one recorder says.
#[derive(Debug)]
pub(super) struct Recorder {
    /// Who it is; `None` if no header tells.
    name: Option<Name>,
    /// In the order of time.
    passes: Vec<Pass>,
    /// What the files cover; `None` if nobody can say.
    coverage: Option<Coverage>,
    /// The spans in which nothing is missing.
    whole: Vec<Span>,
    /// The ends of the gaps in which something is missing, in order.
    gap_ends: Vec<u64>,
    reading: Reading,
    /// What was recorded in each file, and its place in time.
    scopes: Vec<(Extent, Scope)>,
    /// What was recorded in all of them.
    scope: Scope,
}

/// What a recorder says of one time and one slack.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) flows: Vec<Flow>,
    /// The time lies behind all that is told.
    pub(super) is_behind: bool,
    /// No file is near.
    pub(super) is_away: bool,
    pub(super) doubts: Vec<Why>,
}

impl Recorder {
    /// Reads what the questions need. What happens on the way is told in `asked`.
    pub(super) fn read(
        journal: &Journal,
        recorded: Recorded,
        questions: &[Question],
        wanted: &Wanted,
        threads: NonZeroUsize,
        asked: &mut Asked,
    ) -> Self {
        let Recorded { name, files, reading, coverage } = recorded;
        let journal = journal.only(files.iter().map(|file| file.place));
        let scopes: Vec<_> = files.into_iter().map(|file| (file.extent, file.scope)).collect();
        let scope = scopes.iter().fold(Scope::default(), |all, (_, scope)| all.joined(scope));
        // A run that recorded less than others does not tell of all flows that these left open.
        let extent = |(extent, own): &(Extent, Scope)| Extent {
            has_whole_keyframe: extent.has_whole_keyframe && own.is_as_wide_as(&scope),
            ..*extent
        };
        let extents: Vec<_> = scopes.iter().map(extent).collect();
        let windows = questions.iter().flat_map(Question::windows).collect();
        let parts = plan::parts(&extents, windows, scope.has_version_2);
        let (mut passes, mut left) = (Vec::new(), parts.as_slice());
        while !left.is_empty() {
            let gathered = gather(&journal, wanted, left, threads);
            // It read for the first one at least.
            left = left.get(gathered.reads.len().max(1)..).unwrap_or_default();
            asked.damage.extend(gathered.damage);
            // What could be read a moment ago, and cannot any more.
            let known: Vec<_> = asked.failures.iter().map(|error| error.path.clone()).collect();
            asked.failures.extend(gathered.failures.into_iter().filter(|error| !known.contains(&error.path)));
            let lost = gathered.lost.into_iter().map(|lost| (lost, ())).collect();
            let flows = by_endpoint(&gathered.flows, wanted);
            passes.push(Pass { reads: gathered.reads, flows, lost: Intervals::new(lost) });
        }
        let (whole, gap_ends) = coverage.as_ref().map(whole_spans).unwrap_or_default();
        Self { name, passes, coverage, whole, gap_ends, reading, scopes, scope }
    }

    /// The flows that had the endpoint of a question in a window, and what may be missing among them. `number` is that of this
    /// recorder.
    pub(super) fn find(&self, question: &Question, window: Span, number: usize) -> Heard {
        let mut flows: Vec<_> = self
            .alive(question, window)
            .flat_map(|known| known.seen_from(question.endpoint, number))
            .filter(|flow| question.peer.is_none_or(|peer| peer.is(flow.peer)))
            .collect();
        flows.sort_unstable();
        flows.dedup();
        let is_behind = self.coverage.as_ref().is_some_and(|coverage| coverage.to < window.from);
        let is_away = flows.is_empty() && !self.is_near(window);
        Heard { flows, is_behind, is_away, doubts: self.doubts(question, window) }
    }

    /// The public endpoints of the flows that had the endpoint of a question on the inside in a window.
    pub(super) fn inside_as(&self, question: &Question, window: Span) -> impl Iterator<Item = SocketAddr> {
        self.alive(question, window).filter_map(|known| known.public_of(question.endpoint))
    }

    /// The flows that have an endpoint on either side and may have been alive in a window.
    fn alive(&self, question: &Question, window: Span) -> impl Iterator<Item = &Known> {
        let found = self.read_for(window).and_then(|(pass, read)| Some((pass.flows.get(&question.endpoint)?, read)));
        let met = found.into_iter().flat_map(move |(flows, read)| {
            flows.meeting(window).into_iter().filter(move |(place, _)| *place < read.flows)
        });
        met.map(|(_, known)| known).filter(|known| question.asks_for(known.identity.protocol))
    }

    /// What was read for a window: each lies in one span.
    fn read_for(&self, window: Span) -> Option<(&Pass, &Read)> {
        let begins = |pass: &Pass| pass.reads.first().is_some_and(|read| read.span.from <= window.from);
        let pass = self.passes.get(self.passes.partition_point(begins).checked_sub(1)?)?;
        let behind = pass.reads.partition_point(|read| read.span.from <= window.from);
        let read = pass.reads.get(behind.checked_sub(1)?)?;
        (window.to <= read.span.to).then_some((pass, read))
    }

    /// Whether a file is near to a window. Of files of which nobody knows whose they are, that is one that reaches into it.
    fn is_near(&self, window: Span) -> bool {
        let far = if self.name.is_some() { FAR } else { 0 };
        self.coverage.as_ref().is_some_and(|coverage| {
            let reach = Span { from: coverage.from.saturating_sub(far), to: coverage.to.saturating_add(far) };
            reach.meets(window)
        })
    }

    /// What was recorded in a window; if no file reaches into it, what was recorded at all.
    fn scope_of(&self, window: Span) -> Scope {
        let reach = |extent: &Extent| Span { from: extent.least, to: extent.greatest };
        let there = self.scopes.iter().filter(|(extent, _)| reach(extent).meets(window));
        let joined = there.map(|(_, scope)| scope.clone()).reduce(|all, scope| all.joined(&scope));
        joined.unwrap_or_else(|| self.scope.clone())
    }

    /// Whether flows that began unheard, before the journal or in a gap, may have been alive in the window without a word:
    /// until the kernel's table is read, nobody knows of those that go on. Of what files of version 2 tell, and squeezed ones,
    /// that cannot be asked.
    fn is_unheard_of(&self, read: &Read, window: Span) -> bool {
        let Some(coverage) = self.coverage.as_ref().filter(|_| self.scope.is_of_events) else { return false };
        let ended = self.gap_ends.partition_point(|end| *end <= window.to);
        let last = ended.checked_sub(1).and_then(|last| self.gap_ends.get(last));
        let unheard_until = last.map_or(coverage.from, |end| coverage.from.max(*end));
        read.last_reading.is_none_or(|reading| reading < unheard_until)
    }

    /// Why a flow may be missing among those of a window.
    fn doubts(&self, question: &Question, window: Span) -> Vec<Why> {
        let mut doubts: Vec<_> = self.missing(window).into_iter().map(Why::Gap).collect();
        let found = self.read_for(window);
        if found.is_none_or(|(pass, _)| pass.lost.any_meets(window)) {
            doubts.push(Why::Damage);
        }
        let scope = self.scope_of(window);
        if !scope.has_all_of(question) {
            doubts.push(Why::NotRecorded);
        }
        if scope.is_filtered {
            doubts.push(Why::Filtered);
        }
        if found.is_some_and(|(_, read)| self.is_unheard_of(read, window)) {
            doubts.push(Why::NoReading);
        }
        doubts
    }

    /// Whether a file of this recorder that is not there would be missed.
    pub(super) fn is_numbered_in(&self, window: Span) -> bool {
        self.reading.is_numbered_in(window)
    }

    /// The gaps that a span touches, and what of it is outside the journal.
    fn missing(&self, span: Span) -> Vec<Gap> {
        self.coverage.as_ref().map(|coverage| coverage.missing(span)).unwrap_or_default()
    }

    /// What was recorded around the time of a question.
    pub(super) fn around(&self, question: &Question, near: Span, is_away: bool) -> Around {
        let behind = self.whole.partition_point(|span| span.to < question.at);
        Around {
            name: self.name.clone().unwrap_or_default(),
            is_away,
            given: self.coverage.as_ref().map(|coverage| Span { from: coverage.from, to: coverage.to }),
            recorded: self.whole.get(behind).filter(|span| span.from <= question.at).copied(),
            gaps: if is_away { Vec::new() } else { self.missing(near) },
            has_version_2: self.scope.has_version_2,
            protocols: self.scope.limits(question),
        }
    }
}

/// The spans in which nothing is missing, and the ends of the gaps between them.
fn whole_spans(coverage: &Coverage) -> (Vec<Span>, Vec<u64>) {
    let mut coverage = coverage.clone();
    coverage.gaps.retain(|gap| gap.lost != Some(0));
    let mut ends: Vec<_> = coverage.gaps.iter().map(|gap| gap.to).collect();
    ends.sort_unstable();
    (coverage.spans(), ends)
}

/// Each flow under each of its endpoints that is asked for.
fn by_endpoint(flows: &[(usize, Known)], wanted: &Wanted) -> HashMap<SocketAddr, Intervals<(usize, Known)>> {
    let mut by_endpoint: HashMap<_, Vec<_>> = HashMap::new();
    for (place, flow) in flows {
        let (original, reply) = (flow.identity.original, flow.identity.reply);
        let ends = [reply.dst, original.dst, original.src, reply.src];
        let is_new = |(number, end): &(usize, &SocketAddr)| !ends.iter().take(*number).any(|other| other == *end);
        for (_, end) in ends.iter().enumerate().filter(is_new).filter(|(_, end)| wanted.has(**end)) {
            by_endpoint.entry(*end).or_default().push((flow.life, (*place, *flow)));
        }
    }
    by_endpoint.into_iter().map(|(endpoint, flows)| (endpoint, Intervals::new(flows))).collect()
}

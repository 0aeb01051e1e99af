//! All that one recorder has to say to some questions.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;

use ctrecorder_format::NS_PER_SECOND;

use super::flow::{Beyond, Flow, Known, Told};
use super::gather::{Read, gather};
use super::insides::Insides;
use super::intervals::Intervals;
use super::kinds::Kinds;
use super::plan;
use super::scope::Scope;
use super::survey::{Name, Recorded, Surveyed};
use super::{Around, Asked, Question, Wanted, Why};
use crate::journal::{Absent, Journal};
use crate::query::Coverage;
use crate::query::coverage::{Extent, Filtered, Gap, Reading, Span};

/// A recorder of which no file is nearer to a time than this is taken to have had no part in it: docs/who.md, "Several
/// recorders".
const FAR: u64 = 24 * 3600 * NS_PER_SECOND;

/// What one pass through a recorder's files found.
#[derive(Debug)]
struct Pass {
    /// What was read for spans of time that lie apart, in their order.
    reads: Vec<Read>,
    /// Who had each endpoint that is asked for.
    insides: Insides,
    /// The flows that have each endpoint, each with its place among those that were told of.
    flows: HashMap<SocketAddr, Intervals<(usize, Known)>>,
    /// When flows may have been alive of which lost records told.
    lost: Intervals<()>,
    /// Whether the clock was set, as far as the files tell that were read.
    is_clock_set: bool,
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
    /// Those in which no event was lost, were it one that a filter left out.
    heard: Vec<Span>,
    reading: Reading,
    /// Files of an archive are missing among its others, or behind them. They hold the flows that ended later, whenever these began.
    lacks_parts: bool,
    /// The places in time of the files, and of those that hold only what a filter kept.
    places: Intervals<()>,
    filtered: Intervals<()>,
    /// What was recorded in all of them.
    scope: Scope,
    /// What they cover of each kind that is asked for.
    kinds: Kinds,
}

/// What a recorder says of one time and one slack.
#[derive(Debug)]
pub(super) struct Heard {
    /// The inside addresses.
    pub(super) insides: BTreeSet<IpAddr>,
    /// The flows, in no order, some perhaps twice, if they are wanted.
    pub(super) flows: Vec<Flow>,
    /// No file is near.
    pub(super) is_away: bool,
    pub(super) doubts: Vec<Why>,
}

impl Recorder {
    /// Reads what the questions need, and these without their conditions. What happens on the way is told in `asked`.
    pub(super) fn read(
        journal: &Journal,
        recorded: Recorded,
        [questions, wider]: [&[Question]; 2],
        wanted: &Wanted,
        threads: NonZeroUsize,
        asked: &mut Asked,
    ) -> Self {
        let Recorded { name, files, mut reading, coverage } = recorded;
        reading.heed_needless(journal.needless());
        let journal = journal.only(files.iter().map(|file| file.place));
        let scope = files.iter().fold(Scope::default(), |all, file| all.joined(&file.scope));
        // A run that recorded less than others does not tell of all flows that these left open.
        let extent = |file: &Surveyed| Extent {
            has_whole_keyframe: file.extent.has_whole_keyframe && file.scope.is_as_wide_as(&scope),
            ..file.extent
        };
        let extents: Vec<_> = files.iter().map(extent).collect();
        let windows = questions.iter().flat_map(Question::windows).collect();
        let parts = plan::parts(&extents, windows, scope.has_version_2);
        let every = || questions.iter().chain(wider);
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
            let insides = Insides::of(&gathered.flows, &gathered.reads, every());
            let flows = by_endpoint(&gathered.flows, wanted);
            let (reads, lost, is_clock_set) = (gathered.reads, Intervals::new(lost), gathered.is_clock_set);
            passes.push(Pass { reads, insides, flows, lost, is_clock_set });
        }
        let places =
            |files: Vec<&Surveyed>| Intervals::new(files.into_iter().map(|file| (file.extent.span(), ())).collect());
        let kinds = Kinds::of(&files, &reading, coverage.as_ref(), every());
        let mut filtered = Filtered::default();
        files.iter().for_each(|file| filtered.join(&file.filtered));
        // Files of version 2 do not tell what was lost, nor does a run tell of ends that it did not record.
        let are_alike =
            files.iter().all(|file| file.scope.is_as_wide_as(&scope)) && reading.recorded().next().is_none();
        let hears_ends = !scope.has_version_2 && are_alike;
        let heard = coverage.as_ref().filter(|_| hears_ends).map(Coverage::heard_spans).unwrap_or_default();
        let coverage = coverage.map(|coverage| coverage.left_out_by(&filtered));
        Self {
            name,
            passes,
            whole: coverage.as_ref().map(Coverage::whole_spans).unwrap_or_default(),
            heard,
            kinds,
            lacks_parts: !reading.absent().iter().all(Absent::is_begin),
            reading,
            places: places(files.iter().collect()),
            filtered: places(files.iter().filter(|file| file.scope.is_filtered).collect()),
            scope,
            coverage,
        }
    }

    /// Who it is; `None` if no header tells.
    pub(super) const fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// The flows that had the endpoint of a question in a window, and what may be missing among them. `number` is that of this
    /// recorder. Of thousands of flows the inside addresses are sooner told than the flows themselves: these only with
    /// `with_flows`.
    pub(super) fn find(&self, question: &Question, window: Span, number: usize, with_flows: bool) -> Heard {
        let beyond = self.coverage.as_ref().and_then(|coverage| match coverage {
            Coverage { from, .. } if window.to < *from => Some(Beyond::Before),
            coverage if coverage.is_behind(window) => Some(Beyond::Behind),
            _ => None,
        });
        // A flow that was open where the journal ends may have ended any time since, and one that was alive where it begins may
        // have begun any time before: of a time beyond that it is shown, and is no answer.
        let found = self.read_for(window).map(|(pass, read)| pass.insides.find(question, window, read, beyond));
        let (insides, is_found) = found.unwrap_or_default();
        let mut flows = Vec::new();
        if with_flows && is_found {
            self.alive(question, window, |pass, known| {
                let is_sure = self.is_sure(pass, known, window);
                let seen = known.seen_from(question.endpoint, number, beyond, is_sure);
                flows.extend(seen.filter(|flow| question.peer.is_none_or(|peer| peer.is(flow.peer))));
            });
        }
        let is_away = !is_found && !self.is_near(window);
        Heard { insides, flows, is_away, doubts: self.doubts(question, window) }
    }

    /// The public endpoints of the flows that had the endpoint of a question on the inside in a window.
    pub(super) fn inside_as(&self, question: &Question, window: Span) -> BTreeSet<SocketAddr> {
        let mut public = BTreeSet::new();
        self.alive(question, window, |_, known| public.extend(known.public_of(question.endpoint)));
        public
    }

    /// Hands on the flows that have an endpoint on either side and may have been alive in a window.
    fn alive(&self, question: &Question, window: Span, mut each: impl FnMut(&Pass, &Known)) {
        let Some((pass, read)) = self.read_for(window) else { return };
        let Some(flows) = pass.flows.get(&question.endpoint) else { return };
        let Some(read) = pass.reads.get(read) else { return };
        flows.meeting(window, |(place, known)| {
            if *place < read.flows && question.asks_for(known.identity.protocol) {
                each(pass, known);
            }
        });
    }

    /// Whether a flow was surely alive at a moment of a window. Where the clock was set, nobody knows.
    fn is_sure(&self, pass: &Pass, known: &Known, window: Span) -> bool {
        let Some(sure) = known.sure() else { return false };
        let to =
            if matches!(known.end, Told::At { .. }) { sure.to } else { self.heard_to(pass, known, sure.to, window) };
        // Of version 2, which has no ids, one may have ended in a gap, and another one begun, that are told as one flow.
        let may_be_two = self.scope.has_version_2 || known.identity.id == 0;
        let is_there = (Span { from: sure.from, to }).meets(window) && !(may_be_two && self.is_in_gap(sure, window));
        !pass.is_clock_set && is_there
    }

    /// Whether all moments of a window that lie in a span are missing.
    fn is_in_gap(&self, span: Span, window: Span) -> bool {
        let asked = Span { from: span.from.max(window.from), to: span.to.min(window.to) };
        let behind = self.whole.partition_point(|span| span.to < asked.from);
        self.whole.get(behind).is_none_or(|span| asked.to < span.from)
    }

    /// Until when a flow was surely alive that was at this moment, and whose end nobody heard: until the next gap, as far as a window is
    /// concerned. Where no gap hides the end, nobody knows why it was not heard.
    fn heard_to(&self, pass: &Pass, known: &Known, moment: u64, window: Span) -> u64 {
        // What began before the journal was recorded when that began.
        let recorded = self.heard.first().map_or(moment, |first| moment.max(first.from));
        let behind = self.heard.partition_point(|span| span.to < recorded);
        let Some(span) = self.heard.get(behind).filter(|span| span.from <= recorded) else { return moment };
        let is_hidden = known.end.latest().is_none_or(|latest| span.to < latest);
        let needed = Span { from: moment, to: moment.max(window.from) };
        if is_hidden && !pass.lost.any_meets(needed) { span.to } else { moment }
    }

    /// What was read for a window, as the number of what that pass read: each lies in one span.
    fn read_for(&self, window: Span) -> Option<(&Pass, usize)> {
        let begins = |pass: &Pass| pass.reads.first().is_some_and(|read| read.span.from <= window.from);
        let pass = self.passes.get(self.passes.partition_point(begins).checked_sub(1)?)?;
        let behind = pass.reads.partition_point(|read| read.span.from <= window.from);
        let read = behind.checked_sub(1)?;
        pass.reads.get(read).filter(|read| window.to <= read.span.to).map(|_| (pass, read))
    }

    /// Whether a file is near to a window. Of files of which nobody knows whose they are, that is one that reaches into it.
    fn is_near(&self, window: Span) -> bool {
        let far = if self.name.is_some() { FAR } else { 0 };
        self.coverage.as_ref().is_some_and(|coverage| {
            let reach = Span { from: coverage.from.saturating_sub(far), to: coverage.to.saturating_add(far) };
            reach.meets(window)
        })
    }

    /// Whether a file that reaches into a window is filtered; if none reaches there, whether any is.
    fn is_filtered(&self, window: Span) -> bool {
        self.filtered.any_meets(window) || (!self.filtered.is_empty() && !self.places.any_meets(window))
    }

    /// Why a flow may be missing among those of a window.
    fn doubts(&self, question: &Question, window: Span) -> Vec<Why> {
        let missing = self.missing(window);
        let is_recorded = !self.kinds.lack(question, window, &missing);
        let mut doubts: Vec<_> = missing.into_iter().map(Why::Gap).collect();
        let found = self.read_for(window);
        if found.is_none_or(|(pass, _)| pass.lost.any_meets(window)) {
            doubts.push(Why::Damage);
        }
        if !is_recorded {
            doubts.push(Why::NotRecorded);
        }
        if self.is_filtered(window) {
            doubts.push(Why::Filtered);
        }
        let last_reading = |(pass, read): (&Pass, usize)| pass.reads.get(read).and_then(|read| read.last_reading);
        if found.is_some_and(|read| self.kinds.are_unheard(question, window, last_reading(read))) {
            doubts.push(Why::NoReading);
        }
        if self.lacks_parts {
            doubts.push(Why::PartMissing);
        }
        doubts
    }

    /// Whether a file of this recorder that is not there would be missed in a window.
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

/// Each flow under each of its endpoints that is asked for.
fn by_endpoint(flows: &[(usize, Known)], wanted: &Wanted) -> HashMap<SocketAddr, Intervals<(usize, Known)>> {
    let mut by_endpoint: HashMap<_, Vec<_>> = HashMap::new();
    for (place, flow) in flows {
        for end in flow.endpoints().filter(|end| wanted.has(*end)) {
            by_endpoint.entry(end).or_default().push((flow.life, (*place, *flow)));
        }
    }
    by_endpoint.into_iter().map(|(endpoint, flows)| (endpoint, Intervals::new(flows))).collect()
}

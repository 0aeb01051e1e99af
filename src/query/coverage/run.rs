//! The runs of a recorder: which files are of one, how it goes on from one file to the next, and which run came first and last.

use std::collections::{HashMap, HashSet};

use ctrecorder_format::header::split;
use ctrecorder_format::{Cause, Content, Note};

use super::part::{End, Part};
use super::{Gap, GapCause, Span, complement};
use crate::journal::{Ended, Place, chain, successors};

const GONE: GapCause = GapCause::Noted(Cause::NamespaceGone as u16);

/// Segments of several recorders: each covers what it covers, and nothing can be said of both together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segments of several recorders: {}; ask each by itself", .0.join(", "))]
pub struct Several(pub Vec<String>);

/// Which start of a machine, by its boot id.
pub(super) type Boot = [u8; 16];

/// The segments of one run of a recorder, or a file that is of none.
pub(super) struct Run {
    /// By their number.
    pub(super) parts: Vec<Part>,
    /// The least span that holds all that they tell of.
    pub(super) span: Span,
    pub(super) namespace: u64,
}

impl Run {
    pub(super) fn of(mut parts: Vec<Part>) -> Option<Self> {
        // The same segment may be there twice: the copy that goes further is as good as both.
        parts.sort_by_key(|part| (part.number, std::cmp::Reverse(part.reaches())));
        parts.dedup_by_key(|part| part.number);
        told_once(&mut parts);
        noticed_late(&mut parts);
        let span = parts.iter().map(Part::hull).reduce(Span::joined)?;
        let namespace = parts.first()?.namespace;
        Some(Self { parts, span, namespace })
    }

    /// What it tells of its place among other runs.
    pub(super) fn place(&self) -> Place {
        let up = |part: &Part| part.settings.at_begin(part.began);
        let up = self.parts.first().and_then(up).zip(self.parts.last().and_then(up)).map(|(first, last)| [first, last]);
        if let Some(place) = self.parts.first().and_then(|first| first.place.clone()) {
            return Place { up, ..place };
        }
        let is_run = |part: &&Part| part.run.is_some() && part.content == Content::Events;
        let first = self.parts.first().filter(is_run);
        let behind = first.and_then(Part::behind);
        let behind_later = first.and_then(Part::behind_later).filter(|_| behind.is_none());
        let ended = self.parts.last().filter(is_run).map(|last| last.ended);
        let (behind, ended) = (behind.map(Ended::At), ended.map(Ended::At));
        let host = first.and_then(|first| first.host.clone()).unwrap_or_default();
        Place { host, behind, behind_later, ended, up }
    }

    /// Where a segment is missing between two that are there, or its end.
    pub(super) fn derived(&self) -> impl Iterator<Item = Gap> {
        self.parts.windows(2).filter_map(|pair| match pair {
            [before, after] => between_segments(before, after),
            _ => None,
        })
    }

    /// Since which start of the machine it was recorded; `None` if that is not known, or may be several.
    pub(super) fn boot(&self) -> Option<Boot> {
        let first = self.parts.first().filter(|first| first.content == Content::Events)?;
        first.run.as_ref()?.boot()
    }

    /// The first moment that it tells of, and the last one. Where the clock was set back, they are not the least and the greatest.
    pub(super) fn ends(&self) -> (u64, u64) {
        let (first, last) = (self.parts.first(), self.parts.last());
        (first.map_or(self.span.from, |part| part.began), last.map_or(self.span.to, |part| part.ended))
    }

    /// Whether the clock was set back meanwhile.
    pub(super) fn is_turned(&self) -> bool {
        let is_back = |pair: &[Part]| matches!(pair, [before, after] if after.began < before.ended);
        self.parts.iter().any(Part::is_turned) || self.parts.windows(2).any(is_back)
    }

    /// The times that it tells of, in no order.
    pub(super) fn shown(&self) -> impl Iterator<Item = Span> {
        let between = |pair: &[Part]| match pair {
            [before, after] => going_on(before, after),
            _ => Vec::new(),
        };
        let own = self.parts.iter().flat_map(|part| &part.shown.spans).copied();
        own.chain(self.parts.windows(2).flat_map(between))
    }
}

/// Where a segment goes on with the one before it, nothing happened between the two.
fn going_on(before: &Part, after: &Part) -> Vec<Span> {
    if before.ended >= after.began || between_segments(before, after).is_some() {
        return Vec::new();
    }
    complement(after.shown.skipped.iter().copied(), before.ended, after.began)
}

/// A clock that is set over the end of an hour has a segment begun that tells of it: the one before it ended by that time, too.
fn noticed_late(parts: &mut [Part]) {
    for place in 1..parts.len() {
        let Some([before, after]) = parts.get_mut(place - 1..=place) else { continue };
        if let Some(over) = after.shown.before.filter(|_| after.number - before.number == 1) {
            before.set_over(over);
        }
    }
}

/// The same where one of the two was made of others, and is of no run: it ended at the very moment at which the one behind it began.
pub(super) fn noticed_late_at_ends(parts: &mut [Part]) {
    let over: HashMap<_, _> = parts.iter().filter_map(|part| Some((part.began, part.shown.before?))).collect();
    for part in parts {
        over.get(&part.ended).into_iter().for_each(|over| part.set_over(*over));
    }
}

/// Files of an archive say what others of it say, too, where both tell of that time.
fn told_once(parts: &mut [Part]) {
    let key = |note: &Note| -> [u8; size_of::<Note>()] { zerocopy::transmute!(*note) };
    let mut told = HashSet::new();
    for part in parts.iter_mut().filter(|part| part.content == Content::Flows) {
        let own: Vec<_> = part.notes.iter().map(key).collect();
        part.notes.retain(|note| !told.contains(&key(note)));
        told.extend(own);
    }
}

/// Refuses runs that recorded several network namespaces at the same time, or under several ids of a recorder's. One after the
/// other, they may be those of a container that was started again.
pub(super) fn one_namespace(runs: &[Run]) -> Result<(), Several> {
    let mut reached: HashMap<u64, u64> = HashMap::new();
    for run in runs.iter().filter(|run| run.namespace != 0) {
        let is_another = |(namespace, to): &(&u64, &u64)| {
            let has_another_id = split(**namespace).1 != split(run.namespace).1;
            **namespace != run.namespace && (has_another_id || **to > run.span.from)
        };
        if let Some((other, _)) = reached.iter().find(is_another) {
            return Err(Several([*other, run.namespace].map(namespace_text).into()));
        }
        let to = reached.entry(run.namespace).or_default();
        *to = run.ends().1.max(*to);
    }
    Ok(())
}

/// A network namespace by its number ([`namespace`](ctrecorder_format::header::namespace)), as a person is told of it.
pub fn namespace_text(number: u64) -> String {
    match split(number) {
        (0, None) => "network namespace not known".into(),
        (inode, None) => format!("network namespace {inode}"),
        (_, Some(netns)) => format!("network namespace with the id {netns}"),
    }
}

/// The gap between two segments of a run with no other one between them. It ends before it begins if the clock was set
/// back.
pub(super) fn between_segments(before: &Part, after: &Part) -> Option<Gap> {
    let cause = match before.end {
        _ if after.number - before.number > 1 => GapCause::SegmentMissing,
        End::Damaged => GapCause::Damaged,
        // The next segment tells what was lost with the end of one that was given up.
        End::CutOff if after.notes.iter().any(|note| note.cause() == Some(Cause::DiskError)) => return None,
        End::CutOff => GapCause::CutOff,
        End::WentOn | End::Closed | End::LeftOpen | End::BeingWritten | End::Version2 => return None,
    };
    Some(Gap::unknown(before.ended, after.began, cause))
}

/// Why nothing is told of `span`, which lies between the end of `before` and `begin`, when the run of `after` begins.
pub(super) fn between_runs(before: &Part, after: &Part, begin: u64, span: Span) -> GapCause {
    let (follows, leads) = (span.from == before.ended, span.to == begin);
    match before.end {
        End::Version2 => GapCause::Version2,
        End::Damaged => GapCause::Damaged,
        _ if before.host.is_none() || after.host.is_none() => GapCause::Damaged,
        End::WentOn if follows => GapCause::SegmentMissing,
        _ if leads && after.is_later() => GapCause::SegmentMissing,
        _ if lacks_exports(before, after) => GapCause::SegmentMissing,
        // A run ended then that is not there at all.
        _ if after.behind() == Some(span.to) => GapCause::SegmentMissing,
        _ if is_gone(before) => GONE,
        _ => GapCause::NotRunning,
    }
}

/// Whether both are of an archive that grows, and exports to it that came between them are not there.
fn lacks_exports(before: &Part, after: &Part) -> bool {
    before.place.as_ref().zip(after.place.as_ref()).is_some_and(|(before, after)| before.lacks_exports_before(after))
}

/// Whether a file tells that what it recorded has ended, so that there is nothing to record behind it.
fn is_gone(part: &Part) -> bool {
    part.notes.iter().any(|note| note.cause() == Some(Cause::NamespaceGone))
}

/// The first and the last file of some runs, and the least span that holds what all of them tell.
pub(super) struct Outermost<'r> {
    pub(super) span: Span,
    pub(super) first: &'r Part,
    pub(super) last: &'r Part,
}

/// `None` if there are no runs; these are by their begin. Where the clock was set back, the first one is not the one with the least
/// time, nor the last one that with the greatest: what a run came behind tells.
pub(super) fn outermost(runs: &[Run]) -> Option<Outermost<'_>> {
    let (least, _) = runs.iter().enumerate().next()?;
    let (greatest, _) = runs.iter().enumerate().max_by_key(|(_, run)| run.ends().1)?;
    let next = successors(&runs.iter().map(Run::place).collect::<Vec<_>>());
    let mut previous = vec![None; runs.len()];
    for (run, next) in next.iter().enumerate() {
        next.and_then(|next| previous.get_mut(next)).into_iter().for_each(|previous| *previous = Some(run));
    }
    let first = runs.get(chain(&previous, least).last()?)?.parts.first()?;
    let last = runs.get(chain(&next, greatest).last()?)?.parts.last()?;
    Some(Outermost { span: runs.iter().map(|run| run.span).reduce(Span::joined)?, first, last })
}

/// Why nothing is told of the time before the first file.
pub(super) fn before(first: &Part) -> GapCause {
    match first {
        part if part.host.is_none() => GapCause::Damaged,
        part if part.is_later() => GapCause::SegmentMissing,
        _ => GapCause::NotRunning,
    }
}

/// Why nothing is told of the time behind the last file.
pub(super) fn behind(last: &Part) -> GapCause {
    match last.end {
        End::WentOn | End::LeftOpen => GapCause::SegmentMissing,
        End::BeingWritten => GapCause::NotYetWritten,
        End::Version2 => GapCause::Version2,
        End::Damaged => GapCause::Damaged,
        End::CutOff => GapCause::CutOff,
        End::Closed if is_gone(last) => GONE,
        End::Closed => GapCause::NotRunning,
    }
}

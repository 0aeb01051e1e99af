//! From what the files of a journal tell to what the journal covers.

use std::collections::{HashMap, HashSet};

use ctrecorder_format::header::split;
use ctrecorder_format::{Cause, Content, Damage, Note, Recorded, Retirement};

use super::part::{End, Extent, Look, Part};
use super::{Coverage, Gap, GapCause, Outside, Span, account, complement, joined};
use crate::journal::{Place, Recorder, Source, Version, came_behind, chain, successors};

const REMOVED: GapCause = GapCause::Noted(Cause::Removed as u16);
const RETIRED: GapCause = GapCause::Noted(Cause::Retired as u16);
const GONE: GapCause = GapCause::Noted(Cause::NamespaceGone as u16);

/// Segments of several recorders: each covers what it covers, and nothing can be said of both together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segments of several recorders: {}; ask each by itself", .0.join(", "))]
pub struct Several(pub Vec<String>);

/// Gathers what the files of a journal tell of time.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    parts: Vec<Part>,
    /// What the recorder's own journal tells to have been removed of others, where that is not among the parts.
    elsewhere: Vec<Note>,
}

/// The segments of one run of a recorder, or a file that is of none.
struct Run {
    /// By their number.
    parts: Vec<Part>,
    span: Span,
    namespace: u64,
}

impl Run {
    fn of(mut parts: Vec<Part>) -> Option<Self> {
        // The same segment may be there twice: the copy that goes further is as good as both.
        parts.sort_by_key(|part| (part.number, std::cmp::Reverse(part.to)));
        parts.dedup_by_key(|part| part.number);
        told_once(&mut parts);
        let from = parts.iter().map(|part| part.from).min()?;
        let to = parts.iter().map(|part| part.to).max()?;
        let namespace = parts.first()?.namespace;
        Some(Self { parts, span: Span { from, to }, namespace })
    }

    /// What it tells of its place among other runs.
    fn place(&self) -> Place {
        let is_run = |part: &&Part| part.run.is_some() && part.content == Content::Events;
        let first = self.parts.first().filter(is_run);
        let behind = first.filter(|first| first.number == 0).and_then(|first| first.notes.iter().find_map(came_behind));
        let ended = self.parts.last().filter(is_run).map(|last| last.ended);
        Place { host: first.and_then(|first| first.host.clone()).unwrap_or_default(), behind, ended }
    }

    /// Where a segment is missing between two that are there, or its end.
    fn derived(&self) -> impl Iterator<Item = Gap> {
        self.parts.windows(2).filter_map(|pair| match pair {
            [before, after] => between_segments(before, after),
            _ => None,
        })
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

impl Reading {
    /// Reads the heads and notes of a file; its records are not read (but for files of version 2, which have no heads).
    /// Damage in it is told to `told`, but for an end that is cut off. Returns its place in time; `None` if nothing in it tells
    /// of any time: then neither its header nor a block is whole.
    pub fn add(
        &mut self,
        source: &Source,
        version: &Version<'_>,
        look: Look,
        told: &mut dyn FnMut(&Damage),
    ) -> Option<Extent> {
        let part = Part::of(source, version, look, told);
        let extent = part.as_ref().map(|part| part.extent);
        self.parts.extend(part);
        extent
    }

    /// Takes what another reading gathered, as if its files had been read behind those of this one.
    pub fn join(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.elsewhere.extend(other.elsewhere);
    }

    /// Has those removals count that another reading of files of this host tells of: a recorder's own journal tells what it removed of
    /// those of other network namespaces.
    pub fn heed_removals(&mut self, other: &Self) {
        let host = self.parts.iter().find_map(|part| part.host.as_ref());
        let own = other.parts.iter().filter(|part| host.is_some() && part.host.as_ref() == host);
        let is_elsewhere = |note: &&Note| Retirement::of(note).is_some_and(|told| told.netns.is_some());
        let notes: Vec<_> = own.flat_map(|part| &part.notes).filter(is_elsewhere).copied().collect();
        self.elsewhere.extend(notes);
    }

    /// The host and the network namespace that the first file of which that is known was recorded on: the name may be
    /// empty, and the number 0, if its header does not tell. `None` if there is no file with a header that is whole.
    pub fn recorder(&self) -> Option<(&str, u64)> {
        self.parts.iter().find_map(|part| Some((part.host.as_deref()?, part.namespace)))
    }

    /// What the files cover; `None` if there are none.
    ///
    /// # Errors
    /// [`Several`], if they are of several recorders: of several hosts, or of several network namespaces at the same time.
    pub fn coverage(self) -> Result<Option<Coverage>, Several> {
        let mut hosts: Vec<_> = self.parts.iter().filter_map(|part| part.host.clone()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        if hosts.len() > 1 {
            return Err(Several(hosts.into_iter().map(|host| host.escape_debug().to_string()).collect()));
        }
        let elsewhere = self.elsewhere.clone();
        let runs = self.runs();
        one_namespace(&runs)?;
        let Some(Outermost { span, first, last }) = outermost(&runs) else { return Ok(None) };
        let mut gaps = noted(&runs);
        gaps.sort_unstable();
        // A file and its squeezed form tell of the same gaps.
        gaps.dedup();
        let retired = retired(&runs, &elsewhere, &gaps);
        let reaches_begin = retired.iter().any(|gap| gap.to == span.from);
        gaps.extend(retired);
        gaps.extend(derived(&runs, &gaps));
        // A file that was removed is one of this journal.
        let removed = gaps.iter().filter(|gap| gap.cause == REMOVED).map(|gap| gap.from).min();
        let from = span.from.min(removed.unwrap_or(span.from));
        // What the recorder removed goes back to the begin of all that is known.
        let cause = if reaches_begin { GapCause::NotRunning } else { before(first) };
        let before = Outside { cause, bound: if from < span.from { from } else { first.began } };
        let behind = Outside { cause: behind(last), bound: last.ended };
        Ok(Some(Coverage::new(Span { from, ..span }, gaps, (before, behind))))
    }

    /// The gaps that no note tells of, host by host: what could not be read in files, and what is missing between them. A
    /// file that is made of these has to tell of them.
    pub fn untold(self) -> Vec<Gap> {
        let mut hosts: HashMap<_, Self> = HashMap::new();
        for part in self.parts {
            hosts.entry(part.host.clone()).or_default().parts.push(part);
        }
        let of_host = |reading: Self| {
            let runs = reading.runs();
            let mut gaps = derived(&runs, &noted(&runs));
            gaps.extend(runs.iter().flat_map(|run| &run.parts).flat_map(|part| &part.damaged));
            gaps
        };
        let mut gaps: Vec<_> = hosts.into_values().flat_map(of_host).collect();
        gaps.sort_unstable();
        gaps
    }

    /// Until when the files tell; 0 if there are none. Where the clock was set back, it may have shown later times before.
    pub fn end(&self) -> u64 {
        match self.parts.as_slice() {
            [part] => part.ended,
            _ => outermost(&self.clone().runs()).map_or(0, |outermost| outermost.last.ended),
        }
    }

    /// The least span that holds all times of which the files tell; `None` if there are none.
    pub fn span(&self) -> Option<Span> {
        self.parts.iter().map(|part| Span { from: part.from, to: part.to }).reduce(Span::joined)
    }

    /// When nobody tells which flows were alive that had begun unheard, before the files or in a gap: in no order. Of files of
    /// version 2 that cannot be asked, and of those that were made of others only as far as they say.
    pub fn unheard(&self) -> Vec<Span> {
        let told = self.notes(Cause::NotRead).map(|note| (note.from.get(), note.to.get()));
        told.map(|(from, to)| Span { from, to: to.max(from) }).chain(self.not_read()).collect()
    }

    /// Likewise, by what segments of events tell: of what goes on, a reading of the kernel's table tells, if it comes before the
    /// next gap, in which that may end.
    pub fn not_read(&self) -> Vec<Span> {
        let mut readings: Vec<_> = self.notes(Cause::TableRead).map(|note| note.to.get()).collect();
        readings.sort_unstable();
        let mut unheard = Vec::new();
        // Of several recorders each is asked by itself.
        let Some(mut coverage) = self.clone().coverage().ok().flatten() else { return unheard };
        coverage.gaps.retain(|gap| gap.lost != Some(0));
        for span in coverage.spans() {
            let first = readings.partition_point(|reading| *reading < span.from);
            if readings.get(first).is_none_or(|reading| *reading > span.to) {
                unheard.extend(self.events().filter_map(|own| own.within(span)));
            }
        }
        unheard
    }

    /// What files that were made of others say was recorded in which span, where that was not all that their headers name.
    pub fn recorded(&self) -> impl Iterator<Item = (Recorded, Span)> {
        let spans = |note: &Note| {
            let (from, to) = (note.from.get(), note.to.get());
            Some((Recorded::of(note)?, Span { from, to: to.max(from) }))
        };
        self.notes(Cause::Recorded).filter_map(spans)
    }

    fn notes(&self, cause: Cause) -> impl Iterator<Item = &Note> {
        self.parts.iter().flat_map(|part| &part.notes).filter(move |note| note.cause() == Some(cause))
    }

    /// From when to when each segment of events tells.
    fn events(&self) -> impl Iterator<Item = Span> {
        let events = self.parts.iter().filter(|part| part.content == Content::Events && part.end != End::Version2);
        events.map(|part| Span { from: part.from, to: part.to })
    }

    /// What the recorders say to have removed, host by host.
    pub fn retirements(&self) -> HashMap<String, Vec<Retirement>> {
        let mut notes: HashMap<String, Vec<&Note>> = HashMap::new();
        for part in &self.parts {
            if let Some(host) = &part.host {
                notes.entry(host.clone()).or_default().extend(&part.notes);
            }
        }
        notes.into_iter().map(|(host, notes)| (host, Retirement::standing(notes))).collect()
    }

    /// Whether files reach into a span, all of them of runs whose segments are numbered, so that one that is not there is
    /// missed. So are not files of version 2, squeezed ones, and those without a header.
    pub fn is_numbered_in(&self, span: Span) -> bool {
        let meets = |part: &&Part| span.meets(Span { from: part.from, to: part.to });
        let mut there = self.parts.iter().filter(meets).peekable();
        there.peek().is_some() && there.all(|part| part.run.is_some())
    }

    /// Whether files of an archive are missing among its others, or behind them. They hold the flows that ended later, whenever
    /// these began.
    pub fn lacks_parts(&self) -> bool {
        let mut archives: HashMap<_, Vec<_>> = HashMap::new();
        for part in self.parts.iter().filter(|part| part.content == Content::Flows) {
            if let Some(run) = &part.run {
                archives.entry(run).or_default().push((part.number, part.end == End::WentOn));
            }
        }
        archives.into_values().any(|mut parts| {
            parts.sort_unstable();
            parts.dedup();
            let goes_on = parts.last().is_some_and(|(_, goes_on)| *goes_on);
            goes_on || parts.windows(2).any(|pair| matches!(pair, [(one, _), (next, _)] if next - one > 1))
        })
    }

    /// Whether a file of version 2 is among them.
    pub fn has_version_2(&self) -> bool {
        self.parts.iter().any(|part| part.end == End::Version2)
    }

    /// The runs by their begin.
    fn runs(self) -> Vec<Run> {
        let mut places: HashMap<Recorder, usize> = HashMap::new();
        let mut runs: Vec<Vec<Part>> = Vec::new();
        for part in self.parts {
            let place = part.run.clone().map_or(runs.len(), |recorder| *places.entry(recorder).or_insert(runs.len()));
            match runs.get_mut(place) {
                Some(run) => run.push(part),
                None => runs.push(vec![part]),
            }
        }
        let mut runs: Vec<_> = runs.into_iter().filter_map(Run::of).collect();
        runs.sort_by_key(|run| run.span);
        runs
    }
}

/// Refuses runs that recorded several network namespaces at the same time, or under several ids of a recorder's. One after the
/// other, they may be those of a container that was started again.
fn one_namespace(runs: &[Run]) -> Result<(), Several> {
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
        *to = run.span.to.max(*to);
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

/// The gaps that notes tell of, corrected by the accounts of the same run, and what could not be read.
fn noted(runs: &[Run]) -> Vec<Gap> {
    let of_run = |run: &Run| {
        let mut gaps = account::settled(run.parts.iter().flat_map(|part| &part.notes));
        gaps.extend(run.parts.iter().flat_map(|part| &part.damaged));
        gaps
    };
    runs.iter().flat_map(of_run).collect()
}

/// The gaps between files, where no note tells of them.
fn derived(runs: &[Run], noted: &[Gap]) -> Vec<Gap> {
    let known = known(runs, noted);
    let left = |from, to| complement(known.iter().copied(), from, to);
    let headless: Vec<_> = runs.iter().flat_map(|run| &run.parts).filter(|part| part.host.is_none()).collect();
    let mut gaps = Vec::new();
    for mut gap in runs.iter().flat_map(Run::derived) {
        // Whose number is missing may be there, with a header that cannot be read.
        if headless.iter().any(|part| gap.from <= part.from && part.to <= gap.to) {
            gap.cause = GapCause::Damaged;
        }
        if gap.from <= gap.to {
            gaps.extend(left(gap.from, gap.to).into_iter().map(|span| Gap { from: span.from, to: span.to, ..gap }));
        } else {
            // The clock was set back: where the gap is, nobody knows.
            gaps.push(Gap { from: gap.to, to: gap.from, ..gap });
        }
    }
    let mut last: Option<&Part> = None;
    for run in runs {
        if let (Some(before), Some(after)) = (last, run.parts.first())
            && before.to < run.span.from
        {
            let gap = |span: Span| Gap::unknown(span.from, span.to, between_runs(before, after, run.span.from, span));
            gaps.extend(left(before.to, run.span.from).into_iter().map(gap));
        }
        last = last.into_iter().chain(&run.parts).max_by_key(|part| part.to);
    }
    gaps
}

/// What was removed as the recorder was told to, and is not told of by a file that is there all the same, or by a note. Removals of
/// this journal are told by it, or, by the id of its network namespace, by the recorder's own.
fn retired(runs: &[Run], elsewhere: &[Note], noted: &[Gap]) -> Vec<Gap> {
    let known = known(runs, noted);
    let netns = runs.iter().find_map(|run| split(run.namespace).1);
    let notes = runs.iter().flat_map(|run| &run.parts).flat_map(|part| &part.notes).chain(elsewhere);
    let left = |told: Retirement| complement(known.iter().copied(), told.from, told.to);
    let of_this = |told: &Retirement| told.netns.is_none() || told.netns == netns;
    let spans = Retirement::standing(notes).into_iter().filter(of_this).flat_map(left);
    joined(spans.map(|span| Gap::unknown(span.from, span.to, RETIRED)).collect())
}

/// What is no gap between files: what a file tells of, and gaps that are told already. By their begin.
fn known(runs: &[Run], noted: &[Gap]) -> Vec<Span> {
    const ABSENCES: [GapCause; 4] = [GapCause::NotRunning, REMOVED, RETIRED, GapCause::Noted(Cause::Damaged as u16)];
    let told = noted.iter().filter(|gap| ABSENCES.contains(&gap.cause)).map(|gap| Span { from: gap.from, to: gap.to });
    let parts = runs.iter().flat_map(|run| &run.parts).map(|part| Span { from: part.from, to: part.to });
    let mut known: Vec<_> = told.chain(parts).collect();
    known.sort_unstable();
    known
}

/// The gap between two segments of a run with no other one between them. It ends before it begins if the clock was set
/// back.
fn between_segments(before: &Part, after: &Part) -> Option<Gap> {
    let cause = match before.end {
        _ if after.number - before.number > 1 => GapCause::SegmentMissing,
        End::Damaged => GapCause::Damaged,
        // The next segment tells what was lost with the end of one that was given up.
        End::CutOff if after.notes.iter().any(|note| note.cause() == Some(Cause::DiskError)) => return None,
        End::CutOff => GapCause::CutOff,
        End::WentOn | End::Closed | End::BeingWritten | End::Version2 => return None,
    };
    Some(Gap::unknown(before.to, after.from, cause))
}

/// Why nothing is told of `span`, which lies between the end of `before` and `begin`, when the run of `after` begins.
fn between_runs(before: &Part, after: &Part, begin: u64, span: Span) -> GapCause {
    let (follows, leads) = (span.from == before.to, span.to == begin);
    match before.end {
        End::Version2 => GapCause::Version2,
        End::Damaged => GapCause::Damaged,
        _ if before.host.is_none() || after.host.is_none() => GapCause::Damaged,
        End::WentOn if follows => GapCause::SegmentMissing,
        _ if leads && after.is_later() => GapCause::SegmentMissing,
        _ if is_gone(before) => GONE,
        _ => GapCause::NotRunning,
    }
}

/// Whether a file tells that what it recorded has ended, so that there is nothing to record behind it.
fn is_gone(part: &Part) -> bool {
    part.notes.iter().any(|note| note.cause() == Some(Cause::NamespaceGone))
}

/// The first and the last file of some runs, and the least span that holds what all of them tell.
struct Outermost<'r> {
    span: Span,
    first: &'r Part,
    last: &'r Part,
}

/// `None` if there are no runs; these are by their begin. Where the clock was set back, the first one is not the one with the least
/// time, nor the last one that with the greatest: what a run came behind tells.
fn outermost(runs: &[Run]) -> Option<Outermost<'_>> {
    let (least, _) = runs.iter().enumerate().next()?;
    let (greatest, _) = runs.iter().enumerate().max_by_key(|(_, run)| run.span.to)?;
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
fn before(first: &Part) -> GapCause {
    match first {
        part if part.host.is_none() => GapCause::Damaged,
        part if part.is_later() => GapCause::SegmentMissing,
        _ => GapCause::NotRunning,
    }
}

/// Why nothing is told of the time behind the last file.
fn behind(last: &Part) -> GapCause {
    match last.end {
        End::WentOn => GapCause::SegmentMissing,
        End::BeingWritten => GapCause::NotYetWritten,
        End::Version2 => GapCause::Version2,
        End::Damaged => GapCause::Damaged,
        End::CutOff => GapCause::CutOff,
        End::Closed if is_gone(last) => GONE,
        End::Closed => GapCause::NotRunning,
    }
}

#[cfg(test)]
mod tests;

//! From what the files of a journal tell to what the journal covers.

mod gone;

use std::collections::HashMap;
use std::path::PathBuf;

use ctrecorder_format::{Cause, Content, Damage, Note, Recorded, Retirement};

use super::absent::{REMOVED, derived, never_shown, noted, told};
use super::covered::{Outside, outside};
use super::part::{End, Extent, Look, Part};
use super::run::{Outermost, Run, Several, before, behind, noticed_late_at_ends, one_namespace, outermost};
use super::{Coverage, Gap, GapCause, Span, age};
use crate::journal::{Absent, Exports, Recorder, Source, Version};
pub use gone::Gone;

/// Gathers what the files of a journal tell of time.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    parts: Vec<Part>,
    /// What the recorder's own journal tells to have been removed of others, where that is not among the parts.
    elsewhere: Vec<Note>,
    /// The files of archives.
    exports: Exports,
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
        self.exports.add(source.path(), version);
        let part = Part::of(source, version, look, told);
        let extent = part.as_ref().map(|part| part.extent);
        self.parts.extend(part);
        extent
    }

    /// Takes what another reading gathered, as if its files had been read behind those of this one.
    pub fn join(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.elsewhere.extend(other.elsewhere);
        self.exports.join(other.exports);
    }

    /// Has those removals count that another reading of files of this host tells of: a recorder's own journal tells what it removed of
    /// those of other network namespaces.
    pub fn heed_removals(&mut self, other: &Self) {
        let host = self.parts.iter().find_map(|part| part.host.as_ref());
        let own = other.parts.iter().filter(|part| host.is_some() && part.host.as_ref() == host);
        let removed = removed_elsewhere(own);
        self.elsewhere.extend(removed);
    }

    /// Has archives count that are passed over beside what they were made from.
    pub fn heed_needless(&mut self, needless: &Exports) {
        self.exports.heed(needless);
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
    pub fn coverage(mut self) -> Result<Option<Coverage>, Several> {
        let mut hosts: Vec<_> = self.parts.iter().filter_map(|part| part.host.clone()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        if hosts.len() > 1 {
            return Err(Several(hosts.into_iter().map(|host| host.escape_debug().to_string()).collect()));
        }
        let elsewhere = std::mem::take(&mut self.elsewhere);
        let runs = self.runs();
        one_namespace(&runs)?;
        let Some(Outermost { span, first, last }) = outermost(&runs) else { return Ok(None) };
        let (mut gaps, reaches_begin) = told(&runs, &elsewhere, span);
        gaps.extend(derived(&runs, &gaps));
        gaps.extend(never_shown(&runs, &gaps, span, outside(behind(last))));
        // A file that was removed is one of this journal.
        let removed = gaps.iter().filter(|gap| gap.cause == REMOVED).map(|gap| gap.from).min();
        let from = span.from.min(removed.unwrap_or(span.from));
        // What the recorder removed goes back to the begin of all that is known.
        let cause = if reaches_begin { GapCause::NotRunning } else { before(first) };
        let before = Outside { cause, bound: if from < span.from { from } else { first.began } };
        let behind = Outside { cause: behind(last), bound: last.ended };
        let turned = if last.ended < span.to { runs.iter().flat_map(Run::shown).collect() } else { Vec::new() };
        Ok(Some(Coverage::new(Span { from, ..span }, gaps, (before, behind)).turned(turned)))
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

    /// The files that are not the last ones of their runs, each with the next one that is there.
    pub fn gone_on(&self) -> HashMap<PathBuf, PathBuf> {
        let mut runs: HashMap<_, Vec<&Part>> = HashMap::new();
        for part in self.parts.iter().filter(|part| part.content == Content::Events) {
            part.run.iter().for_each(|run| runs.entry(run).or_default().push(part));
        }
        for parts in runs.values_mut() {
            parts.sort_by_key(|part| part.number);
        }
        let pairs = runs.values().flat_map(|parts| parts.windows(2));
        pairs
            .filter_map(|pair| match pair {
                [part, next] if part.number < next.number => Some((part.path.clone(), next.path.clone())),
                _ => None,
            })
            .collect()
    }

    /// The least span that holds all times of which the files tell; `None` if there are none.
    pub fn span(&self) -> Option<Span> {
        self.parts.iter().map(Part::hull).reduce(Span::joined)
    }

    /// From when each file tells of anything, in the order in which they were added: by the clock as it was set later, if that was by a
    /// time that is not still to come at `now`; both are ns since the epoch. `None`: a flow that it tells of may have begun at any time.
    pub fn begun(&self, now: u64) -> Vec<Option<u64>> {
        age::begun(&self.parts, now)
    }

    /// The times that they tell of, file by file: what a clock was set over is in none of them.
    pub fn shown(&self) -> impl Iterator<Item = Span> {
        self.parts.iter().flat_map(|part| &part.shown.spans).copied()
    }

    /// Whether the clock was set back while one of them was written.
    pub fn is_turned(&self) -> bool {
        self.parts.iter().any(Part::is_turned)
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
        let readings = self.notes(Cause::TableRead).map(|note| note.to.get());
        let known = self.parts.iter().flat_map(|part| &part.known_at).copied();
        let mut readings: Vec<_> = readings.chain(known).collect();
        readings.sort_unstable();
        let mut unheard = Vec::new();
        // Of several recorders each is asked by itself.
        let Some(mut coverage) = self.clone().coverage().ok().flatten() else { return unheard };
        // What was recorded when the clock showed the same times again was not interrupted by that.
        coverage.gaps.retain(|gap| gap.lost != Some(0) && gap.cause != GapCause::SetBack);
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
        events.flat_map(|part| &part.shown.spans).copied()
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
        let mut there = self.parts.iter().filter(|part| part.meets(span)).peekable();
        there.peek().is_some() && there.all(|part| part.run.is_some())
    }

    /// Which files of archives are not among them.
    pub fn absent(&self) -> Vec<Absent> {
        self.exports.absent()
    }

    /// Whether a file of version 2 is among them.
    pub fn has_version_2(&self) -> bool {
        self.parts.iter().any(|part| part.end == End::Version2)
    }

    /// The runs by their begin.
    fn runs(mut self) -> Vec<Run> {
        noticed_late_at_ends(&mut self.parts);
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

/// What recorders noted to have removed of the journals of other network namespaces.
fn removed_elsewhere<'p>(parts: impl IntoIterator<Item = &'p Part>) -> Vec<Note> {
    let is_elsewhere = |note: &&Note| Retirement::of(note).is_some_and(|told| told.netns.is_some());
    parts.into_iter().flat_map(|part| &part.notes).filter(is_elsewhere).copied().collect()
}

#[cfg(test)]
mod tests;

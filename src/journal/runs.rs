//! Which run of a recorder came behind which: as they tell it, since a clock may have been set back meanwhile.

use std::collections::HashMap;

use ctrecorder_format::block::flags;
use ctrecorder_format::{BlockKind, Body, Cause, Content, Digest, Head, Header, Note, Segment};

use super::Version;
use crate::archive::{About, Archive};

/// By what a run is known to the one that comes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    /// When it ended, ns since the epoch.
    At(u64),
    /// The digest of its last segment of flows. The next one goes on with that.
    With(Digest),
    /// It is an export of this network namespace to an archive that grows, and so many came before it.
    Export { namespace: u64, earlier: u64 },
}

/// What a run of a recorder, or an export, tells of its place among others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The host that recorded, empty if that is not known.
    pub(crate) host: String,
    /// What it came behind; `None` if it does not tell.
    pub(crate) behind: Option<Ended>,
    /// What it is known by itself; `None` if nobody can say.
    pub(crate) ended: Option<Ended>,
}

impl Place {
    /// What the first file of a run says; what the run is known by, its last file does ([`Version::known_by`]).
    pub(crate) fn of(file: &Version<'_>) -> Self {
        if let Version::Archive(archive) = file {
            return Self::of_export(archive);
        }
        let header = file.header();
        let host = header.map(|header| header.host.clone()).unwrap_or_default();
        let of_flows = header.filter(|header| header.content == Content::Flows).and_then(|header| header.previous);
        let behind = of_flows.map(Ended::With).or_else(|| begun_behind(file).map(Ended::At));
        Self { host, behind, ended: None }
    }

    /// That of an export to an archive that grows. What it left open comes behind it.
    pub(crate) fn of_export(file: &Archive) -> Self {
        let Header { host, namespace, .. } = file.header().clone();
        let About { earlier, is_of_open, archive_from, .. } = file.about();
        if archive_from.is_none() {
            return Self { host, ..Self::default() };
        }
        let export = |earlier| Ended::Export { namespace, earlier };
        let (before, own) = (earlier.checked_sub(1).map(export), Some(export(*earlier)));
        let (behind, ended) = if *is_of_open { (own, None) } else { (before, own) };
        Self { host, behind, ended }
    }
}

/// Of each of some runs the number of the one that came behind it: that which tells so, by what this one is known by. No two come
/// behind one, and none comes behind itself; nor behind one of several that are known by the same.
pub(crate) fn successors(runs: &[Place]) -> Vec<Option<usize>> {
    let mut ended: HashMap<_, Option<usize>> = HashMap::new();
    for (number, run) in runs.iter().enumerate() {
        if let Some(own) = run.ended {
            ended.entry((run.host.as_str(), own)).and_modify(|one| *one = None).or_insert(Some(number));
        }
    }
    let mut next = vec![None; runs.len()];
    for (number, run) in runs.iter().enumerate().filter(|(_, run)| !run.host.is_empty()) {
        let before = run.behind.and_then(|behind| ended.get(&(run.host.as_str(), behind)).copied().flatten());
        if let Some(before) = before.filter(|before| chain(&next, number).all(|later| later != *before))
            && let Some(free @ None) = next.get_mut(before)
        {
            *free = Some(number);
        }
    }
    next
}

/// A run, and those that come behind it, one after the other.
pub(crate) fn chain(next: &[Option<usize>], run: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(run), |run| next.get(*run).copied().flatten())
}

/// When the run ended that the one came behind which this file is the first of, ns since the epoch, as its first notes tell.
pub(crate) fn begun_behind(version: &Version<'_>) -> Option<u64> {
    let Version::Three(segment) = version else { return None };
    segment.header().ok().filter(|header| header.content == Content::Events && header.segment_number == 0)?;
    let heads = segment.heads().map_while(Result::ok);
    heads
        .take_while(|head| head.header.kind() == Some(BlockKind::Notes))
        .flat_map(notes)
        .find_map(|note| came_behind(&note))
}

/// When the run before ended, if this note tells so: one that says that it ended only now may say no more than that its end is a
/// later time than this one, of a clock that was set back.
pub(crate) fn came_behind(note: &Note) -> Option<u64> {
    (note.cause() == Some(Cause::NotRunning) && note.from < note.to).then(|| note.from.get())
}

/// Up to when a segment tells of everything, in ns since the epoch.
pub(crate) fn told_to(header: &Header, segment: &Segment<'_>) -> u64 {
    if let Some(footer) = segment.footer() {
        return footer.totals.closed;
    }
    // The two blocks of a batch cover the same span: what one of them tells is so once both are there.
    let (mut told_to, mut half) = (header.created, None);
    for head in segment.heads().filter_map(Result::ok) {
        let (sequence, last) = (head.header.sequence.get(), last_told(head));
        let before = half.take().filter(|(next, _)| *next == sequence).map_or(0, |(_, last)| last);
        let last = last.max(before);
        if head.header.has(flags::CONTINUES) {
            half = Some((sequence.wrapping_add(1), last));
        } else {
            // Later times are those of a clock that was wrong.
            let set_back = notes(head).into_iter().rfind(Note::sets_back);
            told_to = set_back.map_or(told_to.max(last), |note| note.to.get());
        }
    }
    told_to
}

/// Up to when a block tells, in ns since the epoch; 0 if it does not tell. A reading of the kernel's table has the begin of the one before for
/// its end where the clock was set back between: that is no time at which it was made.
pub(crate) fn last_told(head: Head<'_>) -> u64 {
    let is_turned = |note: &Note| note.cause() == Some(Cause::TableRead) && note.from == note.to;
    let notes = notes(head);
    if !notes.is_empty() && notes.iter().all(is_turned) { 0 } else { head.header.last_event.get() }
}

/// The notes of a block, if it is one of notes that are whole.
fn notes(head: Head<'_>) -> Vec<Note> {
    if head.header.kind() != Some(BlockKind::Notes) {
        return Vec::new();
    }
    match head.verify().map(|block| block.body) {
        Ok(Body::Notes(notes)) => notes.to_vec(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of runs that ended at one moment and came behind one that ended at another, 0 where that is not known.
    fn next(runs: &[(&str, u64, u64)]) -> Vec<Option<usize>> {
        let known = |moment: u64| Some(moment).filter(|moment| *moment != 0).map(Ended::At);
        let place = |(host, ended, before): &(&str, u64, u64)| Place {
            host: (*host).to_owned(),
            behind: known(*before),
            ended: known(*ended),
        };
        successors(&runs.iter().map(place).collect::<Vec<_>>())
    }

    #[test]
    fn runs_are_chained_by_the_moment_at_which_one_ended() {
        let found = next(&[("a", 30, 20), ("a", 20, 10), ("b", 40, 30), ("a", 10, 0), ("", 50, 10)]);
        assert_eq!(found, [None, Some(0), None, Some(1), None]);
        assert_eq!(chain(&found, 3).collect::<Vec<_>>(), [3, 1, 0]);
    }

    #[test]
    fn exports_are_chained_by_how_many_came_before() {
        let own = |earlier: u64| Ended::Export { namespace: 1, earlier };
        let export = |earlier: u64| Place {
            host: "a".into(),
            behind: earlier.checked_sub(1).map(own),
            ended: Some(own(earlier)),
        };
        let open = Place { ended: None, behind: Some(own(2)), ..export(2) };
        assert_eq!(successors(&[export(1), open.clone(), export(0), export(2)]), [Some(3), None, Some(0), Some(1)]);
        // Two archives.
        assert_eq!(successors(&[export(1), export(0), export(0), export(1), open]), [None; 5]);
    }

    #[test]
    fn no_two_come_behind_one_and_none_behind_itself() {
        assert_eq!(next(&[("a", 10, 0), ("a", 20, 10), ("a", 30, 10)]), [Some(1), None, None]);
        assert_eq!(next(&[("a", 10, 10)]), [None]);
        assert_eq!(next(&[("a", 10, 30), ("a", 20, 10), ("a", 30, 20)]), [Some(1), None, Some(0)]);
    }
}

//! Which run of a recorder came behind which: as they tell it, since a clock may have been set back meanwhile.

use std::collections::{BTreeSet, HashMap};

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
    /// It came behind one that had ended at this moment or later, ns since the epoch, for the clock was set back meanwhile.
    pub(crate) behind_later: Option<u64>,
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
        let behind_later = first_note(file, ended_later).filter(|_| behind.is_none());
        Self { host, behind, behind_later, ended: None }
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
        Self { host, behind, behind_later: None, ended }
    }
}

/// Of each of some runs the number of the one that came behind it: that which tells so, by what this one is known by. No two come
/// behind one, and none comes behind itself; nor behind one of several that are known by the same. Where a run tells no more than that the
/// clock was set back before it, it is taken to come behind the one that ended last of those that ended before it did, or else first.
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
    put_behind_later(runs, &mut next);
    next
}

/// Finds runs for those to come behind that tell only that it ended later than they began.
fn put_behind_later(runs: &[Place], next: &mut [Option<usize>]) {
    let ended = |run: &Place| if let Some(Ended::At(ended)) = run.ended { Some(ended) } else { None };
    let of_host = |(number, run): (usize, &Place)| Some((run.behind_later?, ended(run)?, number));
    let mut waiting: Vec<_> =
        runs.iter().enumerate().filter(|(_, run)| !run.host.is_empty()).filter_map(of_host).collect();
    if waiting.is_empty() {
        return;
    }
    waiting.sort_unstable_by_key(|(_, ended, number)| (*ended, *number));
    let host = |number: usize| runs.get(number).map_or("", |run| run.host.as_str());
    let is_free = |(number, _): &(usize, &Place)| next.get(*number).is_some_and(Option::is_none);
    let last = runs.iter().enumerate().filter(is_free);
    // No run comes behind these, by when they ended.
    let mut last: BTreeSet<_> = last.filter_map(|(number, run)| Some((host(number), ended(run)?, number))).collect();
    for is_before in [true, false] {
        waiting.retain(|(least, ended, number)| {
            let (host, own) = (host(*number), chain(next, *number).last());
            let is_another = |(_, _, other): &&(&str, u64, usize)| own != Some(*other);
            let before = if is_before {
                let those = (least <= ended).then(|| last.range((host, *least, 0)..=(host, *ended, usize::MAX)));
                those.into_iter().flatten().rev().find(is_another).copied()
            } else {
                let those = last.range((host, *least.max(ended), 0)..=(host, u64::MAX, usize::MAX));
                those.into_iter().find(is_another).copied()
            };
            if let Some(before) = before
                && let Some(free) = next.get_mut(before.2)
            {
                *free = Some(*number);
                last.remove(&before);
            }
            before.is_none()
        });
    }
}

/// A run, and those that come behind it, one after the other.
pub(crate) fn chain(next: &[Option<usize>], run: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(run), |run| next.get(*run).copied().flatten())
}

/// When the run ended that the one came behind which this file is the first of, ns since the epoch, as its first notes tell.
pub(crate) fn begun_behind(version: &Version<'_>) -> Option<u64> {
    first_note(version, came_behind)
}

/// The first that is found in the notes at the begin of the first file of a run.
fn first_note(version: &Version<'_>, find: impl Fn(&Note) -> Option<u64>) -> Option<u64> {
    let Version::Three(segment) = version else { return None };
    segment.header().ok().filter(|header| header.content == Content::Events && header.segment_number == 0)?;
    first_notes(segment).iter().find_map(find)
}

/// The notes at the begin of a segment.
pub(super) fn first_notes(segment: &Segment<'_>) -> Vec<Note> {
    let heads = segment.heads().map_while(Result::ok);
    heads.take_while(|head| head.header.kind() == Some(BlockKind::Notes)).flat_map(notes).collect()
}

/// When the run before ended, if this note tells so: one that says that it ended only now may say no more than that its end is a
/// later time than this one, of a clock that was set back.
pub(crate) fn came_behind(note: &Note) -> Option<u64> {
    (note.cause() == Some(Cause::NotRunning) && note.from < note.to).then(|| note.from.get())
}

/// From when on the run before ended, if this note tells no more than that the clock was set back since.
pub(crate) fn ended_later(note: &Note) -> Option<u64> {
    (note.cause() == Some(Cause::NotRunning) && note.from == note.to).then(|| note.from.get())
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
            behind_later: None,
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
            behind_later: None,
            ended: Some(own(earlier)),
        };
        let open = Place { ended: None, behind: Some(own(2)), ..export(2) };
        assert_eq!(successors(&[export(1), open.clone(), export(0), export(2)]), [Some(3), None, Some(0), Some(1)]);
        // Two archives.
        assert_eq!(successors(&[export(1), export(0), export(0), export(1), open]), [None; 5]);
    }

    /// Of runs of one host that ended at one moment, and came behind one that had ended at another one or later.
    fn next_later(runs: &[(u64, u64)]) -> Vec<Option<usize>> {
        let place = |(ended, least): &(u64, u64)| Place {
            host: "a".to_owned(),
            behind: None,
            behind_later: Some(*least).filter(|least| *least != 0),
            ended: Some(Ended::At(*ended)),
        };
        successors(&runs.iter().map(place).collect::<Vec<_>>())
    }

    #[test]
    fn runs_of_a_clock_that_was_set_back_before_each_are_chained_by_their_ends() {
        assert_eq!(next_later(&[(30, 0), (50, 20)]), [Some(1), None]);
        assert_eq!(next_later(&[(30, 0), (25, 20)]), [Some(1), None], "it ended before that time came again");
        assert_eq!(next_later(&[(10, 0), (50, 20)]), [None, None], "it had ended earlier");
        // A clock that begins anew with the machine, and is set forward then.
        assert_eq!(next_later(&[(90, 5), (30, 0), (50, 6), (70, 4)]), [None, Some(2), Some(3), Some(0)]);
        assert_eq!(next_later(&[(90, 5), (50, 6), (70, 4)]), [None, Some(2), Some(0)], "the first one is gone");
    }

    #[test]
    fn no_two_come_behind_one_and_none_behind_itself() {
        assert_eq!(next(&[("a", 10, 0), ("a", 20, 10), ("a", 30, 10)]), [Some(1), None, None]);
        assert_eq!(next(&[("a", 10, 10)]), [None]);
        assert_eq!(next(&[("a", 10, 30), ("a", 20, 10), ("a", 30, 20)]), [Some(1), None, Some(0)]);
    }
}

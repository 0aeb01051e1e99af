//! Which run of a recorder came behind which: as they tell it, since a clock may have been set back meanwhile.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use ctrecorder_format::block::flags;
use ctrecorder_format::{BlockKind, Body, Cause, Content, Digest, Head, Header, Note, Segment, Uptime};

use super::Version;
use crate::archive::{About, Archive};

/// By what a run is known to the one that comes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    /// When it ended, ns since the epoch.
    At(u64),
    /// The digest of its last segment of flows. The next one goes on with that.
    With(Digest),
    /// It is an export of this network namespace to an archive that grows, which began then, ns since the epoch; and so many came before it.
    Export { namespace: u64, archive_from: u64, earlier: u64 },
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
    /// For how long the machine had been up when its first file was begun, and its last one: by the two it is known which one came behind
    /// which within one start of the machine, were there others between them.
    pub(crate) up: Option<[Uptime; 2]>,
}

impl Place {
    /// What the first file of a run says; what the run is known by, its last file does ([`Version::known_by`]), and so when that was begun.
    pub(crate) fn of(file: &Version<'_>) -> Self {
        let up = begun_up(file).map(|up| [up; 2]);
        if let Version::Archive(archive) = file {
            return Self { up, ..Self::of_export(archive) };
        }
        let header = file.header();
        let host = header.map(|header| header.host.clone()).unwrap_or_default();
        let of_flows = header.filter(|header| header.content == Content::Flows).and_then(|header| header.previous);
        let behind = of_flows.map(Ended::With).or_else(|| begun_behind(file).map(Ended::At));
        let behind_later = first_note(file, ended_later).filter(|_| behind.is_none());
        Self { host, behind, behind_later, ended: None, up }
    }

    /// That of an export to an archive that grows. What it left open comes behind it.
    pub(crate) fn of_export(file: &Archive) -> Self {
        let Header { host, namespace, .. } = file.header().clone();
        let About { earlier, is_of_open, archive_from, .. } = file.about();
        let Some(archive_from) = *archive_from else { return Self { host, ..Self::default() } };
        let export = |earlier| Ended::Export { namespace, archive_from, earlier };
        let (before, own) = (earlier.checked_sub(1).map(export), Some(export(*earlier)));
        let (behind, ended) = if *is_of_open { (own, None) } else { (before, own) };
        Self { host, behind, behind_later: None, ended, up: None }
    }

    /// Whether both are of one archive that grows, and others of it came between them.
    pub(crate) fn lacks_exports_before(&self, after: &Self) -> bool {
        let export = |known: Option<Ended>| match known {
            Some(Ended::Export { archive_from, earlier, .. }) => Some((archive_from, earlier)),
            _ => None,
        };
        // What one left open is known by nothing, and comes behind that one.
        let before = export(self.ended.or(self.behind));
        let is_later = |((archive, last), (other, behind))| archive == other && last < behind;
        self.host == after.host && before.zip(export(after.behind)).is_some_and(is_later)
    }
}

/// Of each of some runs the number of the one that came behind it: that which tells so, by what this one is known by. No two come
/// behind one, and none comes behind itself; nor behind one of several that are known by the same. Where the one that it came behind is not
/// there, it is the last one of those of the same start of the machine before it. Where a run tells no more than that the
/// clock was set back before it, it is taken to come behind the one that ended last of those that ended before it did, or else first; but if
/// some find none so, for others took theirs, all are put so that these do.
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
    put_behind_by_uptime(runs, &mut next);
    put_behind_later(runs, &mut next);
    next
}

/// Finds runs for those to come behind of which it is not known which one they came behind, by how long the machine had been up.
fn put_behind_by_uptime(runs: &[Place], next: &mut [Option<usize>]) {
    let is_behind: HashSet<_> = next.iter().copied().flatten().collect();
    let mut boots: HashMap<(&str, u64), (Vec<Waiting>, Last)> = HashMap::new();
    for (number, run) in runs.iter().enumerate().filter(|(_, run)| !run.host.is_empty()) {
        let Some([first, last]) = run.up.filter(|[first, _]| first.boot != 0) else { continue };
        let (waiting, free) = boots.entry((&run.host, first.boot)).or_default();
        if !is_behind.contains(&number) {
            waiting.push(Waiting { number, least: 0, ended: first.up });
        }
        if next.get(number).is_some_and(Option::is_none) {
            free.insert((last.up, number));
        }
    }
    for (mut waiting, free) in boots.into_values() {
        waiting.sort_unstable_by_key(|run| (run.ended, run.number));
        for (before, number) in put_behind(&waiting, free, next, &[one_before]) {
            next.get_mut(before).into_iter().for_each(|next| *next = Some(number));
        }
    }
}

/// A run that tells of the one before it only that this ended at `least` or later.
#[derive(Clone, Copy)]
struct Waiting {
    number: usize,
    least: u64,
    ended: u64,
}

/// Runs behind which none comes yet, by when they ended.
type Last = BTreeSet<(u64, usize)>;

/// Which of these a run is put behind; not behind that which is the last one of those behind itself.
type Choice = fn(Waiting, &Last, itself: Option<usize>) -> Option<(u64, usize)>;

/// Finds runs for those to come behind that tell only that it ended later than they began: by when they ended; or by what they tell, if
/// more of them find one then.
fn put_behind_later(runs: &[Place], next: &mut [Option<usize>]) {
    if runs.iter().all(|run| run.behind_later.is_none()) {
        return;
    }
    let is_behind: HashSet<_> = next.iter().flatten().copied().collect();
    let mut hosts: HashMap<&str, (Vec<Waiting>, Last)> = HashMap::new();
    for (number, run) in runs.iter().enumerate().filter(|(_, run)| !run.host.is_empty()) {
        let Some(Ended::At(ended)) = run.ended else { continue };
        let (waiting, last) = hosts.entry(&run.host).or_default();
        let least = run.behind_later.filter(|_| !is_behind.contains(&number));
        waiting.extend(least.map(|least| Waiting { number, least, ended }));
        if next.get(number).is_some_and(Option::is_none) {
            last.insert((ended, number));
        }
    }
    for (mut waiting, last) in hosts.into_values() {
        waiting.sort_unstable_by_key(|run| (run.ended, run.number));
        let by_ends = put_behind(&waiting, last.clone(), next, &[one_before, one_later]);
        // Those first that may be behind the fewest: what comes next may be behind each of these, too, so that no other one is taken away.
        waiting.sort_by_key(|run| Reverse(run.least));
        let either: Choice = |run, last, itself| one_before(run, last, itself).or_else(|| one_later(run, last, itself));
        let by_least = put_behind(&waiting, last, next, &[either]);
        let found = if by_ends.len() < by_least.len() { by_least } else { by_ends };
        for (before, number) in found {
            next.get_mut(before).into_iter().for_each(|next| *next = Some(number));
        }
    }
}

/// Runs, and those that are put behind them, in this order; by the next choice those for which there is none by one.
fn put_behind(waiting: &[Waiting], mut last: Last, next: &[Option<usize>], choices: &[Choice]) -> Vec<(usize, usize)> {
    let (mut waiting, mut next, mut found) = (waiting.to_vec(), next.to_vec(), Vec::new());
    for choose in choices {
        waiting.retain(|run| {
            let before = choose(*run, &last, chain(&next, run.number).last());
            if let Some(before) = before
                && let Some(free) = next.get_mut(before.1)
            {
                *free = Some(run.number);
                last.remove(&before);
                found.push((before.1, run.number));
            }
            before.is_none()
        });
    }
    found
}

/// The one that ended last of those that ended before this run did.
fn one_before(run: Waiting, last: &Last, itself: Option<usize>) -> Option<(u64, usize)> {
    let those = (run.least <= run.ended).then(|| last.range((run.least, 0)..=(run.ended, usize::MAX)));
    those.into_iter().flatten().rev().find(|(_, other)| itself != Some(*other)).copied()
}

/// The one that ended first of those that ended later than this run.
fn one_later(run: Waiting, last: &Last, itself: Option<usize>) -> Option<(u64, usize)> {
    last.range((run.least.max(run.ended), 0)..).find(|(_, other)| itself != Some(*other)).copied()
}

/// A run, and those that come behind it, one after the other.
pub(crate) fn chain(next: &[Option<usize>], run: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(run), |run| next.get(*run).copied().flatten())
}

/// When the run ended that the one came behind which this file is the first of, ns since the epoch, as its first notes tell.
pub(crate) fn begun_behind(version: &Version<'_>) -> Option<u64> {
    first_note(version, Note::run_before_ended)
}

/// For how long the machine had been up when a file was begun, if that tells; of what was made of others, when the first of these was.
pub(crate) fn begun_up(file: &Version<'_>) -> Option<Uptime> {
    let up = match file {
        Version::Two(_) => None,
        Version::Three(segment) => first_notes(segment).find_map(|note| Uptime::of(&note)),
        Version::Archive(archive) => archive.notes().iter().find_map(Uptime::of),
    };
    up.filter(|up| up.boot != 0)
}

/// The first that is found in the notes at the begin of the first file of a run.
fn first_note(version: &Version<'_>, find: impl Fn(&Note) -> Option<u64>) -> Option<u64> {
    let Version::Three(segment) = version else { return None };
    segment.header().ok().filter(|header| header.content == Content::Events && header.segment_number == 0)?;
    first_notes(segment).find_map(|note| find(&note))
}

/// The notes at the begin of a segment.
pub(crate) fn first_notes(segment: &Segment<'_>) -> impl Iterator<Item = Note> {
    let heads = segment.heads().map_while(Result::ok);
    heads.take_while(|head| head.header.kind() == Some(BlockKind::Notes)).flat_map(notes)
}

/// From when on the run before ended, if this note tells no more than that the clock was set back since.
pub(crate) fn ended_later(note: &Note) -> Option<u64> {
    (note.cause() == Some(Cause::NotRunning) && note.run_before_ended().is_none()).then(|| note.from.get())
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
pub(super) fn notes(head: Head<'_>) -> Vec<Note> {
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
            ..Place::default()
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
        let own = |earlier: u64| Ended::Export { namespace: 1, archive_from: 5, earlier };
        let export = |earlier: u64| Place {
            host: "a".into(),
            behind: earlier.checked_sub(1).map(own),
            ended: Some(own(earlier)),
            ..Place::default()
        };
        let open = Place { ended: None, behind: Some(own(2)), ..export(2) };
        assert_eq!(successors(&[export(1), open.clone(), export(0), export(2)]), [Some(3), None, Some(0), Some(1)]);
        // Two archives.
        assert_eq!(successors(&[export(1), export(0), export(0), export(1), open]), [None; 5]);
    }

    #[test]
    fn runs_of_one_start_of_the_machine_are_chained_by_how_long_that_had_been_up() {
        let place = |(boot, first, last, behind): (u64, u64, u64, u64)| Place {
            host: "a".into(),
            behind: Some(Ended::At(behind)),
            ended: Some(Ended::At(last)),
            up: Some([first, last].map(|up| Uptime { moment: 1000 - up, up, boot })),
            ..Place::default()
        };
        let next = |runs: &[(u64, u64, u64, u64)]| successors(&runs.iter().copied().map(place).collect::<Vec<_>>());
        assert_eq!(next(&[(7, 30, 40, 20), (7, 1, 10, 0)]), [None, Some(0)], "the one between them is gone");
        assert_eq!(
            next(&[(7, 30, 40, 10), (7, 1, 10, 0), (7, 12, 20, 5)]),
            [None, Some(0), None],
            "that is known better"
        );
        assert_eq!(next(&[(7, 30, 40, 20), (7, 1, 31, 0)]), [None; 2], "one beside the other");
        assert_eq!(next(&[(8, 30, 40, 20), (7, 1, 10, 0)]), [None; 2], "another start");
        assert_eq!(next(&[(0, 30, 40, 20), (0, 1, 10, 0)]), [None; 2], "not known");
        assert_eq!(next(&[(7, 30, 30, 20)]), [None], "itself");
    }

    #[test]
    fn what_a_run_names_is_known_sooner_than_by_how_long_the_machine_had_been_up() {
        let up = |up| Some([Uptime { moment: 0, up, boot: 1 }; 2]);
        let run = |moment, behind: Option<u64>, behind_later, up| Place {
            host: "a".to_owned(),
            behind: behind.map(Ended::At),
            behind_later,
            ended: Some(Ended::At(moment)),
            up,
        };
        let runs = [run(20, None, None, up(1)), run(30, None, None, up(2)), run(50, Some(20), None, up(3))];
        assert_eq!(successors(&runs), [Some(2), None, None]);
        // The clock was set back, and nothing more is told; then it is known by that which of the others came last.
        let runs = [run(20, None, None, up(1)), run(70, None, None, up(2)), run(50, None, Some(10), up(3))];
        assert_eq!(successors(&runs), [Some(1), Some(2), None]);
    }

    /// Of runs of one host that ended at one moment, and came behind one that had ended at another one or later.
    fn next_later(runs: &[(u64, u64)]) -> Vec<Option<usize>> {
        let place = |(ended, least): &(u64, u64)| Place {
            host: "a".to_owned(),
            behind_later: Some(*least).filter(|least| *least != 0),
            ended: Some(Ended::At(*ended)),
            ..Place::default()
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

    /// The runs by the number of their order, however they are given.
    fn orders(runs: &[(u64, u64)]) -> BTreeSet<Vec<(u64, u64)>> {
        let order = |given: &[(u64, u64)]| {
            let next = next_later(given);
            let first = (0..given.len()).find(|run| !next.contains(&Some(*run)));
            let chained = first.into_iter().flat_map(|first| chain(&next, first));
            chained.filter_map(|run| given.get(run).copied()).collect()
        };
        permutations(runs).iter().map(|given| order(given)).collect()
    }

    fn permutations<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
        if all.is_empty() {
            return vec![Vec::new()];
        }
        let without = |place: usize| [&all[..place], &all[place + 1..]].concat();
        let of =
            |place: usize| permutations(&without(place)).into_iter().map(move |rest| [vec![all[place]], rest].concat());
        (0..all.len()).flat_map(of).collect()
    }

    #[test]
    fn where_the_clock_was_set_back_twice_each_comes_behind_one_that_ended_as_it_tells() {
        // The only order, and those in which the second one and the third one go on with that.
        let three = [(700, 0), (1000, 460), (900, 800)];
        let four = [(700, 0), (1000, 460), (1300, 800), (1250, 1200)];
        for runs in [&three[..], &four, &[(700, 0), (750, 460), (1300, 720), (1200, 1100), (1150, 1120)]] {
            assert_eq!(orders(runs), [runs.to_vec()].into());
        }
    }

    #[test]
    fn where_there_is_an_order_that_all_tell_of_one_is_found() {
        // Any that end later than they began, in any order in which the clock was set back before each.
        let moments = [1, 2, 3, 4, 5, 6];
        let of = |order: &[u64]| -> Vec<(u64, u64)> { order.chunks(2).map(|own| (own[1], own[0])).collect() };
        for order in permutations(&moments) {
            let mut runs = of(&order);
            let is_told = runs.windows(2).all(|pair| pair[1].1 <= pair[0].0);
            if runs.iter().any(|(ended, began)| ended < began) || !is_told {
                continue;
            }
            runs[0].1 = 0;
            for given in permutations(&runs) {
                let next = next_later(&given);
                assert_eq!(next.iter().flatten().count(), 2, "{given:?}: {next:?}");
            }
        }
    }

    #[test]
    fn no_two_come_behind_one_and_none_behind_itself() {
        assert_eq!(next(&[("a", 10, 0), ("a", 20, 10), ("a", 30, 10)]), [Some(1), None, None]);
        assert_eq!(next(&[("a", 10, 10)]), [None]);
        assert_eq!(next(&[("a", 10, 30), ("a", 20, 10), ("a", 30, 20)]), [Some(1), None, Some(0)]);
    }
}

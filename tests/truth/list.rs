//! `list` says what was heard, in the order in which it was heard, each thing once.

use std::ffi::OsStr;

use ctrecorder_format::Kind;
use ctrecorder_format::record::flags::END_AT_LATEST;

use crate::answers::listed;
use crate::ask::Ask;
use crate::kept::{File, Kept, Why};
use crate::rows::{Row, Says};
use crate::world::World;

/// Holds the list of everything, and of what is asked for, against what was written; `also` the directory's.
pub fn check(world: &World, kept: &Kept, asks: &[Ask], also: bool) {
    let (status, all) = told(world, &[], kept.paths());
    assert_eq!(status, if kept.is_broken() { 5 } else { 0 }, "status of the list of everything");
    let damaged: Vec<_> = kept.files.iter().filter(|file| file.is_damaged).map(|file| file.index).collect();
    let expected: Vec<_> = kept.rows.iter().filter(|row| is_news(world, kept, row, &damaged)).collect();
    let merged = may_be_merged(world, kept);
    if let Some(difference) = difference(&all, &expected, merged) {
        panic!("everything: {difference}");
    }
    if also && kept.is_in_order(world) {
        let (_, directory) = told(world, &[], [kept.directory.path()]);
        assert_eq!(directory, all, "a directory and its files in order");
    }
    for ask in asks {
        let what = ask.options();
        let (_, found) = told(world, &what, kept.paths());
        let wanted = |known: &[usize]| {
            let news = kept.rows.iter().filter(|row| is_news(world, kept, row, known));
            news.filter(|row| ask.holds(&row.says)).collect::<Vec<_>>()
        };
        // Damage that could hide nothing of what was asked for need not be found: then open records behind it are no news.
        let hides = |file: &usize| {
            let mut lost = kept.lost.iter().filter(|(row, why)| matches!(why, Why::Damaged(_)) && row.file == *file);
            lost.any(|(row, _)| ask.holds(&row.says))
        };
        let (must, may): (Vec<_>, Vec<_>) = damaged.iter().copied().partition(hides);
        let differences = choices(&must, &may).map(|known| difference(&found, &wanted(&known), merged));
        if let Some(difference) = all_differ(differences) {
            panic!("{}: {difference}", what.join(" "));
        }
    }
}

/// All of the first, with some, all or none of the others.
pub fn choices(must: &[usize], may: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    (0..1 << may.len()).map(|bits: usize| {
        let chosen = may.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, file)| *file);
        must.iter().copied().chain(chosen).collect()
    })
}

/// The first of these differences, if there is one in each case.
pub fn all_differ(differences: impl Iterator<Item = Option<String>>) -> Option<String> {
    differences.collect::<Option<Vec<_>>>()?.into_iter().next()
}

/// What is listed. Where the clock was set back, two readings of the table may have ended at the same time: which of them
/// found an end, the list cannot know.
fn told<B: AsRef<OsStr>>(world: &World, options: &[String], paths: impl IntoIterator<Item = B>) -> (i32, Vec<Says>) {
    let (status, mut all) = listed(options, paths);
    if world.has_steps_back() {
        all.iter_mut().for_each(|says| says.ended_after = 0);
    }
    (status, all)
}

/// Whether a record says something new: open ones do only where nothing was read before that tells the same. `known` are
/// the files whose damage is known to whoever lists.
fn is_news(world: &World, kept: &Kept, row: &Row, known: &[usize]) -> bool {
    if row.says.kind != Kind::Open {
        return true;
    }
    let before = (world.files[row.file].number > 0).then(|| kept.file(row.file - 1)).flatten();
    match before {
        None => true,
        Some(before) if before.is_version_2 => true,
        Some(before) => known.contains(&before.index) || (known.contains(&row.file) && is_behind_damage(kept, row)),
    }
}

/// Whether something of a file is damaged before this record.
fn is_behind_damage(kept: &Kept, row: &Row) -> bool {
    kept.lost.iter().any(|(lost, why)| {
        // What one reading found is one batch, of which both halves are looked at together where their headers are whole. The
        // flows that are gone come last.
        let is_half = *why == Why::Damaged(true) && (lost.says.is_ipv6() || !row.says.is_ipv6());
        let is_in_front = !is_half && lost.says.flags & END_AT_LATEST == 0;
        let is_before = lost.at < row.at || (lost.at == row.at && is_in_front);
        matches!(why, Why::Damaged(_)) && lost.file == row.file && is_before
    })
}

/// Whether files may seem to have been written at the same time, which are merged: where the clock was set back, that is so of
/// those that no number puts behind the one before. Files of version 2 have none, those of each run have their own, and what is
/// damaged may have lost it.
fn may_be_merged(world: &World, kept: &Kept) -> bool {
    let run = |file: &File| world.files[file.index].run;
    let has_runs = kept.files.first().zip(kept.files.last()).is_some_and(|(first, last)| run(first) != run(last));
    world.has_steps_back() && (has_runs || kept.files.iter().any(|file| file.is_version_2 || file.is_damaged))
}

/// How what was listed differs from what should be; the order is not looked at where files may be `merged`.
fn difference(found: &[Says], expected: &[&Row], merged: bool) -> Option<String> {
    if merged {
        let mut found = found.to_vec();
        let mut expected: Vec<_> = expected.iter().map(|row| row.says.clone()).collect();
        found.sort_unstable();
        expected.sort_unstable();
        return first_difference(&found, &expected);
    }
    // Events of both families are in the order in which they arrived.
    let heard = |says: &&Says| says.is_heard();
    let events: Vec<_> = found.iter().filter(heard).cloned().collect();
    let arrived: Vec<_> = expected.iter().map(|row| &row.says).filter(heard).cloned().collect();
    let families = [false, true].into_iter().map(|ipv6| {
        let found = found.iter().filter(|says| says.is_ipv6() == ipv6).cloned().collect();
        in_groups(found, expected.iter().filter(|row| row.says.is_ipv6() == ipv6))
    });
    let all = [(events, arrived)].into_iter().chain(families);
    all.into_iter().find_map(|(found, expected)| first_difference(&found, &expected))
}

/// Of one reading of the table, the flows are in no order: each group is sorted, on both sides.
fn in_groups<'r>(mut found: Vec<Says>, expected: impl Iterator<Item = &'r &'r Row>) -> (Vec<Says>, Vec<Says>) {
    let expected: Vec<_> = expected.map(|row| ((row.file, row.at), row.says.clone())).collect();
    let mut rest = &mut found[..];
    let mut sorted = Vec::new();
    for group in expected.chunk_by(|a, b| a.0 == b.0) {
        let (own, further) = rest.split_at_mut(group.len().min(rest.len()));
        own.sort_unstable();
        rest = further;
        let mut group: Vec<_> = group.iter().map(|(_, says)| says.clone()).collect();
        group.sort_unstable();
        sorted.extend(group);
    }
    (found, sorted)
}

/// Where two lists differ.
pub fn first_difference(found: &[Says], expected: &[Says]) -> Option<String> {
    let at = (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at))?;
    let (count, wanted) = (found.len(), expected.len());
    let (found, expected) = (found.get(at), expected.get(at));
    Some(format!("number {at} of {count} is\n{found:?}\nand should be, of {wanted},\n{expected:?}"))
}

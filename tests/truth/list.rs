//! `list` says what was heard, in the order in which it was heard, each thing once.

use ctrecorder_format::Kind;

use crate::answers::listed;
use crate::ask::Ask;
use crate::kept::{Kept, Why};
use crate::rows::{Row, Says};
use crate::world::World;

/// Holds the list of everything, and of what is asked for, against what was written.
pub fn check(world: &World, kept: &Kept, asks: &[Ask]) {
    let (status, all) = listed([""; 0], kept.paths());
    assert_eq!(status, if kept.is_broken() { 5 } else { 0 }, "status of the list of everything");
    let expected: Vec<_> = kept.rows.iter().filter(|row| is_news(world, kept, row, Damage::Known)).collect();
    compare("everything", &all, &expected);
    if kept.is_in_order(world) {
        let (_, directory) = listed([""; 0], [kept.directory.path()]);
        assert_eq!(directory, all, "a directory and its files in order");
    }
    for ask in asks {
        let what = ask.options();
        let (_, found) = listed(&what, kept.paths());
        let wanted = |damage| {
            let news = kept.rows.iter().filter(move |row| is_news(world, kept, row, damage));
            news.filter(|row| ask.holds(&row.says)).collect::<Vec<_>>()
        };
        // Damage that could hide nothing of what was asked for need not be found: then open records behind it are no news.
        let hides = kept.lost.iter().any(|(row, why)| matches!(why, Why::Damaged(_)) && ask.holds(&row.says));
        let expected = match wanted(Damage::PassedOver) {
            less if !hides && less.len() == found.len() => less,
            _ => wanted(Damage::Known),
        };
        compare(&what.join(" "), &found, &expected);
    }
}

/// Whether damage in a file before is known to whoever lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Damage {
    Known,
    PassedOver,
}

/// Whether a record says something new: open ones do only where nothing was read before that tells the same.
fn is_news(world: &World, kept: &Kept, row: &Row, damage: Damage) -> bool {
    if row.says.kind != Kind::Open {
        return true;
    }
    let file = world.files[row.file];
    let before = (file.number > 0).then(|| kept.file(row.file - 1)).flatten();
    match before {
        None => true,
        Some(before) if before.is_version_2 => true,
        // Damage in this file comes behind its open records, or takes some of them.
        Some(before) => {
            let this = kept.file(row.file).is_some_and(|this| this.is_damaged);
            (before.is_damaged || (this && damaged_before(kept, row))) && damage == Damage::Known
        }
    }
}

/// Whether something of a file is damaged before this record.
fn damaged_before(kept: &Kept, row: &Row) -> bool {
    kept.lost.iter().any(|(lost, why)| {
        let is_before = lost.at < row.at || (lost.at == row.at && !lost.says.is_ipv6() && row.says.is_ipv6());
        matches!(why, Why::Damaged(_)) && lost.file == row.file && is_before
    })
}

/// Holds what was listed against what should be.
pub fn compare(what: &str, found: &[Says], expected: &[&Row]) {
    same_heard(what, found, expected);
    for ipv6 in [false, true] {
        let found = found.iter().filter(|says| says.is_ipv6() == ipv6).cloned();
        let expected = expected.iter().filter(|row| row.says.is_ipv6() == ipv6);
        let expected: Vec<_> = expected.map(|row| ((row.file, row.at), row.says.clone())).collect();
        // Of one reading of the table, the flows are in no order: each group is sorted, on both sides.
        let mut found: Vec<_> = found.collect();
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
        same(&format!("{what}: of each family"), &found, &sorted);
    }
}

/// Events of both families are in the order in which they arrived.
fn same_heard(what: &str, found: &[Says], expected: &[&Row]) {
    let found: Vec<_> = found.iter().filter(|says| says.is_heard()).cloned().collect();
    let expected: Vec<_> = expected.iter().filter(|row| row.says.is_heard()).map(|row| row.says.clone()).collect();
    same(&format!("{what}: events"), &found, &expected);
}

/// Panics where two lists differ, and says where.
pub fn same(what: &str, found: &[Says], expected: &[Says]) {
    if let Some(at) = (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at)) {
        panic!(
            "{what}: number {at} of {} is\n{:?}\nand should be, of {},\n{:?}",
            found.len(),
            found.get(at),
            expected.len(),
            expected.get(at)
        );
    }
}

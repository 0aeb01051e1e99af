//! Flows that a run found when it first read the kernel's table, and that the runs before would have heard begin: what is known of when
//! they began.

use ctrecorder_format::Kind;

use crate::coverage::told_by;
use crate::kept::{Kept, Why};
use crate::rows::Row;
use crate::world::World;

/// The moments between which the flow began of which this is the first record that is left: what the files before told up to without
/// a gap, and the reading that found it. By the wall clock. `known` are the files whose damage is known to whoever reads.
pub fn found(world: &World, kept: &Kept, known: &[usize], first: &Row) -> Option<(u64, u64)> {
    if first.says.kind != Kind::Open || first.says.start != 0 {
        return None;
    }
    let shows = |at| world.clock.shows(at);
    let mut since = Since::default();
    let mut before: Option<&crate::kept::File> = None;
    for file in kept.files.iter().take_while(|file| file.index <= first.file) {
        if file.is_version_2 {
            since.all_known = false;
            continue;
        }
        let made = world.files[file.index];
        let follows =
            |before: &crate::kept::File| before.index + 1 == file.index && world.files[before.index].run == made.run;
        if let Some(before) = before.filter(|before| !follows(before)) {
            since.miss(told_by(world, kept, before).1);
        }
        for reading in world.readings(made.run).into_iter().filter(|at| made.span.holds(*at)) {
            let gap = world.deaf.iter().find(|deaf| deaf.to == reading);
            gap.into_iter().for_each(|gap| since.miss(shows(gap.from)));
            if is_hidden(kept, known, file.index, reading) {
                continue;
            }
            if (file.index, reading) == (first.file, first.at) {
                let after = since.missed.filter(|after| since.all_known && *after <= shows(reading))?;
                return Some((after, shows(reading)));
            }
            since = Since { all_known: true, missed: None };
        }
        let mut lost = kept.lost.iter().filter(|(_, why)| matches!(why, Why::Damaged(_)));
        if known.contains(&file.index) && lost.any(|(row, _)| row.file == file.index) {
            since.miss(shows(made.span.from));
        }
        before = Some(file);
    }
    None
}

/// Whether something that stood before a reading in its file is damaged, so that it does not tell of all flows that were alive.
pub fn is_hidden(kept: &Kept, known: &[usize], file: usize, at: u64) -> bool {
    use ctrecorder_format::record::flags::END_AT_LATEST;
    // What a reading found is before its note, what it did not find, and what was heard then, behind it.
    let is_found = |row: &Row| !row.says.is_heard() && row.says.flags & END_AT_LATEST == 0;
    let is_before = |row: &Row| row.at < at || (row.at == at && is_found(row));
    let mut lost = kept.lost.iter().filter(|(row, why)| matches!(why, Why::Damaged(_)) && row.file == file);
    known.contains(&file) && lost.any(|(row, _)| is_before(row))
}

/// Since when starts may have been missed, if all that had begun before are known.
#[derive(Default)]
struct Since {
    all_known: bool,
    missed: Option<u64>,
}

impl Since {
    fn miss(&mut self, since: u64) {
        self.missed = Some(self.missed.map_or(since, |before| before.min(since)));
    }
}

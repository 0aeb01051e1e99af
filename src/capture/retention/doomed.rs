//! A segment that is to be removed, and what the journal says of it.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::{fs, io};

use ctrecorder_format::Retirement;

use super::due::Why;
use super::own::{self, Own, Version};

/// Of a run that was cut off, what it said in so many of its last segments it may not have done: a note and what comes of it are
/// seconds apart, and new segments may have been asked for meanwhile.
const UNSETTLED: usize = 4;

/// A segment that is to be removed.
#[derive(Debug)]
pub(super) struct Doomed {
    pub(super) path: PathBuf,
    version: Version,
    /// What the journal says of it.
    pub(super) told: Retirement,
    /// What it says itself of segments of other network namespaces, which is not to go with it.
    carried: Vec<Retirement>,
    pub(super) why: Why,
}

impl Doomed {
    /// What it knew of earlier ones is not to go with it, as far as there is anything `left` of the journals of these network namespaces.
    pub(super) fn new(own: &Own, why: Why, left: &HashSet<Option<u32>>) -> Self {
        let Own { path, version, past, number, .. } = own.clone();
        let known = Retirement::standing(&own::retirements(&path));
        let (of_this, elsewhere): (Vec<_>, _) = known.into_iter().partition(|told| told.netns.is_none());
        let from = of_this.iter().map(|told| told.from).fold(past.created, u64::min);
        let segment = u32::try_from(number).unwrap_or(u32::MAX);
        let told = Retirement { from, to: past.end.max(from), segment, netns: past.netns };
        let carried = carried(elsewhere.into_iter().filter(|told| left.contains(&told.netns)));
        Self { path, version, told, carried, why }
    }

    /// All that the journal is to say before it goes.
    pub(super) fn all_told(&self) -> impl Iterator<Item = &Retirement> {
        self.carried.iter().chain([&self.told])
    }

    /// Its bytes.
    pub(super) const fn bytes(&self) -> u64 {
        self.version.bytes
    }

    /// Whether it is the segment that this is about.
    pub(super) fn is(&self, told: &Retirement) -> bool {
        (self.told.netns, self.told.to, self.told.segment) == (told.netns, told.to, told.segment)
    }

    pub(super) fn unlink(&self) -> io::Result<()> {
        if Version::at(&self.path) != Some(self.version) {
            return Err(io::Error::other("it is another file now, or was changed"));
        }
        fs::remove_file(&self.path)
    }
}

/// The same in one for each network namespace, of the last segment and from the first one on: else they would become more and more.
fn carried(told: impl Iterator<Item = Retirement>) -> Vec<Retirement> {
    let mut carried = BTreeMap::new();
    for told in told {
        let known = carried.entry(told.netns).or_insert(told);
        let from = known.from.min(told.from);
        if told.to > known.to {
            *known = told;
        }
        known.from = from;
    }
    carried.into_values().collect()
}

/// What the last run said to be removed, and is there: it was cut off, or someone put it back.
pub(super) fn survivors(segments: &[Own]) -> Vec<Retirement> {
    let is_there = |told: &Retirement| {
        let number = |own: &Own| u32::try_from(own.number).unwrap_or(u32::MAX);
        segments.iter().any(|own| (own.past.netns, own.past.end, number(own)) == (told.netns, told.to, told.segment))
    };
    let own_journal = segments.iter().rev().filter(|own| own.past.netns.is_none());
    let notes: Vec<_> = own_journal.take(UNSETTLED).flat_map(|own| own::retirements(&own.path)).collect();
    Retirement::standing(&notes).into_iter().filter(is_there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_is_one_for_each_network_namespace() {
        let told = |netns, from, to, segment| Retirement { from, to, segment, netns: Some(netns) };
        let all = [told(3, 20, 30, 1), told(7, 5, 6, 0), told(3, 10, 20, 0), told(3, 30, 40, 2)];
        assert_eq!(carried(all.into_iter()), [told(3, 10, 40, 2), told(7, 5, 6, 0)]);
    }
}

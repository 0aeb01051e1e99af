//! Which files of a journal follow each other, and which were written at the same time.

use super::{Journal, Recorder};

/// Files that follow each other.
#[derive(Debug)]
pub(super) struct Lane {
    /// These files, in order.
    pub(super) journal: Journal,
    /// When the first of them was begun, ns since the epoch.
    pub(super) begun: u64,
    /// For each of them, what nothing in it counts as later than, ns since the epoch. A clock that was ahead and set back shows
    /// times that are still to come: else what stands behind these would have to wait for them.
    pub(super) latest: Vec<u64>,
}

/// A lane while files are put into it.
struct Growing {
    /// Places in the journal.
    places: Vec<usize>,
    /// From when to when each of them tells.
    spans: Vec<(u64, u64)>,
    /// The run that wrote the last of them, if its header tells.
    run: Option<Recorder>,
    /// Until when all of them tell.
    ended: u64,
}

impl Growing {
    fn add(&mut self, place: usize, run: Option<Recorder>, span: (u64, u64)) {
        self.places.push(place);
        self.spans.push(span);
        (self.run, self.ended) = (run, self.ended.max(span.1));
    }

    fn finish(self, journal: &Journal) -> Lane {
        let mut next = u64::MAX;
        let mut latest: Vec<_> = self
            .spans
            .iter()
            .rev()
            .map(|(begun, ended)| {
                let latest = next.min(*ended);
                next = next.min(*begun);
                latest
            })
            .collect();
        latest.reverse();
        let begun = self.spans.first().map_or(0, |(begun, _)| *begun);
        Lane { journal: journal.only(self.places), begun, latest }
    }
}

impl Journal {
    /// A journal whose files are in the order of time, as one or several that tell of the same time. What one run of a recorder
    /// wrote is in one of them, and of other files those that follow each other. Each is in order.
    pub(super) fn lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<Growing> = Vec::new();
        for (place, file) in self.files().iter().enumerate() {
            let source = file.open().ok();
            let version = source.as_ref().and_then(|source| source.parse().ok());
            let run = version.as_ref().and_then(|version| version.header().map(Recorder::of));
            // What cannot be read is told of wherever it stands.
            let span = version.as_ref().map_or((u64::MAX, u64::MAX), |version| (version.begun(), version.ended()));
            let is_of_run = |lane: &&mut Growing| run.is_some() && lane.run == run;
            if let Some(lane) = lanes.iter_mut().find(is_of_run) {
                lane.add(place, run, span);
                continue;
            }
            let before = lanes.iter_mut().filter(|lane| lane.ended <= span.0);
            match before.max_by_key(|lane| lane.ended) {
                Some(lane) => lane.add(place, run, span),
                None => lanes.push(Growing { places: vec![place], spans: vec![span], run, ended: span.1 }),
            }
        }
        lanes.into_iter().map(|lane| lane.finish(self)).collect()
    }
}

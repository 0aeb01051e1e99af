//! Which files of a journal follow each other, and which were written at the same time.

use super::{Journal, Recorder};

/// Files that follow each other.
#[derive(Default)]
struct Lane {
    /// Their places in the journal.
    places: Vec<usize>,
    /// The run that wrote the last of them, if its header tells.
    run: Option<Recorder>,
    /// Until when they tell, ns since the epoch.
    ended: u64,
}

impl Lane {
    fn add(&mut self, place: usize, run: Option<Recorder>, ended: u64) {
        self.places.push(place);
        (self.run, self.ended) = (run, self.ended.max(ended));
    }
}

impl Journal {
    /// A journal whose files are in the order of time, as one or several that tell of the same time. What one run of a recorder
    /// wrote is in one of them, and of other files those that follow each other. Each is in order.
    pub(super) fn lanes(&self) -> Vec<Self> {
        if self.files().len() < 2 {
            return self.only(0..self.files().len()).split().collect();
        }
        let mut lanes: Vec<Lane> = Vec::new();
        for (place, file) in self.files().iter().enumerate() {
            let source = file.open().ok();
            let version = source.as_ref().and_then(|source| source.parse().ok());
            // What cannot be read is told of wherever it stands.
            let (run, begun, ended) = version.as_ref().map_or((None, u64::MAX, 0), |version| {
                (version.header().map(Recorder::of), version.begun(), version.ended())
            });
            let is_of_run = |lane: &&mut Lane| run.is_some() && lane.run == run;
            let latest = |lanes: &mut Vec<Lane>| {
                let before = lanes.iter_mut().filter(|lane| lane.ended <= begun);
                before.max_by_key(|lane| lane.ended).map(|lane| lane.add(place, run.clone(), ended)).is_some()
            };
            if let Some(lane) = lanes.iter_mut().find(is_of_run) {
                lane.add(place, run, ended);
            } else if !latest(&mut lanes) {
                lanes.push(Lane { places: vec![place], run, ended });
            }
        }
        lanes.into_iter().map(|lane| self.only(lane.places)).collect()
    }
}

//! What befalls a recorder. Times are those of a clock that is never set, in ns since the epoch.

/// Something that befalls a recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// The kernel had no room for events, from a time until another one. Then the table is read again.
    Overrun {
        /// From when on.
        from: u64,
        /// Until when.
        to: u64,
    },
    /// The recorder ends in order, and is started again later.
    Stop {
        /// When it ends.
        at: u64,
        /// When it is there again.
        back: u64,
    },
    /// It is killed in the middle of writing a block, and started again later.
    Crash {
        /// When it is killed.
        at: u64,
        /// When it is there again.
        back: u64,
    },
    /// The wall clock is set.
    ClockStep {
        /// When.
        at: u64,
        /// By how many ns, forward positive.
        by: i64,
    },
}

/// A moment of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Deaf,
    Hears { since: u64 },
    Stops,
    Crashes,
    Starts,
    ClockStep(i64),
}

/// The turns of incidents in the order of time. Incidents that overlap make no sense, but for clock steps.
pub(crate) fn turns(incidents: &[Incident]) -> Vec<(u64, Turn)> {
    let mut turns = Vec::new();
    for incident in incidents {
        match *incident {
            Incident::Overrun { from, to } => turns.extend([(from, Turn::Deaf), (to, Turn::Hears { since: from })]),
            Incident::Stop { at, back } => turns.extend([(at, Turn::Stops), (back, Turn::Starts)]),
            Incident::Crash { at, back } => turns.extend([(at, Turn::Crashes), (back, Turn::Starts)]),
            Incident::ClockStep { at, by } => turns.push((at, Turn::ClockStep(by))),
        }
    }
    turns.sort_by_key(|(at, _)| *at);
    turns
}

/// The wall clock: what it shows at a time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// When it was set, and by how much.
    steps: Vec<(u64, i64)>,
}

impl Clock {
    /// The clock that these incidents set.
    pub fn new(incidents: &[Incident]) -> Self {
        let steps = incidents.iter().filter_map(|incident| match *incident {
            Incident::ClockStep { at, by } => Some((at, by)),
            _ => None,
        });
        Self { steps: steps.collect() }
    }

    /// What it shows at this time.
    pub fn shows(&self, time: u64) -> u64 {
        let steps = self.steps.iter().filter(|(at, _)| *at <= time);
        steps.fold(time, |shown, (_, by)| shown.saturating_add_signed(*by))
    }
}

//! What really happened, and who was there to hear it. Times are those of a clock that is never set, ns since the epoch.

use ctrecorder_format::NS_PER_SECOND;
use ctrecorder_synth::{Clock, Flow, Flows, Incident, Plan, Shape};

use crate::case::{By, Case, Kind};
use crate::coverage::STEP_MIN;

/// The world of a case.
#[derive(Debug)]
pub struct World {
    /// What the traffic is like.
    pub shape: Shape,
    /// How the recorder is set up, and what befalls it.
    pub plan: Plan,
    /// All flows, by number.
    pub flows: Vec<Flow>,
    /// What the wall clock shows.
    pub clock: Clock,
    /// The times at which the recorder is at work.
    pub runs: Vec<Run>,
    /// The times for which the kernel drops events.
    pub deaf: Vec<Span>,
    /// The files that are written, in order.
    pub files: Vec<File>,
    /// When the last flow begins, and the recorder ends.
    pub last: u64,
}

/// From a moment, which is in it, to another one, which is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its begin.
    pub from: u64,
    /// Its end.
    pub to: u64,
}

impl Span {
    /// Whether a moment is in it.
    pub fn holds(self, moment: u64) -> bool {
        (self.from..self.to).contains(&moment)
    }
}

/// That the clock was set, as the recorder noted it.
#[derive(Clone, Copy, Debug)]
pub struct Noted {
    /// When it was set.
    pub set: u64,
    /// When that was noticed.
    pub at: u64,
    /// By how much it had been set by then.
    pub by: i64,
    /// The number of the file that tells of it.
    pub file: usize,
}

/// A run of the recorder.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// When it is at work.
    pub span: Span,
    /// Whether it was killed.
    pub crashed: bool,
}

/// A file of a run.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// The number of its run.
    pub run: usize,
    /// Its number in its run.
    pub number: u64,
    /// What it tells of.
    pub span: Span,
    /// Whether the recorder was killed while it wrote it.
    pub torn: bool,
    /// Whether the recorder went on in another one.
    pub went_on: bool,
}

impl World {
    /// The world of this case.
    pub fn of(case: &Case) -> Self {
        let kinds = if case.all_kinds { 1 } else { 0 };
        let crowded = Shape::crowded(case.flows, case.seed);
        let few = Shape { subscribers: 3, public_addresses: 1, peers: 1, ..crowded.clone() };
        let shape = Shape {
            starts_per_second: case.rate.into(),
            median_duration_ms: case.median_ms.into(),
            ports: 40_000..=40_000 + case.ports - 1,
            udp_percent: 30 * kinds,
            ipv6_percent: 15 * kinds,
            // To forwarded ports, over TCP and IPv4.
            incoming_percent: 15,
            ..if case.few_hosts { few } else { crowded }
        };
        let flows: Vec<_> =
            Flows::new(shape.clone()).filter(|happening| !happening.ends).map(|happening| happening.flow).collect();
        let last = flows.last().map_or(shape.begin, |flow| flow.start);
        let incidents = incidents(case, shape.begin, last);
        let rotate = Some((last - shape.begin) / case.files).filter(|every| *every > NS_PER_SECOND / 10);
        let notices = u64::from(case.notices_ms) * 1_000_000;
        let plan = Plan { rotate, stamps: case.stamps, incidents, notices, ..Plan::default() };
        let (clock, runs, deaf) = (Clock::new(&plan.incidents), runs(&plan, shape.begin, last), deaf(&plan));
        let files = files(&plan, &runs, shape.begin);
        Self { shape, plan, flows, clock, runs, deaf, files, last }
    }

    /// Whether the recorder heard of what happened at this time.
    pub fn is_heard(&self, at: u64) -> bool {
        self.runs.iter().any(|run| run.span.holds(at)) && !self.deaf.iter().any(|span| span.holds(at))
    }

    /// When a run read the kernel's table: at the begin of each file, and when it heard again.
    pub fn readings(&self, run: usize) -> Vec<u64> {
        let begins = self.files.iter().filter(|file| file.run == run).map(|file| file.span.from);
        let span = self.runs[run].span;
        let heard = self.deaf.iter().map(|deaf| deaf.to).filter(|to| span.holds(*to));
        let mut all: Vec<_> = begins.chain(heard).collect();
        all.sort_unstable();
        all
    }

    /// Whether a flow is in the kernel's table at this time.
    pub fn is_alive(flow: &Flow, at: u64) -> bool {
        flow.start < at && at <= flow.end
    }

    /// Whether the clock was ever set back.
    pub fn has_steps_back(&self) -> bool {
        self.steps().any(|(_, by)| by < 0)
    }

    /// Whether the clock was set back by days: then what the recorder wrote last seems to be older than all else.
    pub fn is_set_far_back(&self) -> bool {
        const DAY: i64 = 86_400 * 1_000_000_000;
        self.steps().any(|(_, by)| by < -DAY)
    }

    /// Whether the clock was set over some of this span, and never showed it.
    pub fn was_set_over(&self, (from, to): (u64, u64)) -> bool {
        self.steps().any(|(at, by)| {
            let after = self.clock.shows(at);
            by > 0 && from <= after && after.saturating_add_signed(-by) <= to
        })
    }

    /// What the recorder noted of that, in order: while it was not at work, nothing; nor what it had not noticed when it was killed.
    pub fn noted(&self) -> Vec<Noted> {
        let mut noted: Vec<Noted> = Vec::new();
        for (set, by) in self.steps() {
            if let Some(last) = noted.last_mut().filter(|last| set <= last.at) {
                last.by += by;
                continue;
            }
            let Some(file) = self.files.iter().position(|file| file.span.holds(set)) else { continue };
            // Before it takes down what it hears, ends a file, or reads the table, it looks.
            let ends = self.files[file].span.to.min(self.last);
            let events = self.flows.iter().flat_map(|flow| [flow.start, flow.end]).filter(|at| self.is_heard(*at));
            let reads = self.deaf.iter().map(|deaf| deaf.to);
            let looks = events.chain(reads).filter(|at| set < *at).min().unwrap_or(u64::MAX);
            let at = (set + self.plan.notices).min(looks);
            if at < ends || !self.files[file].torn {
                noted.push(Noted { set, at: at.min(ends), by, file });
            }
        }
        noted
    }

    /// When the clock was set, and by how much.
    pub fn steps(&self) -> impl Iterator<Item = (u64, i64)> + '_ {
        self.plan.incidents.iter().filter_map(|incident| match *incident {
            Incident::ClockStep { at, by } => Some((at, by)),
            _ => None,
        })
    }
}

/// The incidents, one behind the other, none at a moment of another one's or of a rotation's.
fn incidents(case: &Case, begin: u64, last: u64) -> Vec<Incident> {
    let mut troubles = case.troubles.clone();
    troubles.sort_by_key(|trouble| trouble.at);
    let place = |thousandths: u16| (last - begin) / 1000 * u64::from(thousandths);
    let (mut free, mut incidents) = (begin + 1, Vec::new());
    for (number, trouble) in (0..).zip(troubles) {
        let from = (begin + place(trouble.at) + 7 + number).max(free);
        let to = from + place(trouble.length) + 3;
        // What never ends is never told of.
        if to >= last {
            break;
        }
        // A clock that is set does not keep anything else from happening.
        free = if matches!(trouble.kind, Kind::Step(_)) { from + 1 } else { to + 1 };
        let away = |crashed| match crashed {
            true => Incident::Crash { at: from, back: to },
            false => Incident::Stop { at: from, back: to },
        };
        // No two moments shall show the same time by chance.
        let step = |at, by| {
            let by = match by {
                By::Ms(ms) => ms * 1_000_000,
                // By more than what is taken for no step.
                By::Part(part) => ((last - begin) / 1000).cast_signed() * part + part.signum() * STEP_MIN,
            };
            Incident::ClockStep { at, by: by + 12_347 }
        };
        match trouble.kind {
            Kind::Overrun => incidents.push(Incident::Overrun { from, to }),
            Kind::Stop => incidents.push(away(false)),
            Kind::Crash => incidents.push(away(true)),
            Kind::Step(by) => incidents.push(step(from, by)),
            Kind::Away(crashed, by) => incidents.extend([away(crashed), step(from + (to - from) / 2, by)]),
        }
    }
    incidents
}

fn deaf(plan: &Plan) -> Vec<Span> {
    let spans = plan.incidents.iter().filter_map(|incident| match *incident {
        Incident::Overrun { from, to } => Some(Span { from, to }),
        _ => None,
    });
    spans.collect()
}

fn runs(plan: &Plan, begin: u64, last: u64) -> Vec<Run> {
    let (mut runs, mut from) = (Vec::new(), begin);
    for incident in &plan.incidents {
        let (at, back, crashed) = match *incident {
            Incident::Stop { at, back } => (at, back, false),
            Incident::Crash { at, back } => (at, back, true),
            _ => continue,
        };
        runs.push(Run { span: Span { from, to: at }, crashed });
        from = back;
    }
    // It hears of the last start before it ends.
    runs.push(Run { span: Span { from, to: last + 1 }, crashed: false });
    runs
}

/// The files: a run begins one, and each rotation.
fn files(plan: &Plan, runs: &[Run], begin: u64) -> Vec<File> {
    let mut files = Vec::new();
    for (run, Run { span, crashed }) in runs.iter().enumerate() {
        let mut begins = vec![span.from];
        if let Some(every) = plan.rotate {
            let first = begin - begin % every + every;
            let rotations = (0..).map(|times| first + times * every).skip_while(|moment| *moment <= span.from);
            begins.extend(rotations.take_while(|moment| span.holds(*moment)));
        }
        let ends = begins.iter().skip(1).copied().chain([span.to]).collect::<Vec<_>>();
        let count = begins.len();
        files.extend((0..).zip(begins.into_iter().zip(ends)).map(|(number, (from, to))| {
            let is_last = number + 1 == count as u64;
            File { run, number, span: Span { from, to }, torn: *crashed && is_last, went_on: !is_last }
        }));
    }
    files
}

//! A recorder in a world of its own: it hears of flows, and writes what ctrecorder would, notes and keyframes included.
//! What befalls it, and when, is in its plan.

use std::io::Write;

use ctrecorder_format::record::flags::{END_AT_LATEST, END_FROM_KERNEL, RECOVERED, START_FROM_KERNEL};
use ctrecorder_format::{Cause, Clock as Source, Closing, Content, Digest, Header, Kind, NS_PER_SECOND, Note, Uptime};

use crate::flow::Flow;
use crate::flows::{Flows, Happening};
use crate::incident::{Clock, Incident, Turn, turns};
use crate::output::{Error, HOST, Output, State, Version};

/// How long a record waits for its block at most.
const TICK: u64 = NS_PER_SECOND;

/// The machine has been up for so long when the first file is begun, in ns.
const UP_NS: u64 = 3600 * NS_PER_SECOND;

/// How a recorder is set up, and what befalls it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The version of the files.
    pub version: Version,
    /// How often a new file is begun, in ns; never if `None`.
    pub rotate: Option<u64>,
    /// Whether the kernel stamps flows, so that the start of one that was not heard of is known.
    pub stamps: bool,
    /// What befalls the recorder, in the order of time; overruns, stops and crashes do not overlap.
    pub incidents: Vec<Incident>,
    /// How long after it was set the recorder looks at the clock, in ns, unless it hears something before, or has to do with its files or the
    /// kernel's table.
    pub notices: u64,
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Files begun.
    pub files: u64,
    /// Starts and ends that were heard.
    pub events: u64,
    /// Starts and ends that happened while the recorder was deaf or away.
    pub unheard: u64,
}

/// Records flows until the last of them has begun. `create` makes the file of this number (from 0); each flow is shown to
/// `began` when it begins.
///
/// # Errors
/// Those of writing.
pub fn record<W: Write>(
    mut flows: Flows,
    plan: &Plan,
    create: impl FnMut(u64) -> Result<W, Error>,
    mut began: impl FnMut(&Flow) -> Result<(), Error>,
) -> Result<Recorded, Error> {
    let mut turns = turns(&plan.incidents).into_iter().peekable();
    let begin = flows.next_at().unwrap_or_default();
    let mut recorder = Recorder::new(plan, create, begin);
    recorder.start(begin, &flows)?;
    let mut now = begin;
    while !flows.have_all_begun()
        && let Some(at) = flows.next_at()
    {
        while let Some((at, turn)) = turns.next_if(|(turn_at, _)| *turn_at <= at) {
            recorder.rotate_until(at, &flows)?;
            recorder.turn(at, turn, &flows)?;
        }
        recorder.rotate_until(at, &flows)?;
        let Some(happening) = flows.next() else { break };
        now = happening.at();
        if !happening.ends {
            began(&happening.flow)?;
        }
        recorder.hear(&happening)?;
    }
    recorder.stop(now)?;
    Ok(recorder.recorded)
}

struct Recorder<'p, C, W: Write> {
    plan: &'p Plan,
    clock: Clock,
    create: C,
    /// The file being written; `None` while the recorder is not running.
    output: Option<Output<W>>,
    /// Of the file being written, or of the last one.
    header: Header,
    next_rotation: Option<u64>,
    /// What is gathered is written at this time.
    next_tick: Option<u64>,
    /// By how much the clock was set, and at what time that will have been noticed.
    unnoticed: Option<(u64, i64)>,
    /// When the machine was started.
    booted: u64,
    deaf: bool,
    /// Events that happened since it is deaf.
    lost: u64,
    /// Events that it did not hear, and found out about by reading the table.
    back: u64,
    /// The flows that the files leave open, by their places.
    known: Vec<Option<Known>>,
    /// When the kernel's table was read last. Like the next two, by the wall clock.
    read: u64,
    /// The time of the last that was taken for the file.
    reached: u64,
    /// The time of the last that is whole in the file.
    solid: u64,
    recorded: Recorded,
}

/// A flow, and the start that the recorder knows of it, 0 if none.
#[derive(Clone, Copy)]
struct Known {
    flow: Flow,
    start: u64,
    /// The flags of each record that repeats it.
    flags: u8,
}

impl<'p, W: Write, C: FnMut(u64) -> Result<W, Error>> Recorder<'p, C, W> {
    fn new(plan: &'p Plan, create: C, begin: u64) -> Self {
        let header = Header {
            software: "ctrecorder-synth".into(),
            host: HOST.into(),
            boot_id: *b"ctrecorder synth",
            machine: *b"synth ctrecorder",
            time_zone: "UTC".into(),
            namespace: 4_026_531_840,
            clock: if plan.stamps { Source::Kernel } else { Source::Arrival },
            ..Header::blank(Content::Events)
        };
        Self {
            plan,
            clock: Clock::new(&plan.incidents),
            create,
            output: None,
            header,
            next_rotation: plan.rotate.map(|every| begin - begin % every + every),
            next_tick: None,
            unnoticed: None,
            booted: begin - UP_NS,
            deaf: false,
            lost: 0,
            back: 0,
            known: Vec::new(),
            read: 0,
            reached: 0,
            solid: 0,
            recorded: Recorded::default(),
        }
    }

    /// What happens to the recorder.
    fn turn(&mut self, at: u64, turn: Turn, flows: &Flows) -> Result<(), Error> {
        match turn {
            Turn::Deaf => self.deaf = true,
            Turn::Hears { since } => self.hear_again(since, at, flows)?,
            Turn::Stops => self.stop(at)?,
            Turn::Crashes => self.crash(at)?,
            Turn::Starts => self.start(at, flows)?,
            Turn::ClockStep(by) => {
                let (due, before) = self.unnoticed.unwrap_or((at + self.plan.notices, 0));
                self.unnoticed = Some((due, before + by));
                self.look(at, at)?;
            }
        }
        Ok(())
    }

    /// Looks at the clock by this time, or at what was `due` by then: if it was set, a note tells.
    fn look(&mut self, now: u64, due: u64) -> Result<(), Error> {
        let set = self.unnoticed.take_if(|(at, _)| *at <= due);
        let Some((at, by)) = set else { return Ok(()) };
        let at = at.min(now);
        self.note(Note::clock_step(self.clock.shows(at), by))?;
        self.uptime(at)
    }

    /// For how long the machine has been up.
    fn uptime(&mut self, at: u64) -> Result<(), Error> {
        let up = at - self.booted;
        self.note(Uptime { moment: self.clock.shows(at), up, boot: Uptime::boot(self.header.boot_id) }.note())
    }

    /// A new run begins.
    fn start(&mut self, at: u64, flows: &Flows) -> Result<(), Error> {
        let now = self.clock.shows(at);
        self.header.recorder_started = now;
        self.known.clear();
        (self.read, self.deaf, self.lost, self.back) = (now, false, 0, 0);
        self.unnoticed = None;
        // Before anything of this run is solid.
        let solid = self.solid;
        self.open(at, 0, None)?;
        self.note(Note::at(now, Cause::Started))?;
        if self.recorded.files > 1 {
            self.note(Note::not_running(solid, now))?;
        }
        self.uptime(at)?;
        self.keyframe(at, flows)
    }

    /// Begins a file.
    fn open(&mut self, at: u64, number: u64, previous: Option<Digest>) -> Result<(), Error> {
        let file = self.recorded.files;
        self.recorded.files += 1;
        self.header.created = self.clock.shows(at);
        self.header.segment_number = number;
        self.header.previous = previous;
        // Another one for each file, and never the same in two runs.
        self.header.tag = (self.header.created as u32).wrapping_add((file as u32).wrapping_mul(0x9e37_79b1));
        self.output = Some(Output::new(self.plan.version, (self.create)(file)?, &self.header)?);
        Ok(())
    }

    fn stop(&mut self, at: u64) -> Result<(), Error> {
        self.look(at, u64::MAX)?;
        let now = self.clock.shows(at);
        let open = self.known.iter().flatten().count() as u64;
        self.note(Note::at(now, Cause::Stopped).with_value(open))?;
        self.uptime(at)?;
        if let Some(output) = self.output.take() {
            output.finish(Closing::Stopped, now)?;
            self.solid = now;
        }
        Ok(())
    }

    fn crash(&mut self, at: u64) -> Result<(), Error> {
        self.output.take().map_or(Ok(()), |output| output.tear(at / 1_000))
    }

    /// Begins the files that are due by now, and writes what has waited for long enough.
    fn rotate_until(&mut self, now: u64, flows: &Flows) -> Result<(), Error> {
        while let Some((moment, every)) = self.next_rotation.zip(self.plan.rotate)
            && moment <= now
        {
            self.look(moment, u64::MAX)?;
            self.tick(moment)?;
            self.next_rotation = Some(moment + every);
            self.uptime(moment)?;
            if let Some(output) = self.output.take() {
                let digest = output.finish(Closing::WentOn, self.clock.shows(moment))?;
                self.open(moment, self.header.segment_number + 1, digest)?;
                self.uptime(moment)?;
                self.keyframe(moment, flows)?;
            }
        }
        self.look(now, now)?;
        self.tick(now)
    }

    fn tick(&mut self, now: u64) -> Result<(), Error> {
        if self.next_tick.is_some_and(|tick| tick <= now) {
            self.next_tick = None;
            if let Some(output) = &mut self.output {
                output.seal();
            }
            self.write_out()?;
        }
        Ok(())
    }

    /// Tells of all flows alive, and that these are all.
    fn keyframe(&mut self, at: u64, flows: &Flows) -> Result<(), Error> {
        self.read_table(self.clock.shows(at), flows, true)
    }

    /// There is room for events again: the table is read, and what was lost is counted.
    fn hear_again(&mut self, since: u64, at: u64, flows: &Flows) -> Result<(), Error> {
        self.look(at, u64::MAX)?;
        let (from, now) = (self.clock.shows(since), self.clock.shows(at));
        let lost = std::mem::take(&mut self.lost);
        self.note(Note::gap(from, now, lost, Cause::KernelOverrun))?;
        self.read_table(now, flows, false)?;
        self.deaf = false;
        let back = std::mem::take(&mut self.back);
        // The clock may have been set back since.
        self.note(Note::gap(from, now.max(from), lost, Cause::Account).with_value(back))
    }

    /// Reads the table: which flows began unheard, which ended unheard, and, if `all` are wanted, which are open.
    fn read_table(&mut self, now: u64, flows: &Flows, all: bool) -> Result<(), Error> {
        let gone = self.take_gone(flows);
        let mut alive = 0;
        for (place, flow) in flows.alive() {
            alive += 1;
            match self.known(place).copied() {
                Some(known) if all => self.push(flow, Kind::Open, known.start, 0, known.flags, now)?,
                Some(_) => {}
                None => self.find(place, flow, now)?,
            }
        }
        let note = Note::gap(self.read, now, 0, Cause::TableRead).with_value(alive);
        let to = note.to.get();
        self.read = now;
        self.note(note)?;
        self.back += gone.len() as u64;
        for Known { flow, start, flags } in gone {
            self.push(&flow, Kind::End, start, to.max(start), END_AT_LATEST | flags, now)?;
        }
        Ok(())
    }

    /// A flow is in the table that is not known: it began before this run, or unheard.
    fn find(&mut self, place: usize, flow: &Flow, now: u64) -> Result<(), Error> {
        let stamp = self.stamp(flow.start);
        let (kind, start, flag) = match stamp {
            _ if !self.deaf => (Kind::Open, stamp, 0),
            0 => (Kind::Start, now, RECOVERED),
            _ => (Kind::Start, stamp, RECOVERED),
        };
        self.back += u64::from(self.deaf);
        let repeated = if stamp == 0 { flag } else { 0 };
        self.know(place, Some(Known { flow: *flow, start, flags: repeated }));
        self.push(flow, kind, start, 0, flag, now)
    }

    /// The flows that are known, and not in the table any more. They are known no longer.
    fn take_gone(&mut self, flows: &Flows) -> Vec<Known> {
        let is_alive =
            |place, known: &Known| flows.at_place(place).is_some_and(|flow| flow.number == known.flow.number);
        let places = self.known.iter_mut().enumerate();
        places.filter_map(|(place, known)| known.take_if(|known| !is_alive(place, known))).collect()
    }

    /// An event.
    fn hear(&mut self, happening: &Happening) -> Result<(), Error> {
        if self.output.is_none() || self.deaf {
            self.lost += u64::from(self.deaf);
            self.recorded.unheard += 1;
            return Ok(());
        }
        self.look(happening.at(), u64::MAX)?;
        self.recorded.events += 1;
        let Happening { flow, place, ends } = happening;
        let now = self.clock.shows(happening.at());
        if *ends {
            let (start, flags) = self.known(*place).map_or((0, 0), |known| (known.start, known.flags));
            self.know(*place, None);
            self.push(flow, Kind::End, start, now, self.kernels(END_FROM_KERNEL) | flags, now)?;
        } else {
            self.know(*place, Some(Known { flow: *flow, start: now, flags: 0 }));
            self.push(flow, Kind::Start, now, 0, 0, now)?;
        }
        self.next_tick.get_or_insert(happening.at() + TICK);
        Ok(())
    }

    fn push(&mut self, flow: &Flow, kind: Kind, start: u64, end: u64, more: u8, arrived: u64) -> Result<(), Error> {
        let stamped = if start == 0 { 0 } else { self.kernels(START_FROM_KERNEL) };
        let state = State { kind, start, end, flags: stamped | more };
        if let Some(output) = &mut self.output {
            output.push(flow, &state, arrived)?;
            self.reached = arrived;
        }
        self.write_out()
    }

    fn note(&mut self, note: Note) -> Result<(), Error> {
        if let Some(output) = &mut self.output {
            output.note(&note);
            // No time that the clock showed when the table was read, if that is the begin of the reading before.
            if note.cause() != Some(Cause::TableRead) || note.from != note.to {
                self.reached = note.to.get();
            }
        }
        self.write_out()
    }

    fn write_out(&mut self) -> Result<(), Error> {
        if let Some(output) = &mut self.output
            && output.write_out()?
        {
            self.solid = self.reached;
        }
        Ok(())
    }

    fn known(&self, place: usize) -> Option<&Known> {
        self.known.get(place)?.as_ref()
    }

    fn know(&mut self, place: usize, known: Option<Known>) {
        if self.known.len() <= place {
            self.known.resize(place + 1, None);
        }
        self.known[place] = known;
    }

    /// The kernel's stamp of a time, 0 if it makes none.
    fn stamp(&self, time: u64) -> u64 {
        if self.plan.stamps { self.clock.shows(time) } else { 0 }
    }

    /// A flag, if the kernel makes stamps.
    const fn kernels(&self, flag: u8) -> u8 {
        if self.plan.stamps { flag } else { 0 }
    }
}

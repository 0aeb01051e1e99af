//! Divides flows into the files of an export, and tells each what it is to say of itself.
//!
//! Each file tells of a span of time, and the files of an export follow each other without a gap. With `--partition` a file
//! is of one hour: that in which its flows ended or, where nobody heard the end, up to which the journal had told when that was
//! clear. So flows come nearly in the order of files, and few of these are open at once.

use anyhow::bail;
use ctrecorder_format::{Address, Cause, Counters, Note, Record, V4, V6};

use super::add::export_of_open;
use super::bounds::Bounds;
use super::directory::{Directory, Names};
use super::file::File;
use super::made::Made;
use super::part::{HOUR, Part, Target, folder};
use super::said::{Notes, Read};
use super::settings::Settings;
use crate::archive::{About, GROUP_ROWS, NoteText, Recorded};
use crate::cli::flows::Output;
use crate::counted::counted;
use crate::journal::Shown;
use crate::query::may_go_on;

/// So many flows wait in memory at most to be written as groups of rows: as many as four full ones.
const HELD_MAX: usize = 4 * GROUP_ROWS;

/// So many flows make a file at most: some 500 MB in Parquet.
const FLOWS_MAX: u64 = 32 * 1024 * 1024;

/// The files of an export, as flows come in.
pub(super) struct Parts {
    settings: Settings,
    bounds: Bounds,
    /// Those that are written, the one used last behind the others. They go before the directories that they are in.
    open: Vec<Part>,
    directory: Directory,
    /// The number of the next one.
    next: u64,
    /// How many flows all of them hold that are not written yet.
    held: usize,
    /// From here on its files tell, and up to here those up to now, ns since the epoch.
    from: u64,
    told: u64,
    notes: Notes,
    /// The number of the input that is read, and whether nothing of it is in any file yet.
    present: Option<(usize, bool)>,
    /// What was read before there was a file.
    waiting: Read,
    /// The journal is at its end: flows without an end are those that are open there. What is known of them.
    at_end: Option<Note>,
    /// The last that was told of for how long the machine had been up.
    last_up: Option<Note>,
    /// The file of these, and whether there was one.
    left: Option<Part>,
    has_left: bool,
    made: Made,
}

impl Parts {
    pub(super) fn new(settings: Settings, directory: Directory) -> Self {
        let told = settings.header.created;
        let waiting = Read::behind(settings.goes_on_with.clone());
        Self {
            settings,
            bounds: Bounds::default(),
            open: Vec::new(),
            directory,
            next: 0,
            held: 0,
            from: told,
            told,
            notes: Notes::default(),
            present: None,
            waiting,
            at_end: None,
            last_up: None,
            left: None,
            has_left: false,
            made: Made::default(),
        }
    }

    fn end_all(&mut self) -> anyhow::Result<()> {
        if self.next == 0 {
            let part = self.begin(None)?;
            self.open.push(part);
        }
        self.source_is_done();
        self.open.sort_by_key(|part| part.number);
        let last = self.next - 1;
        // While the last file is not there, the export is not whole. That no flow at all was open the next one has to know, too.
        if self.at_end.is_some_and(|left| left.lost.get() != 0) {
            let end = self.settings.end;
            self.left(end)?;
        }
        if let Some(left) = self.left.take() {
            self.has_left = true;
            self.end_left(left)?;
        }
        for part in std::mem::take(&mut self.open) {
            let is_last = part.number == last;
            self.end(part, is_last)?;
        }
        Ok(())
    }

    /// The file of the flows that are open at the end.
    fn left(&mut self, reached: u64) -> anyhow::Result<&mut Part> {
        let part = match self.left.take() {
            Some(part) => part,
            None => {
                let hour = self.settings.partition.then_some(reached / HOUR);
                let file = self.file(hour, |names| names.of_open())?;
                let (read, from) = (Read::default(), self.settings.end);
                Part { number: 0, hour, from, to: None, flows: 0, held: 0, read, file }
            }
        };
        Ok(self.left.insert(part))
    }

    fn end_left(&mut self, part: Part) -> anyhow::Result<()> {
        let Target::New(file) = part.file else { return Ok(()) };
        let export = export_of_open(&self.settings.export);
        // What it tells of the time before, its rows do alone; but what goes on with it is known to come later by how long the machine had
        // been up.
        let (from, to) = (part.from, part.from);
        let notes = self.at_end.iter().chain(&self.last_up).map(NoteText::of).collect();
        let bytes = file.finish(&About { export, is_last: true, is_of_open: true, from, to, notes, ..self.about() })?;
        self.made.wrote(part.flows, bytes);
        self.made.open = part.flows;
        Ok(())
    }

    /// What all files say of themselves.
    fn about(&self) -> About {
        About {
            software: concat!("ctrecorder ", env!("CARGO_PKG_VERSION")).into(),
            host: self.settings.header.host.clone(),
            export: self.settings.export.clone(),
            recorded: Recorded::of(&self.settings.header),
            chosen: Some(self.settings.chosen.clone()),
            archive_from: self.settings.archive_from.map(|from| from.unwrap_or(self.from)),
            earlier: self.settings.earlier,
            ended: Some(self.settings.end),
            ..About::default()
        }
    }

    /// The file that a flow belongs to.
    fn part<A: Address>(&mut self, record: &Record<A>, reached: u64) -> anyhow::Result<&mut Part> {
        if self.is_left(record) {
            return self.left(reached);
        }
        let moment = Some(record.end.get()).filter(|end| *end != 0).unwrap_or(reached);
        let hour = self.settings.partition.then_some(moment / HOUR);
        let place = self.open.iter().position(|part| part.hour == hour && part.flows < FLOWS_MAX);
        let part = match place {
            // Mostly it is the last one already.
            Some(place) if place + 1 == self.open.len() => None,
            Some(place) => Some(self.open.remove(place)),
            None => {
                self.make_room(hour, reached)?;
                Some(self.begin(hour)?)
            }
        };
        self.open.extend(part);
        // It was put there.
        let part = self.open.last_mut().ok_or_else(|| anyhow::anyhow!("no file is open"))?;
        if let Some((number, is_first)) = &mut self.present
            && !part.read.is_of(Some(*number))
        {
            let input = self.settings.inputs.get(*number).and_then(Option::as_ref);
            part.read.source(*number, input, std::mem::take(is_first));
        }
        Ok(part)
    }

    /// The file that is written, or what will be said in the first one.
    fn read(&mut self) -> &mut Read {
        self.open.last_mut().map_or(&mut self.waiting, |part| &mut part.read)
    }

    /// An input of which nothing is in any file was read for the one that is written.
    fn source_is_done(&mut self) {
        if let Some((number, true)) = self.present.take() {
            let input = self.settings.inputs.get(number).cloned().flatten();
            self.read().source(number, input.as_ref(), true);
        }
    }

    /// Whether a flow is one that is open at the end, and goes to the file of these.
    fn is_left<A: Address>(&self, record: &Record<A>) -> bool {
        self.at_end.is_some() && may_go_on(record)
    }

    /// The file of the flows that are open at the end took one.
    fn took_left(&mut self) -> anyhow::Result<()> {
        let Some(part) = &mut self.left else { return Ok(()) };
        if part.took() { part.write_held() } else { Ok(()) }
    }

    /// The file used last took a flow. What waits in memory is written where there is enough of it. Files that are there already
    /// count as others, so that whatever is there, those that are made are the same.
    fn took(&mut self) -> anyhow::Result<()> {
        let Some(part) = self.open.last_mut() else { return Ok(()) };
        let is_full = part.took();
        self.held += 1;
        let full = if is_full {
            part
        } else if self.held >= HELD_MAX
            && let Some(most) = self.open.iter_mut().max_by_key(|part| part.held)
        {
            most
        } else {
            return Ok(());
        };
        self.held = self.held.saturating_sub(full.held);
        full.write_held()
    }

    /// Ends the files that are full, or that have not been used for longest.
    fn make_room(&mut self, hour: Option<u64>, reached: u64) -> anyhow::Result<()> {
        if hour.is_none() && self.next > 0 {
            self.told = self.told.max(reached.min(self.settings.end));
        }
        let full = self.open.iter().position(|part| part.hour == hour);
        if let Some(place) = full.or((self.open.len() >= self.settings.open_max()).then_some(0)) {
            let part = self.open.remove(place);
            self.end(part, false)?;
        }
        Ok(())
    }

    fn begin(&mut self, hour: Option<u64>) -> anyhow::Result<Part> {
        let (number, from) = (self.next, self.told);
        self.next += 1;
        let to = hour.map(|hour| hour.saturating_add(1).saturating_mul(HOUR).min(self.settings.end).max(from));
        self.told = to.unwrap_or(from);
        let file = self.file(hour, |names| names.of(number))?;
        let read = std::mem::take(&mut self.waiting);
        Ok(Part { number, hour, from, to, flows: 0, held: 0, read, file })
    }

    /// A file of this name.
    fn file(&mut self, hour: Option<u64>, named: impl FnOnce(&Names<'_>) -> String) -> anyhow::Result<Target> {
        let Settings { form, name, header, without_ids, export, .. } = &self.settings;
        let mut file = hour.map(folder).unwrap_or_default();
        file.push(named(&Names { export, begin: name, form: *form }));
        if let Some(length) = self.directory.has(&file) {
            return Ok(Target::There { file, length });
        }
        let path = self.directory.prepare(&file)?;
        Ok(Target::New(Box::new(File::create(&path, *form, header, *without_ids)?)))
    }

    /// Ends a file.
    fn end(&mut self, part: Part, is_last: bool) -> anyhow::Result<()> {
        let to = if is_last { self.settings.end } else { part.to.unwrap_or(self.told) }.max(part.from);
        let span = part.span(to);
        self.notes.ended(span.to);
        self.held = self.held.saturating_sub(part.held);
        let file = match part.file {
            Target::New(file) => file,
            Target::There { file, length: 0 } if part.flows > 0 => {
                bail!("{}: it is empty, and should hold {}; remove it", Shown(&file), counted(part.flows, "flow"))
            }
            Target::There { .. } => {
                self.made.present += 1;
                return Ok(());
            }
        };
        let Read { sources, damage, damaged, records_lost, .. } = part.read;
        let about = About {
            part: part.number,
            is_last,
            left_open: (is_last && self.settings.archive_from.is_some()).then_some(self.has_left),
            from: part.from,
            to,
            sources,
            damage,
            damaged,
            records_lost,
            notes: self.notes.of(part.number, span),
            ..self.about()
        };
        let bytes = file.finish(&about)?;
        self.made.wrote(part.flows, bytes);
        Ok(())
    }
}

impl Output for Parts {
    type Made = Made;

    fn begin_at(&mut self, moment: u64) {
        if self.next == 0 {
            self.told = self.told.max(moment);
            self.from = self.told;
        }
    }

    fn source(&mut self, number: usize) {
        self.source_is_done();
        self.present = Some((number, true));
    }

    fn damage(&mut self, what: &str, records_lost: u64) {
        self.read().damage(what, records_lost);
    }

    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        let flow = self.bounds.of(flow, counters);
        if let Target::New(file) = &mut self.part(&flow.record, reached)?.file {
            file.ipv4(&flow)?;
        }
        if self.is_left(&flow.record) { self.took_left() } else { self.took() }
    }

    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        let flow = self.bounds.of(flow, counters);
        if let Target::New(file) = &mut self.part(&flow.record, reached)?.file {
            file.ipv6(&flow)?;
        }
        if self.is_left(&flow.record) { self.took_left() } else { self.took() }
    }

    fn note(&mut self, note: &Note) -> anyhow::Result<()> {
        self.bounds.note(note);
        if note.cause() == Some(Cause::Uptime) {
            self.last_up = Some(*note);
        }
        // What readings tell is in the rows; and that nothing happened says nothing here. Without ids no flow is known again, and of
        // those that are open, which are not in these files, a later export tells.
        let is_told = match note.cause() {
            Some(Cause::TableRead | Cause::Quiet) => false,
            Some(Cause::FirstRead) => !self.settings.without_ids && !self.settings.leaves_open,
            _ => true,
        };
        if is_told {
            let open: Vec<_> = self.open.iter().map(|part| part.number).collect();
            self.notes.take(note, if open.is_empty() { std::slice::from_ref(&self.next) } else { &open });
        }
        Ok(())
    }

    fn reading(&mut self, note: &Note) -> anyhow::Result<()> {
        self.bounds.note(note);
        Ok(())
    }

    fn part(&mut self, left: &Note) {
        self.at_end = self.settings.leaves_open.then_some(*left);
    }

    /// Each file tells up to where the next one begins: up to when the journal tells was known before.
    fn finish(mut self, _closed: u64) -> anyhow::Result<Made> {
        self.end_all()?;
        Ok(self.made)
    }
}

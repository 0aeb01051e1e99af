//! Divides flows into the files of an export, and tells each what it is to say of itself.
//!
//! Each file tells of a span of time, and the files of an export follow each other without a gap. With `--partition` a file
//! is of one hour: that in which its flows ended or, where nobody heard the end, up to which the journal had told when that was
//! clear. So flows come nearly in the order of files, and few of these are open at once.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Timelike};
use ctrecorder_format::{Address, Cause, Counters, Header, NS_PER_SECOND, Note, Record, V4, V6};

use super::Form;
use super::before::export_of_open;
use super::bounds::Bounds;
use super::directory::Directory;
use super::file::File;
use crate::archive::{About, NoteText, Recorded, SourceFile};
use crate::cli::flows::Output;
use crate::query::may_go_on;

/// So many files are written at once at most. A flow may end an hour or two before that is known.
const OPEN_MAX: usize = 4;

/// So many flows make a file at most: some 500 MB in Parquet.
const FLOWS_MAX: u64 = 32 * 1024 * 1024;

const HOUR: u64 = 3_600 * NS_PER_SECOND;

/// So many stretches of damage are named in a file; all are counted.
const DAMAGE_NAMED: usize = 100;

/// What all files of an export have in common.
pub(super) struct Settings {
    pub(super) form: Form,
    pub(super) partition: bool,
    pub(super) without_ids: bool,
    /// The export, by 32 hexadecimal digits.
    pub(super) export: String,
    /// The begin of file names.
    pub(super) name: String,
    /// Which flows were chosen, as text; empty: all.
    pub(super) chosen: String,
    /// The flows that are open at its end are in a file of their own.
    pub(super) leaves_open: bool,
    /// Such files of earlier exports.
    pub(super) goes_on_with: Vec<SourceFile>,
    /// What was recorded.
    pub(super) header: Header,
    /// Until when the journal tells, ns since the epoch.
    pub(super) end: u64,
    /// The files of the journal, by their numbers; `None` where one could not be read.
    pub(super) sources: Vec<Option<SourceFile>>,
}

/// The files of an export, as flows come in.
pub(super) struct Parts {
    settings: Settings,
    bounds: Bounds,
    /// Those that are written, the one used last behind the others. They go before the directories that they are in.
    open: Vec<Part>,
    directory: Directory,
    /// The number of the next one.
    next: u64,
    /// Up to here the files up to now tell, ns since the epoch.
    told: u64,
    /// What the next file that is ended says of what came since the last one.
    said: Said,
    /// The journal is at its end: flows without an end are those that are open there.
    is_at_end: bool,
    /// The file of these.
    left: Option<Part>,
    made: Made,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Made {
    /// Files that were written.
    files: u64,
    /// The flows in them.
    flows: u64,
    /// Their bytes.
    bytes: u64,
    /// Files that were there already.
    present: u64,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, flows, bytes, present } = self;
        write!(
            f,
            "{} exported into {} of {} together",
            count(*flows, "flow"),
            count(*files, "file"),
            count(*bytes, "byte")
        )?;
        match present {
            0 => Ok(()),
            present => write!(f, "; {} there already", count(*present, "file")),
        }
    }
}

/// A whole number of things.
fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// What a file says of the journal.
#[derive(Default)]
struct Said {
    sources: Vec<SourceFile>,
    notes: Vec<NoteText>,
    damage: Vec<String>,
    damaged: u64,
    records_lost: u64,
}

/// A file that is written.
struct Part {
    number: u64,
    /// The hour of its flows since the epoch, if it is of one.
    hour: Option<u64>,
    from: u64,
    /// `None`: where the next one begins.
    to: Option<u64>,
    flows: u64,
    /// `None`: it is there already.
    file: Option<File>,
}

impl Parts {
    pub(super) fn new(settings: Settings, directory: Directory) -> Self {
        let told = settings.header.created;
        let said = Said { sources: settings.goes_on_with.clone(), ..Said::default() };
        let (bounds, open, made) = (Bounds::default(), Vec::new(), Made::default());
        Self { settings, bounds, open, directory, next: 0, told, said, is_at_end: false, left: None, made }
    }

    fn end_all(&mut self) -> anyhow::Result<()> {
        if self.next == 0 {
            let part = self.begin(None)?;
            self.open.push(part);
        }
        self.open.sort_by_key(|part| part.number);
        let last = self.next - 1;
        // While the last file is not there, the export is not whole.
        if let Some(left) = self.left.take() {
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
                let file = self.file(hour, "open")?;
                Part { number: 0, hour, from: self.settings.end, to: None, flows: 0, file }
            }
        };
        Ok(self.left.insert(part))
    }

    fn end_left(&mut self, part: Part) -> anyhow::Result<()> {
        let Some(file) = part.file else { return Ok(()) };
        let export = export_of_open(&self.settings.export);
        // What it tells of the time before, its rows do alone.
        let (from, to) = (part.from, part.from);
        let path = file.finish(&About { export, is_last: true, is_of_open: true, from, to, ..self.about() })?;
        self.directory.wrote(path);
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
            ..About::default()
        }
    }

    /// The file that a flow belongs to.
    fn part<A: Address>(&mut self, record: &Record<A>, reached: u64) -> anyhow::Result<&mut Part> {
        if self.is_at_end && may_go_on(record) {
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
        self.open.last_mut().ok_or_else(|| anyhow::anyhow!("no file is open"))
    }

    /// Ends the files that are full, or that have not been used for longest.
    fn make_room(&mut self, hour: Option<u64>, reached: u64) -> anyhow::Result<()> {
        if hour.is_none() && self.next > 0 {
            self.told = self.told.max(reached.min(self.settings.end));
        }
        let full = self.open.iter().position(|part| part.hour == hour);
        if let Some(place) = full.or((self.open.len() >= OPEN_MAX).then_some(0)) {
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
        let file = self.file(hour, &format!("{number:05}"))?;
        Ok(Part { number, hour, from, to, flows: 0, file })
    }

    /// A file with this at the end of its name; `None` if it is there already.
    fn file(&mut self, hour: Option<u64>, end: &str) -> anyhow::Result<Option<File>> {
        let Settings { form, name, header, without_ids, .. } = &self.settings;
        let mut file = hour.map(folder).unwrap_or_default();
        file.push(format!("{name}-{end}.{}", form.suffix()));
        if self.directory.has(&file) {
            return Ok(None);
        }
        let path = self.directory.prepare(&file)?;
        Ok(Some(File::create(&path, *form, header, *without_ids)?))
    }

    /// Ends a file. What was said since the last one is said in it.
    fn end(&mut self, part: Part, is_last: bool) -> anyhow::Result<()> {
        let Said { sources, notes, damage, damaged, records_lost } = std::mem::take(&mut self.said);
        // The present source goes on in the next file.
        self.said.sources.extend(sources.last().cloned());
        let Some(file) = part.file else {
            self.made.present += 1;
            return Ok(());
        };
        let to = if is_last { self.settings.end } else { part.to.unwrap_or(self.told) };
        let about = About {
            part: part.number,
            is_last,
            from: part.from,
            to: to.max(part.from),
            sources,
            damage,
            damaged,
            records_lost,
            notes,
            ..self.about()
        };
        let path = file.finish(&about)?;
        self.made.files += 1;
        self.made.flows += part.flows;
        self.made.bytes += path.metadata()?.len();
        self.directory.wrote(path);
        Ok(())
    }
}

impl Output for Parts {
    type Made = Made;

    fn begin_at(&mut self, moment: u64) {
        if self.next == 0 {
            self.told = self.told.max(moment);
        }
    }

    fn source(&mut self, number: usize) {
        self.said.sources.extend(self.settings.sources.get(number).cloned().flatten());
    }

    fn damage(&mut self, what: &str, records_lost: u64) {
        self.said.damaged += 1;
        self.said.records_lost = self.said.records_lost.saturating_add(records_lost);
        if self.said.damage.len() < DAMAGE_NAMED {
            self.said.damage.push(what.to_owned());
        }
    }

    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        let flow = self.bounds.of(flow, counters);
        let part = self.part(&flow.record, reached)?;
        part.flows += 1;
        part.file.as_mut().map_or(Ok(()), |file| file.ipv4(&flow))
    }

    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        let flow = self.bounds.of(flow, counters);
        let part = self.part(&flow.record, reached)?;
        part.flows += 1;
        part.file.as_mut().map_or(Ok(()), |file| file.ipv6(&flow))
    }

    fn note(&mut self, note: &Note) -> anyhow::Result<()> {
        self.bounds.note(note);
        // What readings tell is in the rows; and that nothing happened says nothing here.
        if !matches!(note.cause(), Some(Cause::TableRead | Cause::Quiet)) {
            self.said.notes.push(NoteText::of(note));
        }
        Ok(())
    }

    fn reading(&mut self, note: &Note) -> anyhow::Result<()> {
        self.bounds.note(note);
        Ok(())
    }

    fn part(&mut self) {
        self.is_at_end = self.settings.leaves_open;
    }

    /// Each file tells up to where the next one begins: up to when the journal tells was known before.
    fn finish(mut self, _closed: u64) -> anyhow::Result<Made> {
        self.end_all()?;
        self.directory.keep();
        Ok(self.made)
    }
}

/// The directory of an hour since the epoch.
fn folder(hour: u64) -> PathBuf {
    let moment =
        DateTime::from_timestamp(i64::try_from(hour).unwrap_or(0).saturating_mul(3_600), 0).unwrap_or_default();
    PathBuf::from(format!("date={}", moment.format("%Y-%m-%d"))).join(format!("hour={:02}", moment.hour()))
}

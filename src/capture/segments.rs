//! The segments of a recorder, one after the other: the current one, and how the next one begins.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ctrecorder_format::{Cause, Closing, CodecError, Header, Note, Totals, Writer};

use super::error::{StartError, some};
use super::pattern::Pattern;
use super::sync::{Sync, Syncing};
use super::{clock, files, header};

/// How long the rest of a closed segment is tried, if its disk refuses for another reason than being full.
const PATIENCE: Duration = Duration::from_secs(10);

/// The rest of a closed segment is tried no more often than this.
const PAUSE: Duration = Duration::from_millis(900);

/// The segment being written, and the one before it while that is not quite.
#[derive(Debug)]
pub(super) struct Segments {
    pattern: Pattern,
    header: Header,
    path: PathBuf,
    writer: Writer<File>,
    closing: Option<Closed>,
    /// What was lost with a segment before, and is to be noted in the current one.
    given_up: Option<Note>,
    syncing: Syncing,
    /// Bytes written to all of them.
    bytes: u64,
    /// Blocks of those before the current one, but for their footers.
    blocks: u64,
}

/// A closed segment whose footer is not in its file yet.
#[derive(Debug)]
struct Closed {
    path: PathBuf,
    writer: Writer<File>,
    since: Instant,
    tried: Option<Instant>,
}

/// Why the recorder goes on in the old segment.
#[derive(Debug, thiserror::Error)]
pub(super) enum RotateError {
    #[error("{}: exists, and is never overwritten", .0.display())]
    Exists(PathBuf),
    #[error("{}: cannot be created: {error}", path.display())]
    Create { path: PathBuf, error: io::Error },
    #[error("{}: cannot be closed yet", .0.display())]
    Waiting(PathBuf),
    #[error("{0}")]
    Header(#[from] CodecError),
}

/// Whether a disk refuses only as long as it is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Segments {
    /// Creates the first segment. Its header is in the file when this returns.
    pub(super) fn create(pattern: Pattern, header: Header, sync: Sync) -> Result<Self, StartError> {
        let path = pattern.name(header.created);
        let file = files::create(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StartError::Exists(path.clone()),
            io::ErrorKind::NotFound => StartError::NoDirectory(pattern.directory(header.created)),
            _ => StartError::File { path: path.clone(), what: "cannot create it", error },
        })?;
        let failed = |error| StartError::File { path: path.clone(), what: "cannot write the header", error };
        let mut writer = Writer::new(file, &header).map_err(|error| failed(io::Error::other(error)))?;
        writer.write_out().map_err(failed).inspect_err(|_| files::remove(&path))?;
        let syncing = Syncing::begin(sync, writer.output(), &path, header.created);
        Ok(Self { pattern, header, path, writer, closing: None, given_up: None, syncing, bytes: 0, blocks: 0 })
    }

    /// Removes a first segment whose recorder does not start after all.
    pub(super) fn abandon(&self) {
        files::remove(&self.path);
    }

    /// The current segment.
    pub(super) const fn writer(&mut self) -> &mut Writer<File> {
        &mut self.writer
    }

    /// Whether they are of the recorder's own network namespace.
    pub(super) const fn are_of_own_netns(&self) -> bool {
        self.header.netns().is_none()
    }

    /// The current segment's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that all segments are in, or beneath.
    pub(super) fn directory(&self) -> PathBuf {
        self.pattern.fixed_directory()
    }

    /// The file of the current segment.
    pub(super) const fn file(&self) -> &File {
        self.writer.output()
    }

    /// The next moment of rotation after `now`.
    pub(super) fn next_rotation(&self, now: u64) -> Option<u64> {
        self.pattern.next_rotation(now)
    }

    /// The last moment of rotation, `now` included.
    pub(super) fn last_rotation(&self, now: u64) -> Option<u64> {
        self.pattern.last_rotation(now)
    }

    /// Bytes written to all segments.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Blocks of all segments, those that wait to be written among them.
    pub(super) const fn blocks(&self) -> u64 {
        self.blocks + self.writer.totals().blocks
    }

    /// Whether something sealed is not in the files yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.closing.is_some() || self.writer.waiting() > 0
    }

    /// How many events were received and are told of in no file yet, where that is known.
    pub(super) fn unwritten_events(&self) -> Option<u64> {
        let closing = self.closing.as_ref().map_or(Some(0), |closed| closed.writer.unwritten().events);
        self.writer.unwritten().events.zip(closing).map(|(events, more)| events + more)
    }

    /// What was lost with a segment before, or may be missing on the medium, to be noted in the current one.
    pub(super) fn take_given_up(&mut self) -> Option<Note> {
        self.given_up.take().or_else(|| self.syncing.take_gap())
    }

    /// When the current segment was begun, and how many records and notes it was given.
    pub(super) const fn pushed(&self) -> (u64, u64) {
        let totals = self.writer.totals();
        (self.header.created, totals.records() + totals.notes)
    }

    /// For how long the machine had been up at this moment, by the clock as it is set now.
    pub(super) fn uptime(&self, moment: u64) -> Note {
        clock::uptime(moment, self.header.boot_id)
    }

    /// Whether the current segment's file was removed, so that nobody will ever read it.
    pub(super) fn is_removed(&self) -> bool {
        self.file().metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// What the current segment tells of.
    pub(super) const fn totals(&self) -> &Totals {
        self.writer.totals()
    }

    /// Syncs if it is time to. To be called once a second.
    pub(super) fn sync_if_due(&mut self) {
        let until = self.written_until();
        self.syncing.tick(self.writer.output(), &self.path, until);
    }

    /// Syncs what was written last. Fails, too, if an earlier failure could not be noted any more.
    pub(super) fn sync_at_end(&mut self) -> io::Result<()> {
        self.file().sync_all()?;
        let unconfirmed = self.syncing.take_gap();
        unconfirmed.map_or(Ok(()), |_| Err(io::Error::other("the disk did not take all of it")))
    }

    /// What arrived before this moment is in the files, or noted: an event may wait a second for the writing thread.
    fn written_until(&self) -> u64 {
        let now = clock::now();
        self.writer.unwritten().since.unwrap_or(now).min(now).saturating_sub(clock::SECOND)
    }

    /// Writes what is sealed, the last segment's rest first. That one may only hold up the current segment while the disk
    /// is full; if its file refuses for good, it is given up.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        if let Some(closed) = &mut self.closing
            && closed.tried.is_none_or(|tried| tried.elapsed() >= PAUSE)
        {
            closed.tried = Some(Instant::now());
            match write_counted(&mut closed.writer, &mut self.bytes) {
                Ok(()) => self.closed(),
                Err(error) if is_full(&error) => {
                    closed.tried = None;
                    return Err(error);
                }
                Err(error) if closed.since.elapsed() >= PATIENCE => self.give_up(&error),
                Err(_) => {}
            }
        }
        let before = self.bytes;
        let result = write_counted(&mut self.writer, &mut self.bytes);
        if self.bytes > before {
            let until = self.written_until();
            self.syncing.written(self.writer.output(), &self.path, until);
        }
        result
    }

    /// Tries the last segment's rest for the last time, and waits for what is being synced.
    pub(super) fn settle(&mut self) {
        if let Some(closed) = &mut self.closing {
            match write_counted(&mut closed.writer, &mut self.bytes) {
                Ok(()) => self.closed(),
                Err(error) => self.give_up(&error),
            }
        }
        self.syncing.finish();
    }

    /// The last segment has its footer.
    fn closed(&mut self) {
        if let Some(closed) = self.closing.take() {
            self.syncing.closed(
                closed.writer.output(),
                &closed.path,
                self.header.created.saturating_sub(clock::SECOND),
            );
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        let Some(closed) = self.closing.take() else { return };
        let unwritten = closed.writer.unwritten();
        let events = some(unwritten.events);
        tracing::error!("{}: given up: {error}; lost of its end: {events}", closed.path.display());
        let now = clock::now();
        let lost = unwritten.events.unwrap_or(Note::LOST_UNKNOWN);
        self.given_up = Some(Note::gap(unwritten.since.unwrap_or(now).min(now), now, lost, Cause::DiskError));
    }

    /// Closes the current segment and goes on in the one named by `moment`. If there is none, nothing has changed.
    ///
    /// The new file is created first, so that the old segment is only closed when there is a place to go. If the old one's
    /// file was removed, what it told of is lost, so many `events`, and is to be noted.
    pub(super) fn rotate(&mut self, moment: u64, events: u64) -> Result<(), RotateError> {
        if let Some(closed) = &self.closing {
            return Err(RotateError::Waiting(closed.path.clone()));
        }
        let path = self.pattern.name(moment);
        let file = files::create(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => RotateError::Exists(path.clone()),
            _ => RotateError::Create { path: path.clone(), error },
        })?;
        self.syncing.created(&path);
        let now = clock::now();
        let lost = self.is_removed().then(|| Note::gap(self.header.created.min(now), now, events, Cause::Removed));
        // Both segments tell when that was by a clock that nobody sets, whichever of them is found later.
        let uptime = self.uptime(now);
        self.writer.note(&uptime);
        let digest = self.writer.finish(Closing::WentOn, now)?;
        self.blocks += self.writer.totals().blocks;
        self.header = header::next(&self.header, digest, now);
        let writer = std::mem::replace(&mut self.writer, Writer::new(file, &self.header)?);
        self.writer.note(&uptime);
        let path = std::mem::replace(&mut self.path, path);
        // A footer that nobody can read is not worth a write.
        match lost {
            Some(lost) => self.given_up = Some(lost),
            None => self.closing = Some(Closed { path, writer, since: Instant::now(), tried: None }),
        }
        Ok(())
    }

    /// Whether the current segment was begun less than a second ago under the very name that this moment gives, and still
    /// has it: who wants a new one has it.
    pub(super) fn has_just_begun(&self, moment: u64) -> bool {
        moment.saturating_sub(self.header.created) < clock::SECOND
            && self.pattern.name(moment) == self.path
            && files::is_at(self.writer.output(), &self.path)
    }

    /// Adds the footer to the current segment.
    pub(super) fn finish(&mut self, closed: u64) -> io::Result<()> {
        let uptime = self.uptime(closed);
        self.writer.note(&uptime);
        self.writer.finish(Closing::Stopped, closed).map(drop).map_err(io::Error::other)
    }
}

/// Writes what is sealed, and adds how many bytes that were.
fn write_counted(writer: &mut Writer<File>, bytes: &mut u64) -> io::Result<()> {
    let before = writer.waiting();
    let result = writer.write_out();
    *bytes += (before - writer.waiting()) as u64;
    result
}

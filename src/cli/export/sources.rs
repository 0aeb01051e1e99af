//! What an export is made from. It goes by a name that is the same whenever the same is exported in the same way, so that a
//! later run knows what an earlier one has done.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use ctrecorder_format::{Content, Header, MadeFrom, Segment, Uptime, digest_of};

use super::How;
use super::said::Input;
use crate::archive::{Archive, Place, SourceFile};
use crate::cli::Misuse;
use crate::journal::{self, Error, Journal, Member, Version, begun_behind, begun_up};
use crate::output::header::hex;

/// Changes whenever an export of the same inputs would become another one.
const MAKING: &str = "4";

/// So many digits of the name of an export are in the names of its files.
const DIGITS: usize = 16;

/// Into a file of version 2 that nobody wrote to for so long, nobody is taken to write any more.
const WRITTEN_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// What is known of the files that are exported, in their order.
pub(super) struct Sources {
    files: Vec<Result<Source, Error>>,
}

/// A file that is exported.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// `None` if its header cannot be read.
    pub(super) recorder: Option<Recorder>,
    is_of_flows: bool,
    /// Its protocol, if it is of version 2.
    version_2: Option<u8>,
    /// From when on it tells, and until when; ns since the epoch.
    pub(super) begun: u64,
    pub(super) ended: u64,
    /// Until when, by what the clock showed then: where it was set back, that may be earlier than its begin.
    pub(super) told_to: u64,
    /// When the run had ended that its own came behind, as it tells itself; or from when on, if the clock was set back since.
    pub(super) behind: Option<u64>,
    pub(super) behind_later: Option<u64>,
    /// For how long the machine had been up when it was begun, if it tells.
    pub(super) up: Option<Uptime>,
    pub(super) end: End,
    /// What the export tells of it.
    pub(super) told: Input,
}

/// Who recorded a file: a row of an archive does not tell more of that than the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorder {
    pub(super) host: String,
    pub(super) netns: Option<u32>,
    /// The network namespace, as headers have it; 0 if not known.
    pub(super) namespace: u64,
    /// Zeros if not known.
    pub(super) machine: [u8; 16],
}

impl Recorder {
    /// What a header says.
    pub(super) fn of(header: &Header) -> Self {
        let Header { host, namespace, machine, .. } = header.clone();
        Self { host, netns: header.netns(), namespace, machine }
    }

    /// Whether another one recorded on another machine, as far as both tell.
    pub(super) fn is_on_another_machine(&self, other: &Self) -> bool {
        self.machine != other.machine && ![self.machine, other.machine].contains(&[0; 16])
    }
}

/// Whether there may be more of a file one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    BeingWritten,
    /// A segment without a footer: unless something is behind it, somebody may write on.
    Open,
    /// A file of version 2 of this protocol, which never tells, and was written to lately: unless another one of the protocol is behind
    /// it, or the recorder was replaced by one that writes segments.
    Version2(u8),
    Complete,
}

impl Sources {
    /// The files of a journal. Those that cannot be read are told of when they are exported.
    pub(super) fn of(journal: &Journal) -> Self {
        Self { files: journal.files().iter().map(Source::look).collect() }
    }

    /// Those in these places.
    pub(super) fn only(self, places: &[usize]) -> Self {
        let files = self.files.into_iter().enumerate().filter(|(place, _)| places.contains(place));
        Self { files: files.map(|(_, file)| file).collect() }
    }

    pub(super) fn files(&self) -> &[Result<Source, Error>] {
        &self.files
    }

    pub(super) fn readable(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().flatten()
    }

    /// Until when the run of one of these files tells, as far as it is among them, by what the clock showed then.
    pub(super) fn run_ended(&self, own: &Source) -> u64 {
        let of_run = |run: &str| self.readable().filter(move |other| other.run() == Some(run)).last();
        own.run().and_then(of_run).unwrap_or(own).told_to
    }

    /// Who recorded the first of those that tell, with what others know besides.
    pub(super) fn recorder(&self) -> Option<Recorder> {
        let mut recorders = self.readable().filter_map(|file| file.recorder.as_ref());
        let first = recorders.next()?.clone();
        let machine = recorders.map(|other| other.machine).find(|machine| *machine != [0; 16]);
        Some(Recorder {
            machine: if first.machine == [0; 16] { machine.unwrap_or_default() } else { first.machine },
            ..first
        })
    }

    /// Refuses files of several recorders: a row would not tell which of them had an address.
    pub(super) fn check_recorder(&self) -> Result<(), Misuse> {
        let Some(first) = self.recorder() else { return Ok(()) };
        for other in self.readable().filter_map(|file| file.recorder.as_ref()) {
            if first.host != other.host {
                let (first, second) = (first.host.escape_debug(), other.host.escape_debug());
                return Err(Misuse(format!(
                    "files of several hosts, \"{first}\" and \"{second}\": export each by itself"
                )));
            }
            if first.netns != other.netns {
                return Err(Misuse("files of several network namespaces: export each by itself, with --netns".into()));
            }
            if first.is_on_another_machine(other) {
                let host = first.host.escape_debug();
                return Err(Misuse(format!("files of several machines called \"{host}\": export each by itself")));
            }
        }
        Ok(())
    }

    /// By what name their export goes, 32 hexadecimal digits. What goes on with `open` files of other exports is another one than what
    /// does not.
    pub(super) fn export(&self, how: &How, open: &[SourceFile]) -> String {
        let filter = how.choice.filter_text().unwrap_or_default();
        let made = format!("{MAKING}\n{:?} {} {}\n{}\n", how.form, how.partition, how.without_ids, filter);
        let text = self.files.iter().fold(made, |text, file| {
            let told = |Source { recorder, begun, told, .. }: &Source| {
                let SourceFile { length, segment, digest, content, .. } = &told.file;
                let host = recorder.as_ref().map(|recorder| &recorder.host);
                format!("{:?}", (host, begun, length, segment, digest, content))
            };
            text + &format!("{:?}\n", file.as_ref().ok().map(told))
        });
        let text = open.iter().fold(text, |text, open| text + &format!("{} {}\n", open.name, open.length));
        hex(digest_of(text.as_bytes()).get(..16).unwrap_or_default())
    }

    /// What the names of the files of an export begin with: the host, as far as that is fit for one, and the first digits.
    pub(super) fn name(&self, export: &str) -> String {
        let host = self.recorder().map(|recorder| recorder.host).unwrap_or_default();
        let is_fit = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        let host: String = host.chars().filter(is_fit).take(64).collect();
        let digits = export.get(..DIGITS).unwrap_or_default();
        if host.is_empty() { format!("flows-{digits}") } else { format!("{host}-{digits}") }
    }

    /// What the export tells of the files of its journal; `None` where one could not be read.
    pub(super) fn told(&self) -> Vec<Option<Input>> {
        self.files.iter().map(|file| file.as_ref().ok().map(|file| file.told.clone())).collect()
    }

    /// Whether some of the files are squeezed, or archives.
    pub(super) fn is_of_flows(&self) -> bool {
        self.readable().any(|file| file.is_of_flows)
    }

    /// How many stretches could not be read when the files that are archives were made.
    pub(super) fn damaged(&self) -> u64 {
        self.readable().map(|file| file.told.damaged).sum()
    }
}

impl Source {
    /// Whether it is behind a file of version 2 of this protocol: another one, or what a recorder wrote that took its place.
    pub(super) fn replaces_version_2(&self, protocol: u8) -> bool {
        self.version_2.is_none_or(|own| own == protocol)
    }

    /// By what its run is known; of a squeezed file, that of the last of its sources.
    fn run(&self) -> Option<&str> {
        self.told.file.place.as_ref().map(|place| place.run.as_str())
    }

    fn look(file: &Member) -> Result<Self, Error> {
        let source = file.open()?;
        let version = source.parse()?;
        let end = match &version {
            _ if source.is_being_written() => End::BeingWritten,
            Version::Three(segment) if segment.footer().is_none() => End::Open,
            Version::Two(two) if was_written_lately(file.path()) => End::Version2(two.header().protocol),
            _ => End::Complete,
        };
        let (damaged, records_lost) = match &version {
            Version::Archive(archive) => (archive.about().damaged, archive.about().records_lost),
            Version::Two(_) | Version::Three(_) => (0, 0),
        };
        Ok(Self {
            path: file.path().to_path_buf(),
            recorder: recorder(&version),
            version_2: match &version {
                Version::Two(file) => Some(file.header().protocol),
                Version::Three(_) | Version::Archive(_) => None,
            },
            is_of_flows: version.content() == Content::Flows,
            begun: version.begun(),
            ended: version.ended(),
            told_to: version.told_to().unwrap_or_else(|| version.ended()),
            behind: begun_behind(&version),
            behind_later: journal::Place::of(&version).behind_later,
            up: begun_up(&version),
            end,
            told: Input { file: source_file(file, &source, &version), damaged, records_lost },
        })
    }
}

/// Whether somebody wrote to a file in the last hours, or nobody can say.
fn was_written_lately(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    // What was written in the future was written by a clock that is wrong.
    modified.map_or(true, |modified| modified.elapsed().map_or(true, |age| age < WRITTEN_WITHIN))
}

fn recorder(version: &Version<'_>) -> Option<Recorder> {
    match version {
        Version::Two(file) => {
            Some(Recorder { host: file.header().host.clone(), netns: None, namespace: 0, machine: [0; 16] })
        }
        Version::Three(_) | Version::Archive(_) => version.header().map(Recorder::of),
    }
}

/// What an export tells of a file.
fn source_file(file: &Member, source: &journal::Source, version: &Version<'_>) -> SourceFile {
    let name = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let segment = version.header().map(|header| header.segment_number);
    let length = source.length();
    let told = SourceFile { name, length, segment, ..SourceFile::default() };
    let content = file.read_content(source, version).map(|digest| hex(&digest));
    match version {
        Version::Two(_) => {
            let own = MadeFrom::version_2(version.begun(), length);
            SourceFile { content, place: Some(place(&own, version.begun())), ..told }
        }
        Version::Three(three) => {
            let digest = three.footer().map(|footer| hex(&footer.digest));
            let made_from = three.made_from().map(id).collect();
            SourceFile { content, digest, place: place_of(three, version), made_from, ..told }
        }
        Version::Archive(archive) => {
            let made_from = archive.about().sources.iter().flat_map(ids).collect();
            SourceFile { content, place: place_of_part(archive), made_from, ..told }
        }
    }
}

/// The place of a segment; of one of flows, that of the last of its sources.
fn place_of(segment: &Segment<'_>, version: &Version<'_>) -> Option<Place> {
    let header = segment.header().ok()?;
    let own = MadeFrom::segment(header, segment.footer(), 0);
    // The next one of a recorder may have begun a moment before this one ended, and that of another one beside it earlier still.
    let next_from = if segment.made_from().nth(1).is_some() { version.ended() } else { header.created };
    Some(place(segment.made_from().last().unwrap_or(&own), next_from))
}

/// The place of a file of an archive. One of open flows has none: what is behind it may have begun before its end, as may what is behind
/// the later files of an export.
fn place_of_part(archive: &Archive) -> Option<Place> {
    let header = archive.header();
    let own = MadeFrom::segment(header, None, 0);
    let next_from = if header.segment_number == 0 { header.created } else { 0 };
    (!archive.about().is_of_open).then(|| place(&own, next_from))
}

fn place(file: &MadeFrom, next_from: u64) -> Place {
    Place { run: run(file), number: file.segment_number.get(), next_from }
}

fn run(file: &MadeFrom) -> String {
    format!("{}-{}", hex(&file.boot_id), file.recorder_started.get())
}

/// What a file is known by where something was made from it: its digest, or where it has none, whose it is, and its length.
fn id(file: &MadeFrom) -> String {
    file.digest()
        .map_or_else(|| without_digest(&run(file), file.segment_number.get(), file.length.get()), |digest| hex(&digest))
}

/// What a file without a digest is known by where something was made from it.
pub(super) fn without_digest(run: &str, number: u64, length: u64) -> String {
    format!("{run} {number} {length}")
}

/// The digest of a file, that of its content, and those of what it was made from.
pub(super) fn ids(file: &SourceFile) -> impl Iterator<Item = String> {
    file.digest.iter().chain(&file.content).chain(&file.made_from).cloned()
}

/// Refuses an input that is in the directory of the output.
pub(super) fn check_elsewhere(journal: &Journal, output: &Path) -> anyhow::Result<()> {
    if let Some(input) = journal.files().iter().find(|file| super::directory::holds(output, file.path())) {
        let what = "an input in the directory of the output: its flows would be there twice";
        bail!(Misuse(format!("{}: {what}", crate::journal::Shown(input.path()))));
    }
    Ok(())
}

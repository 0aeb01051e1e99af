//! Which files of an export, and which exports to an archive that grows, are not among those that are given.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::{Shown, Version};
use crate::archive::About;
use crate::counted::are;

/// The files that are given, export by export, and the exports archive by archive.
#[derive(Clone, Debug, Default)]
pub struct Exports {
    exports: HashMap<String, BTreeMap<u64, Given>>,
    archives: HashMap<Grown, BTreeMap<u64, Put>>,
    /// From when on the files tell, ns since the epoch; `None` if there are none.
    begun: Option<u64>,
}

/// A file that is given.
#[derive(Clone, Debug)]
struct Given {
    path: PathBuf,
    is_last: bool,
}

/// An archive that grows: one is of one host and one id of its network namespaces, and of one choice of flows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Grown {
    host: String,
    netns: Option<u32>,
    chosen: String,
    /// When it began, ns since the epoch.
    from: u64,
}

/// An export to it.
#[derive(Clone, Debug, Default)]
struct Put {
    /// Its first file that is given, but for that of the flows that it left open.
    first: Option<(u64, PathBuf)>,
    /// Its last file, if it left flows open.
    left_open: Option<PathBuf>,
    /// The file of these.
    open: Option<PathBuf>,
}

/// What is missing before a file that is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Files of its own export.
    Files,
    /// Exports to its archive.
    Exports,
}

/// Files that are not given, beside one that is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Absent {
    /// All before the first one that is given: the oldest flows were removed, or are elsewhere.
    #[error("{} that {} not among those given", what.before(*count), are(*count))]
    Begin {
        /// The first one that is given.
        path: PathBuf,
        /// What is missing.
        what: What,
        /// How many are not given.
        count: u64,
    },
    /// Some before one that is given, and behind others.
    #[error("{} that {} not among those given, and others before are", what.before(*count), are(*count))]
    Between {
        /// The one behind them.
        path: PathBuf,
        /// What is missing.
        what: What,
        /// How many are not given.
        count: u64,
    },
    /// All behind the last one that is given: in them are flows that ended later, whenever they began.
    #[error("what comes behind it of its export is not among those given")]
    End {
        /// The last one that is given.
        path: PathBuf,
    },
    /// The flows that the last export to an archive left open, and what went on with them.
    #[error("the flows that were open at its end are not among those given: {}", behind(path))]
    Open {
        /// The last file of that export.
        path: PathBuf,
    },
}

impl What {
    /// How many there were before something.
    fn before(self, count: u64) -> String {
        match (self, count) {
            (Self::Files, 1) => "before it there was a file of its export".into(),
            (Self::Files, files) => format!("before it there were {files} files of its export"),
            (Self::Exports, 1) => "before it there was an export to its archive".into(),
            (Self::Exports, exports) => format!("before it there were {exports} exports to its archive"),
        }
    }
}

/// Where those flows are that were open at the end of the export of which this is the last file.
fn behind(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let begin = name.rsplit_once('-').map_or(&*name, |(begin, _)| begin);
    let open = format!("{begin}-open.parquet");
    format!("neither is {}, nor an export that went on with it", Shown(Path::new(&open)))
}

impl Exports {
    /// Takes a file, if it is one of an archive.
    pub fn add(&mut self, path: &Path, file: &Version<'_>) {
        if let Version::Archive(archive) = file {
            self.take(path, archive.about(), archive.header().netns());
        }
    }

    /// Takes what others took.
    pub fn join(&mut self, other: Self) {
        for (export, files) in other.exports {
            self.exports.entry(export).or_default().extend(files);
        }
        for (archive, puts) in other.archives {
            let own = self.archives.entry(archive).or_default();
            puts.into_iter().for_each(|(number, put)| own.entry(number).or_default().join(put));
        }
        self.begun = self.begun.into_iter().chain(other.begun).min();
    }

    /// Has those exports count that are passed over, for what they were made from is there, and that belong to the archives of these.
    pub fn heed(&mut self, needless: &Self) {
        for (archive, puts) in &needless.archives {
            if let Some(own) = self.archives.get_mut(archive) {
                puts.iter().for_each(|(number, put)| own.entry(*number).or_default().join(put.clone()));
            }
        }
    }

    fn take(&mut self, path: &Path, about: &About, netns: Option<u32>) {
        let About { export, part, is_last, is_of_open, left_open, earlier, .. } = about;
        let given = Given { path: path.to_owned(), is_last: *is_last };
        self.exports.entry(export.clone()).or_default().insert(*part, given);
        self.begun = Some(self.begun.map_or(about.from, |begun| begun.min(about.from)));
        let Some(from) = about.archive_from else { return };
        let (host, chosen) = (about.host.clone(), about.chosen.clone().unwrap_or_default());
        let put = match is_of_open {
            true => Put { open: Some(path.to_owned()), ..Put::default() },
            false => Put {
                first: Some((*part, path.to_owned())),
                left_open: left_open.filter(|left| *left).map(|_| path.to_owned()),
                open: None,
            },
        };
        let puts = self.archives.entry(Grown { host, netns, chosen, from }).or_default();
        puts.entry(*earlier).or_default().join(put);
    }

    /// What is not given, in the order of the paths beside it.
    pub fn absent(&self) -> Vec<Absent> {
        let mut absent: Vec<_> = self.exports.values().flat_map(absent_of_export).collect();
        absent.extend(self.archives.iter().flat_map(|(archive, puts)| {
            // What was there before was perhaps not begun as one that grows: then nothing tells how many exports that were.
            let has_begin = self.begun.is_some_and(|begun| begun <= archive.from);
            absent_of_archive(puts, has_begin)
        }));
        absent.sort_by(|one, other| one.path().cmp(other.path()));
        absent
    }
}

impl Put {
    fn join(&mut self, other: Self) {
        self.first = std::mem::take(&mut self.first).into_iter().chain(other.first).min();
        self.left_open = self.left_open.take().or(other.left_open);
        self.open = self.open.take().or(other.open);
    }

    /// A file of it.
    fn path(&self) -> Option<&Path> {
        self.first.as_ref().map(|(_, path)| path).or(self.open.as_ref()).map(PathBuf::as_path)
    }
}

fn absent_of_export(files: &BTreeMap<u64, Given>) -> Vec<Absent> {
    let (mut absent, mut next) = (Vec::new(), 0);
    for (number, Given { path, .. }) in files {
        absent.extend(absent_before(path, What::Files, number.saturating_sub(next), next == 0));
        next = number.saturating_add(1);
    }
    let last = files.values().next_back().filter(|last| !last.is_last);
    absent.extend(last.map(|last| Absent::End { path: last.path.clone() }));
    absent
}

/// Exports to an archive, each of which goes on with the one before it. The last one left its open flows beside it, if there were any; what
/// the others left was taken by those behind them. `has_begin`: what is given tells from its begin on.
fn absent_of_archive(puts: &BTreeMap<u64, Put>, has_begin: bool) -> Vec<Absent> {
    let (mut absent, mut next, mut is_begin) = (Vec::new(), 0_u64, true);
    for (number, put) in puts {
        // Of one of which only the open flows are there, all others are missing.
        let count = number.saturating_sub(next) + u64::from(put.first.is_none());
        if !(is_begin && has_begin) {
            let before = put.path().and_then(|path| absent_before(path, What::Exports, count, is_begin));
            absent.extend(before);
        }
        next = number.saturating_add(1);
        is_begin &= put.first.is_none();
    }
    let last = puts.values().next_back().filter(|last| last.open.is_none());
    absent.extend(last.and_then(|last| Some(Absent::Open { path: last.left_open.clone()? })));
    absent
}

fn absent_before(path: &Path, what: What, count: u64, is_begin: bool) -> Option<Absent> {
    let path = path.to_owned();
    match (count, is_begin) {
        (0, _) => None,
        (_, true) => Some(Absent::Begin { path, what, count }),
        (_, false) => Some(Absent::Between { path, what, count }),
    }
}

impl Absent {
    /// The file beside which others are not given.
    pub fn path(&self) -> &Path {
        match self {
            Self::Begin { path, .. } | Self::Between { path, .. } | Self::End { path } | Self::Open { path } => path,
        }
    }

    /// Whether it leaves out nothing but what had ended before the time of all files that are given.
    pub const fn is_begin(&self) -> bool {
        matches!(self, Self::Begin { .. })
    }

    /// Whether it is missing between files that are given.
    pub const fn is_between(&self) -> bool {
        matches!(self, Self::Between { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(exports: &Exports) -> Vec<String> {
        exports.absent().iter().map(|absent| format!("{}: {absent}", absent.path().display())).collect()
    }

    fn absent(given: &[(u64, bool)]) -> Vec<String> {
        let mut exports = Exports::default();
        for (part, is_last) in given {
            let about = About { part: *part, is_last: *is_last, ..About::default() };
            exports.take(Path::new(&part.to_string()), &about, None);
        }
        said(&exports)
    }

    #[test]
    fn files_that_are_missing_are_told_at_either_end_and_between() {
        assert!(absent(&[(0, false), (1, false), (2, true)]).is_empty());
        assert_eq!(
            absent(&[(1, false), (4, true)]),
            [
                "1: before it there was a file of its export that is not among those given",
                "4: before it there were 2 files of its export that are not among those given, and others before are",
            ]
        );
        assert_eq!(absent(&[(0, false)]), ["0: what comes behind it of its export is not among those given"]);
    }

    /// What one of the exports of an archive left: its number, whether it is of the open flows, and what its last file says of these.
    type Left = (u64, bool, Option<bool>);

    const fn closed(earlier: u64) -> Left {
        (earlier, false, Some(true))
    }

    const fn open(earlier: u64) -> Left {
        (earlier, true, None)
    }

    /// Of exports of a minute each, to an archive that begins at 100.
    fn of_archive(given: &[Left]) -> Vec<String> {
        let mut exports = Exports::default();
        for (earlier, is_of_open, left_open) in given {
            let (name, part) = if *is_of_open { ("open", "open") } else { ("closed", "00000") };
            let about = About {
                export: format!("{earlier} {name}"),
                is_last: true,
                archive_from: Some(100),
                from: 100 + 60 * (earlier + u64::from(*is_of_open)),
                is_of_open: *is_of_open,
                left_open: *left_open,
                earlier: *earlier,
                ..About::default()
            };
            let mut own = Exports::default();
            own.take(Path::new(&format!("{earlier}-{part}.parquet")), &about, None);
            exports.join(own);
        }
        said(&exports)
    }

    #[test]
    fn exports_and_open_flows_that_are_missing_from_an_archive_are_told() {
        assert!(of_archive(&[closed(0), closed(1), closed(2), open(2)]).is_empty());
        assert!(of_archive(&[closed(0), closed(1), open(1), open(0)]).is_empty(), "what was left is removed last");
        let lost = "1-00000.parquet: the flows that were open at its end are not among those given: \
                    neither is 1-open.parquet, nor an export that went on with it";
        assert_eq!(of_archive(&[closed(0), closed(1)]), [lost]);
        let before = |file: &str, what: &str| vec![format!("{file}.parquet: before it there {what}")];
        let one = "was an export to its archive that is not among those given, and others before are";
        let two = "were 2 exports to its archive that are not among those given, and others before are";
        assert_eq!(of_archive(&[closed(0), closed(2), open(2)]), before("2-00000", one));
        assert_eq!(of_archive(&[closed(0), closed(1), open(2)]), before("2-open", one));
        assert_eq!(of_archive(&[closed(0), closed(3), open(3)]), before("3-00000", two));
        assert_eq!(of_archive(&[closed(0), open(2)]), before("2-open", two));
        let first = "was an export to its archive that is not among those given";
        assert_eq!(of_archive(&[closed(1), open(1)]), before("1-00000", first));
        assert_eq!(of_archive(&[open(0)]), before("0-open", first));
    }

    #[test]
    fn where_an_export_left_nothing_open_or_does_not_say_nothing_is_missed() {
        assert!(of_archive(&[closed(0), (1, false, Some(false))]).is_empty());
        assert!(of_archive(&[closed(0), (1, false, None)]).is_empty(), "by an older program");
        // Such a program did not number them either.
        assert!(of_archive(&[(0, false, None), (0, true, None), (1, false, Some(false))]).is_empty());
    }
}

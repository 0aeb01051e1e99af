//! Files that are opened several times, each time as what they were found.

use std::fs;

use ctrecorder_format::Digest;

use super::{Error, Journal, Member, Reason, Source, Version};
use crate::file::State;

impl Journal {
    /// The same files, each as what it was found: one that was replaced or written to since is not opened any more, unless more was
    /// appended to it. So what is said of a file is of the same bytes, however often it is opened.
    pub fn fixed(mut self) -> Self {
        self.files.iter_mut().for_each(|file| file.is_fixed = true);
        self
    }
}

/// What was opened to be read.
#[derive(Debug)]
pub struct Read {
    /// `None` of what is no regular file.
    state: Option<State>,
    content: Option<Content>,
}

/// What tells the content of a file from others of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// The digest in its footer.
    Segment(Digest),
    /// Of an archive, the digest of its checksums and of all behind them.
    Archive(Digest),
    /// Of what has neither, that of all of its bytes.
    Bytes(Digest),
}

impl Content {
    /// That of a file as it is now. What has neither a footer nor checksums is read for it.
    fn of(source: &Source, version: &Version<'_>) -> Option<Self> {
        Self::told(source, version).or_else(|| source.digest_to(source.length()).map(Self::Bytes))
    }

    /// The same as the file itself tells it.
    fn told(source: &Source, version: &Version<'_>) -> Option<Self> {
        match version {
            Version::Two(_) => None,
            Version::Three(segment) => segment.footer().map(|footer| Self::Segment(footer.digest)),
            Version::Archive(archive) => {
                let place = |at| usize::try_from(at).ok();
                let checked = place(archive.about().checksums)?..place(source.length())?;
                source.digest([checked]).map(Self::Archive)
            }
        }
    }

    /// Whether a file has this content, all of which is read.
    fn is_of(self, source: &Source) -> bool {
        let Ok(version) = source.parse() else { return false };
        let is_whole = match (self, &version) {
            (Self::Segment(digest), Version::Three(segment)) => {
                segment.digested().and_then(|parts| source.digest(parts)) == Some(digest)
            }
            (Self::Archive(_), Version::Archive(archive)) => archive.damaged_blocks().0.is_empty(),
            _ => true,
        };
        is_whole && Self::of(source, &version) == Some(self)
    }
}

impl Read {
    /// This file, before it is read, without reading all of it: what does not tell its content is known by its times.
    fn told(source: &Source, version: &Version<'_>) -> Self {
        Self { state: source.state(), content: Content::told(source, version) }
    }

    /// This file, before it is read.
    pub fn of(source: &Source, version: &Version<'_>) -> Self {
        Self { state: source.state(), content: Content::of(source, version) }
    }

    /// The digest of all bytes of the file, or of an archive's checksums; `None` of a segment that has a digest of its own.
    pub fn content(&self) -> Option<Digest> {
        match self.content? {
            Content::Bytes(digest) | Content::Archive(digest) => Some(digest),
            Content::Segment(_) => None,
        }
    }

    /// Whether this very file stands at its path, and has what it had, no more and no less.
    pub fn is_in_place(&self, source: &Source) -> bool {
        let now = source.path().symlink_metadata().ok().as_ref().map(State::of);
        self.state.zip(now).is_some_and(|(before, now)| {
            let has_content = || self.content.is_some_and(|content| content.is_of(source));
            before == now || (before.is_as_long_as(now) && has_content())
        })
    }

    /// Whether an open file has all of this: that somebody only set its times changes nothing.
    fn is_kept_by(&self, source: &Source) -> bool {
        self.state.zip(source.state()).is_some_and(|(before, now)| {
            let has_content = || self.content.is_some_and(|content| content.is_of(source));
            before.is_kept_by(now) || (before.may_be_kept_by(now) && has_content())
        })
    }
}

impl Member {
    /// All of it is read from here on, as what was opened: a file of [`Journal::fixed`] is the same later if it has that. What does not
    /// tell its content is the same if nobody set its times either.
    pub fn is_read(&self, source: &Source, version: &Version<'_>) {
        self.read.get_or_init(|| Read::told(source, version));
    }

    /// The same with its content, [`Read::content`], for which a file that does not tell it is read: then that is what it is known by.
    pub fn read_content(&self, source: &Source, version: &Version<'_>) -> Option<Digest> {
        self.read.get_or_init(|| Read::of(source, version)).content()
    }

    /// What was opened, if that has all that is asked for. As long as nobody has read it, the file need only be the one that was found.
    pub(super) fn as_fixed(&self, source: Source) -> Result<Source, Error> {
        let is_found = |found: State| source.state().is_some_and(|now| found.may_be_kept_by(now));
        let is_it = match self.read.get() {
            _ if !self.is_fixed => true,
            Some(read) => read.is_kept_by(&source),
            None => self.found.is_none_or(is_found),
        };
        if is_it { Ok(source) } else { Err(Error::at(self.path())(Reason::Changed)) }
    }

    /// Refuses a file of [`Journal::fixed`] that somebody wrote to since it was read first, other than to its end: what was read of it may
    /// be something of both. That another one has its name by now, or none, is of no importance to who has read it.
    ///
    /// # Errors
    /// [`Reason::Changed`].
    pub fn check_unaltered(&self) -> Result<(), Error> {
        let now = fs::metadata(self.path()).ok().as_ref().map(State::of);
        match self.read.get().and_then(|read| read.state).zip(now) {
            Some((read, now)) if read.is_of(now) && !read.is_kept_by(now) => self.open().map(drop),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::io::Write;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::sample::data;

    #[test]
    fn a_file_is_in_its_place_until_another_one_is_there_or_something_is_written_to_it() {
        let place = tempfile::tempdir().unwrap();
        let [path, other] = ["1.ct", "2.ct"].map(|name| place.path().join(name));
        let bytes = data("tcp.ct");
        [&path, &other].into_iter().for_each(|path| fs::write(path, &bytes).unwrap());
        let open = |path: &std::path::PathBuf| {
            let source = Source::open(path).unwrap();
            let read = Read::of(&source, &source.parse().unwrap());
            (source, read)
        };
        let [own, of_other] = [&path, &other].map(open);
        let is_in_place = |(source, read): &(Source, Read)| read.is_in_place(source);
        assert!(is_in_place(&own) && is_in_place(&of_other));
        fs::rename(&other, &path).unwrap();
        assert!(!is_in_place(&own) && !is_in_place(&of_other));
        // A clock may be too coarse to tell.
        let touch = |seconds| {
            let later = FileTimes::new().set_modified(SystemTime::now() + Duration::from_secs(seconds));
            File::options().write(true).open(&path).unwrap().set_times(later).unwrap();
        };
        let own = open(&path);
        touch(10);
        assert!(is_in_place(&own), "nobody wrote to it");
        let mut altered = bytes.clone();
        *altered.last_mut().unwrap() ^= 1;
        fs::write(&path, altered).unwrap();
        touch(20);
        assert!(!is_in_place(&own));
        let own = open(&path);
        File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        assert!(!is_in_place(&own));
    }
}

//! Which archives tell only of what the files beside them tell of.

use std::collections::HashSet;

use ctrecorder_format::{Digest, Header};

use super::{Source, Version};
use crate::archive::SourceFile;

/// What a file of an archive tells of where it comes from.
pub(super) struct Archived {
    /// The name of the file.
    name: String,
    is_of_open: bool,
    header: Header,
    sources: Vec<Named>,
}

/// A file that an archive was made from, as it is named there.
struct Named {
    digest: Option<Digest>,
    /// See [`SourceFile::open_of`].
    open_of: Option<String>,
}

impl Archived {
    /// `None` of what is no archive.
    pub(super) fn of(source: &Source) -> Option<Self> {
        let Ok(Version::Archive(archive)) = source.parse() else { return None };
        let about = archive.about();
        let named = |file: &SourceFile| Named {
            digest: file.digest.as_deref().and_then(digest_of_hex),
            open_of: file.open_of().map(str::to_owned),
        };
        Some(Self {
            name: source.path().file_name()?.to_string_lossy().into_owned(),
            is_of_open: about.is_of_open,
            header: archive.header().clone(),
            sources: about.sources.iter().map(named).collect(),
        })
    }
}

/// Whether all that the archives of one recorder were made from is among the files with these digests, recorder by recorder: then they
/// are needless. What one export left open and another one went on with counts by what that one was made from.
pub(super) fn are_needless(archives: &[&Archived], digests: &HashSet<Digest>) -> Vec<bool> {
    let is_there = |source: &Named| match source.digest {
        Some(digest) => digests.contains(&digest),
        None => source
            .open_of
            .as_ref()
            .is_some_and(|export| archives.iter().any(|other| !other.is_of_open && other.name.starts_with(export))),
    };
    let recorder = |archive: &Archived| (archive.header.host.clone(), archive.header.namespace);
    let (mut lacking, mut naming) = (HashSet::new(), HashSet::new());
    for archive in archives {
        if !archive.sources.iter().all(is_there) {
            lacking.insert(recorder(archive));
        }
        if archive.sources.iter().any(|source| source.digest.is_some()) {
            naming.insert(recorder(archive));
        }
    }
    let is_needless = |recorder| !lacking.contains(&recorder) && naming.contains(&recorder);
    archives.iter().map(|archive| is_needless(recorder(archive))).collect()
}

/// The digest that these hexadecimal digits are.
pub(super) fn digest_of_hex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if text.len() != 2 * digest.len() {
        return None;
    }
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(digest)
}

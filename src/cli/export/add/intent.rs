//! What an export writes down before it adds files to an archive, so that the next one knows them if it is interrupted.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::archive::SourceFile;
use crate::cli::flows::temporary::{Maker, create, persist};
use crate::file::sync_directory;
use crate::journal::Shown;

/// Its file, in the directory of the archive; readers pass over hidden ones.
const NAME: &str = ".ctrecorder-add";

/// What is being exported.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Intent {
    /// By what name it goes, 32 hexadecimal digits.
    pub(super) export: String,
    /// What from.
    pub(super) inputs: Vec<Wanted>,
}

/// An input of an export.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Wanted {
    pub(super) file: SourceFile,
    /// Where it was; `None` if that is not known, or cannot be told as text.
    pub(super) path: Option<String>,
}

impl Wanted {
    /// This file, which is there now.
    pub(super) fn of(file: &SourceFile, path: &Path) -> Self {
        let path = path.canonicalize().ok().and_then(|path| path.to_str().map(str::to_owned));
        // What it is known by is enough.
        Self { file: SourceFile { made_from: Vec::new(), ..file.clone() }, path }
    }
}

impl Intent {
    /// What was written down in a directory.
    pub(super) fn read(directory: &Path) -> anyhow::Result<Option<Self>> {
        let path = path(directory);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).with_context(|| Shown(&path).to_string()),
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => Ok(None),
            Err(error) => Err(error).with_context(|| Shown(&path).to_string()),
        }
    }

    /// Has the medium keep it.
    pub(super) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        let path = path(directory);
        let (mut file, temporary) = create(&path, Maker::Export)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        persist(temporary, &path)
    }

    /// Nothing is being exported to this directory any more.
    pub(super) fn remove(directory: &Path) -> io::Result<()> {
        match fs::remove_file(path(directory)) {
            Ok(()) => sync_directory(directory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The file of what is being exported to a directory, if that was not ended.
pub(in crate::cli::export) fn of_interrupted(directory: &Path) -> Option<PathBuf> {
    Some(path(directory)).filter(|path| path.symlink_metadata().is_ok())
}

fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

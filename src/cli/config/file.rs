//! What the file sets: TOML with a table for each command, in which the keys are the long names of its options.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::definition::{self, check, is_flag, is_repeatable};
use super::entry::{Entry, Place};
use super::error::Error;
use crate::hint::{did_you_mean, nearest};

/// The file that is taken without being named, if it is there.
pub const DEFAULT: &str = "/etc/ctrecorder/ctrecorder.toml";

/// Nobody writes so much: it is another file, or a device that never ends.
const BYTES_MAX: u64 = 1 << 20;

/// Reads what a file sets, if there has to be one. Otherwise the file that is taken without being named, if it is there. Tells
/// which one it was.
pub fn read(program: &Command, named: Option<&Path>) -> Result<(Option<PathBuf>, Vec<Entry>), Error> {
    let path = match named {
        Some(path) => path,
        // Nowhere else is /etc a place that only its owner writes to.
        None if cfg!(unix) => Path::new(DEFAULT),
        None => return Ok((None, Vec::new())),
    };
    match bytes(path) {
        Ok(bytes) => Ok((Some(path.to_owned()), Document::new(path, &bytes)?.entries(program)?)),
        Err(error) if named.is_none() && is_absent(&error) => Ok((None, Vec::new())),
        Err(error) => Err(Error::Unreadable { path: path.to_owned(), reason: error.to_string() }),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path.as_os_str().is_empty() {
        return Err(io::Error::other("the name of the configuration is empty"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::other("a directory, where a file is expected"));
    }
    #[cfg(unix)]
    if rustix::process::geteuid().is_root()
        && let Some(why) = owner::not_for_root(&metadata)
    {
        return Err(io::Error::other(why));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other("larger than 1 MiB, which no configuration is"));
    }
    Ok(bytes)
}

/// Whom root obeys.
#[cfg(unix)]
mod owner {
    use std::fs::Metadata;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

    /// Why root must not do what an opened file says: somebody else can say it there, who would be root by that. Of a device such as
    /// /dev/null, to which everybody writes, nobody else's words come back.
    pub(super) fn not_for_root(metadata: &Metadata) -> Option<String> {
        let (user, mode) = (metadata.uid(), metadata.permissions().mode() & 0o7777);
        if user != 0 {
            return Some(format!("it is user {user}'s, and root obeys only what is root's own: chown root it"));
        }
        (mode & 0o022 != 0 && !metadata.file_type().is_char_device()).then(|| {
            format!("others than root may write to it (mode {mode:04o}), so root does not obey it: chmod go-w it")
        })
    }
}

/// The text of a file, and where it is from.
struct Document<'t> {
    path: &'t Path,
    text: &'t str,
}

impl<'t> Document<'t> {
    fn new(path: &'t Path, bytes: &'t [u8]) -> Result<Self, Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { path, text }),
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let document = Self { path, text: std::str::from_utf8(before).unwrap_or_default() };
                Err(document.wrong(before.len(), "not UTF-8, which TOML is"))
            }
        }
    }

    /// The place of a byte of the text.
    fn place(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place::File { path: self.path.to_owned(), line, column }
    }

    fn wrong(&self, at: usize, what: impl Into<String>) -> Error {
        Error::Wrong { place: self.place(at), what: what.into() }
    }

    fn entries(&self, program: &Command) -> Result<Vec<Entry>, Error> {
        let tables = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(self.text.len(), |span: Range<usize>| span.start);
            self.wrong(at, error.message().lines().collect::<Vec<_>>().join("; "))
        })?;
        let mut entries = Vec::new();
        for (name, table) in in_order(tables.get_ref()) {
            let Some(command) = program.find_subcommand(name.get_ref().as_ref()) else {
                return Err(self.wrong(name.span().start, no_command(program, name.get_ref(), table.get_ref())));
            };
            let Some(table) = table.get_ref().as_table() else {
                let what = format!("{0} is to be a table: [{0}], and its options below", name.get_ref());
                return Err(self.wrong(name.span().start, what));
            };
            for (key, value) in in_order(table) {
                entries.push(self.entry(command, key, value)?);
            }
        }
        Ok(entries)
    }

    fn entry(&self, command: &Command, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<Entry, Error> {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        let Some(option) = definition::option(command, name) else {
            return Err(self.wrong(at, no_option(command, name)));
        };
        let values = values(option, value.get_ref());
        let values = values.map_err(|what| self.wrong(value.span().start, format!("{name}: {what}")))?;
        let entry = Entry { command: command.get_name().into(), option: name.into(), values, place: self.place(at) };
        check(command, &entry)?;
        Ok(entry)
    }
}

/// A key, and where it stands.
type Key<'t> = Spanned<std::borrow::Cow<'t, str>>;

/// The keys of a table as they stand in the file, so that of several errors the first one is told.
fn in_order<'d, 't>(table: &'d DeTable<'t>) -> Vec<(&'d Key<'t>, &'d Spanned<DeValue<'t>>)> {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    keys
}

/// What is wrong with the name of a table that is no command.
fn no_command(program: &Command, name: &str, value: &DeValue<'_>) -> String {
    let commands = program.get_subcommands();
    if value.as_table().is_none() {
        let with: Vec<_> = commands
            .filter(|command| definition::option(command, name).is_some())
            .map(|command| format!("[{}]", command.get_name()))
            .collect();
        return match with.as_slice() {
            [] => format!("{name} stands in no table: options belong below the command that they are of, as [capture]"),
            with => format!("{name} stands in no table: write it below {}", with.join(" or ")),
        };
    }
    let names: Vec<_> = commands.map(Command::get_name).collect();
    format!("there is no command {name}{}", did_you_mean(&nearest(name, &names)))
}

/// What is wrong with a key that is no option.
fn no_option(command: &Command, name: &str) -> String {
    let names: Vec<_> = definition::options(command).filter_map(definition::name).collect();
    format!("{} has no option {name}{}", command.get_name(), did_you_mean(&nearest(name, &names)))
}

/// What a value is for an option, each as it would be typed.
fn values(option: &Arg, value: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    match value {
        DeValue::Boolean(value) if is_flag(option) => Ok(vec![value.to_string().into()]),
        other if is_flag(option) => Err(format!("true or false is expected, not {}", kind(other))),
        DeValue::Array(values) if is_repeatable(option) => values.iter().map(|value| scalar(value.get_ref())).collect(),
        DeValue::Array(_) => Err("one value is expected, not a list".into()),
        one => scalar(one).map(|one| vec![one]),
    }
}

/// One value as it would be typed.
fn scalar(value: &DeValue<'_>) -> Result<OsString, String> {
    match value {
        DeValue::String(text) => Ok(text.as_ref().into()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string().into())
            .map_err(|error| error.to_string()),
        DeValue::Float(number) => Ok(number.as_str().into()),
        DeValue::Datetime(time) => Ok(time.to_string().into()),
        other => Err(format!("a string or a number is expected, not {}", kind(other))),
    }
}

/// What a value is, in words.
const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

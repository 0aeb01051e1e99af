//! One file of an export: whole, or not there.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ctrecorder_format::{Address, Cause, Header, Note, V4, V6};
use tempfile::TempPath;

use super::Form;
use crate::archive::{About, Flow};
use crate::cli::flows::temporary::{Maker, create, persist};
use crate::output::Lines;

/// A file on its way: under another name until it is whole.
pub(super) struct File {
    path: PathBuf,
    temporary: TempPath,
    format: Format,
}

enum Format {
    #[cfg(feature = "archive")]
    Parquet {
        writer: Box<crate::archive::Writer<fs::File>>,
        group: crate::archive::Group,
        without_ids: bool,
    },
    Text {
        to: BufWriter<fs::File>,
        lines: Box<Lines>,
        line: Vec<u8>,
        without_ids: bool,
    },
}

impl File {
    /// A file of this name, for flows that were recorded as this header says.
    pub(super) fn create(path: &Path, form: Form, header: &Header, without_ids: bool) -> anyhow::Result<Self> {
        let (file, temporary) = create(path, Maker::Export)?;
        let format = match form {
            #[cfg(feature = "archive")]
            Form::Parquet => Format::Parquet {
                writer: Box::new(crate::archive::Writer::new(file, &header.host)?),
                group: crate::archive::Group::default(),
                without_ids,
            },
            #[cfg(not(feature = "archive"))]
            Form::Parquet => anyhow::bail!("this program was built without the feature \"archive\""),
            Form::Ndjson => Format::text(file, Lines::json(), header, without_ids)?,
            Form::Csv => Format::text(file, Lines::csv(), header, without_ids)?,
        };
        Ok(Self { path: path.to_owned(), temporary, format })
    }

    /// Takes a flow.
    pub(super) fn ipv4(&mut self, flow: &Flow<V4>) -> anyhow::Result<()> {
        match &mut self.format {
            #[cfg(feature = "archive")]
            Format::Parquet { group, .. } => {
                group.ipv4(flow);
                Ok(())
            }
            Format::Text { to, lines, line, without_ids } => write_line(to, lines, line, flow, *without_ids),
        }
    }

    /// Takes a flow.
    pub(super) fn ipv6(&mut self, flow: &Flow<V6>) -> anyhow::Result<()> {
        match &mut self.format {
            #[cfg(feature = "archive")]
            Format::Parquet { group, .. } => {
                group.ipv6(flow);
                Ok(())
            }
            Format::Text { to, lines, line, without_ids } => write_line(to, lines, line, flow, *without_ids),
        }
    }

    /// Writes what it holds in memory: of Parquet a group of rows, of which there may be no more than [`GROUP_ROWS`].
    ///
    /// [`GROUP_ROWS`]: crate::archive::GROUP_ROWS
    pub(super) fn write_held(&mut self) -> anyhow::Result<()> {
        match &mut self.format {
            #[cfg(feature = "archive")]
            Format::Parquet { writer, group, without_ids } => {
                if *without_ids {
                    group.without_ids();
                }
                if !group.is_empty() {
                    writer.write(group)?;
                }
                Ok(())
            }
            Format::Text { .. } => Ok(()),
        }
    }

    /// Ends the file, and gives it its name.
    pub(super) fn finish(mut self, about: &About) -> anyhow::Result<u64> {
        self.write_held()?;
        let Self { path, temporary, format } = self;
        let file = match format {
            #[cfg(feature = "archive")]
            Format::Parquet { writer, .. } => writer.finish(about, write_at)?,
            Format::Text { to, .. } => {
                let _ = about;
                to.into_inner().map_err(io::IntoInnerError::into_error)?
            }
        };
        file.sync_all()?;
        let length = file.metadata()?.len();
        persist(temporary, &path)?;
        Ok(length)
    }
}

impl Format {
    fn text(file: fs::File, mut lines: Lines, header: &Header, without_ids: bool) -> io::Result<Self> {
        let mut to = BufWriter::with_capacity(1 << 20, file);
        if header.netns().is_some() {
            lines.tell_netns();
        }
        to.write_all(lines.head().as_bytes())?;
        lines.host(&header.host);
        lines.netns(header.netns());
        Ok(Self::Text { to, lines: Box::new(lines), line: Vec::new(), without_ids })
    }
}

#[cfg(feature = "archive")]
fn write_at(file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

/// Writes a flow as the line of a list, behind what is known of an end that was not heard.
fn write_line<A: Address>(
    to: &mut impl Write,
    lines: &mut Lines,
    line: &mut Vec<u8>,
    flow: &Flow<A>,
    without_ids: bool,
) -> anyhow::Result<()> {
    if flow.end_after != 0 {
        lines.note(&Note::gap(flow.end_after, flow.record.end.get(), 0, Cause::TableRead));
    }
    let mut record = flow.record;
    if without_ids {
        record.id = 0.into();
    }
    line.clear();
    lines.record(line, &record, flow.counters.as_ref());
    Ok(to.write_all(line)?)
}

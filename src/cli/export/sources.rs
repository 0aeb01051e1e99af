//! What an export is made from. It goes by a name that is the same whenever the same is exported in the same way, so that a
//! later run knows what an earlier one has done.

use anyhow::bail;
use ctrecorder_format::{Content, digest_of};

use super::How;
use super::before::Before;
use super::said::Input;
use crate::archive::SourceFile;
use crate::cli::Misuse;
use crate::journal::{Journal, Version};
use crate::output::header::hex;

/// Changes whenever an export of the same inputs would become another one.
const MAKING: &str = "3";

/// So many digits of the name of an export are in the names of its files.
const DIGITS: usize = 16;

/// What is known of the files that are exported.
pub(super) struct Sources {
    files: Vec<Option<Source>>,
    export: String,
}

/// A file that is exported.
#[derive(Clone, Debug)]
struct Source {
    host: String,
    netns: Option<u32>,
    is_of_flows: bool,
    begun: u64,
    /// What the export tells of it.
    told: Input,
}

impl Sources {
    /// The files of a journal. Those that cannot be read are told of when they are exported.
    pub(super) fn of(journal: &Journal, how: &How, before: &Before) -> Self {
        let files: Vec<_> = journal
            .files()
            .iter()
            .map(|file| {
                let source = file.open().ok()?;
                let version = source.parse().ok()?;
                let name = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
                Some(Source::of(name, source.length(), &version))
            })
            .collect();
        let filter = how.choice.filter_text().unwrap_or_default();
        let made = format!("{MAKING}\n{:?} {} {}\n{}\n", how.form, how.partition, how.without_ids, filter);
        let text = files.iter().fold(made, |text, file| {
            let told = |Source { host, begun, told, .. }: &Source| {
                let SourceFile { length, segment, digest, .. } = &told.file;
                format!("{:?}", (host, begun, length, segment, digest))
            };
            text + &format!("{:?}\n", file.as_ref().map(told))
        });
        // What goes on with another export is another one than what does not.
        let text = before.open().fold(text, |text, open| text + &format!("{open:?}\n"));
        let export = hex(digest_of(text.as_bytes()).get(..16).unwrap_or_default());
        Self { files, export }
    }

    /// Refuses files of several hosts: a row would not tell which of them had an address.
    pub(super) fn check_host(&self) -> anyhow::Result<()> {
        let mut hosts: Vec<_> = self.files.iter().flatten().map(|file| &file.host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        match hosts[..] {
            [first, second, ..] => {
                let (first, second) = (first.escape_debug(), second.escape_debug());
                bail!(Misuse(format!("files of several hosts, \"{first}\" and \"{second}\": export each by itself")))
            }
            _ if self.are_of_several_netns() => {
                bail!(Misuse("files of several network namespaces: export each by itself, with --netns".into()))
            }
            _ => Ok(()),
        }
    }

    fn are_of_several_netns(&self) -> bool {
        let mut ids = self.files.iter().flatten().map(|file| file.netns);
        let first = ids.next();
        ids.any(|id| Some(id) != first)
    }

    /// The export, by 32 hexadecimal digits.
    pub(super) fn export(&self) -> &str {
        &self.export
    }

    /// What the names of its files begin with: the host, as far as that is fit for one, and the first digits.
    pub(super) fn name(&self) -> String {
        let host = self.files.iter().flatten().map(|file| &file.host[..]).next().unwrap_or_default();
        let is_fit = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        let host: String = host.chars().filter(is_fit).take(64).collect();
        let digits = self.export.get(..DIGITS).unwrap_or_default();
        if host.is_empty() { format!("flows-{digits}") } else { format!("{host}-{digits}") }
    }

    /// What the export tells of the files of its journal; `None` where one could not be read.
    pub(super) fn told(&self) -> Vec<Option<Input>> {
        self.files.iter().map(|file| file.as_ref().map(|file| file.told.clone())).collect()
    }

    /// Whether some of the files are squeezed, or archives.
    pub(super) fn is_of_flows(&self) -> bool {
        self.files.iter().flatten().any(|file| file.is_of_flows)
    }

    /// How many stretches could not be read when the files that are archives were made.
    pub(super) fn damaged(&self) -> u64 {
        self.files.iter().flatten().map(|file| file.told.damaged).sum()
    }
}

impl Source {
    fn of(name: String, length: u64, version: &Version<'_>) -> Self {
        let digest = match version {
            Version::Three(segment) => segment.footer().map(|footer| hex(&footer.digest)),
            Version::Two(_) | Version::Archive(_) => None,
        };
        let segment = version.header().map(|header| header.segment_number);
        let file = SourceFile { name, length, segment, digest };
        let told = match version {
            Version::Archive(archive) => {
                let about = archive.about();
                Input { file, damaged: about.damaged, records_lost: about.records_lost }
            }
            Version::Two(_) | Version::Three(_) => Input { file, ..Input::default() },
        };
        let is_of_flows = version.content() == Content::Flows;
        Self { host: version.host().to_owned(), netns: version.netns(), is_of_flows, begun: version.begun(), told }
    }
}

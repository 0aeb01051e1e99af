//! Which recorders the files are of, and what each file says of its own place.

use std::collections::BTreeMap;
use std::fmt;

use ctrecorder_format::Digest;

use super::Asked;
use super::scope::{Kind, Scope};
use crate::journal::{Ended, Found, Journal, in_order};
use crate::query::Coverage;
use crate::query::coverage::{Extent, Filtered, Look, Reading, Span, complement, namespace_text};

/// By what a recorder goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The host, if that is known.
    pub host: Option<String>,
    /// The number of the network namespace, if several were recorded on that host at the same time; 0 if its files do not
    /// tell.
    pub namespace: Option<u64>,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            // It comes out of a file.
            Some(host) => write!(f, "{}", host.escape_debug())?,
            None => write!(f, "a recorder that is not named")?,
        }
        match self.namespace {
            Some(number) => write!(f, " ({})", namespace_text(number)),
            None => Ok(()),
        }
    }
}

/// What one file says of itself.
#[derive(Clone, Debug)]
pub(super) struct Surveyed {
    /// Its place among the files that were given.
    pub(super) place: usize,
    /// Its place in their order.
    order: usize,
    pub(super) extent: Extent,
    pub(super) scope: Scope,
    reading: Reading,
    /// What a filter left out of it.
    pub(super) filtered: Filtered,
    /// Its own, if it is of flows that others may go on with.
    digest: Option<Digest>,
}

impl Surveyed {
    /// When flows of this kind were not recorded, by what a file that was made of others says; its header may name them.
    pub(super) fn unrecorded(&self, kind: Kind) -> Vec<Span> {
        let (its, others): (Vec<_>, Vec<_>) = self.reading.recorded().partition(|(recorded, _)| kind.is_in(*recorded));
        let [mut its, mut others] =
            [its, others].map(|told| told.into_iter().map(|(_, span)| span).collect::<Vec<_>>());
        its.sort_unstable();
        if self.reading.is_turned() {
            // The clock showed times twice: of one of these the kind may have been recorded, and not of the other. What else was recorded
            // with it has the same span.
            others.retain(|span| its.binary_search(span).is_err());
            return Span::apart(others);
        }
        let others = Span::apart(others);
        others.into_iter().flat_map(|span| complement(its.iter().copied(), span.from, span.to)).collect()
    }
}

/// The files of one recorder.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Who recorded them; `None` if no header tells.
    pub(super) name: Option<Name>,
    /// In their order.
    pub(super) files: Vec<Surveyed>,
    pub(super) reading: Reading,
    pub(super) coverage: Option<Coverage>,
}

/// Looks at every file; what is there twice is taken once. They are in the order in which those of a directory are, whatever the
/// order of the paths was. What cannot be read is told in `asked`.
fn survey(journal: &Journal, asked: &mut Asked) -> Vec<Surveyed> {
    let mut found = Vec::new();
    for (place, file) in journal.files().iter().enumerate() {
        let mut reading = Reading::default();
        let looked = file.open().and_then(|source| {
            let version = source.parse()?;
            let extent = reading.add(&source, &version, Look::Directory, &mut |_| ()).unwrap_or_else(|| {
                asked.shapeless.push(file.path().to_owned());
                Extent::UNKNOWN
            });
            let scope = Scope::of(&version, &reading);
            let digest = version.digest_of_flows();
            let mut filtered = Filtered::default();
            filtered.add(&version);
            let surveyed = Surveyed { place, order: 0, extent, scope, reading, filtered, digest };
            found.push(Found::new(surveyed, file.path(), &version));
            Ok(())
        });
        asked.failures.extend(looked.err());
    }
    let repeated = journal.copies();
    let ended = |file: &Surveyed| Some(file.digest.map_or_else(|| Ended::At(file.reading.end()), Ended::With));
    let files = in_order(found, ended).into_iter().filter(|file| !repeated.contains(&file.place));
    files.enumerate().map(|(order, file)| Surveyed { order, ..file }).collect()
}

/// The files by their recorders: a host is one, or each network namespace of it if several were recorded at the same time. Files
/// whose headers are lost are the recorder's if there is but one; else nobody knows whose they are.
pub(super) fn recorders(journal: &Journal, asked: &mut Asked) -> Vec<Recorded> {
    let (mut hosts, mut others) = (BTreeMap::<String, Vec<Surveyed>>::new(), Vec::new());
    for file in survey(journal, asked) {
        match file.reading.recorder().map(|(host, _)| host.to_owned()) {
            Some(host) => hosts.entry(host).or_default().push(file),
            None => others.push(file),
        }
    }
    let mut named: Vec<_> = hosts.into_iter().flat_map(|(host, files)| of_host(&host, files)).collect();
    match named.as_mut_slice() {
        _ if others.is_empty() => {}
        [only] => {
            only.files.append(&mut others);
            only.files.sort_by_key(|file| file.order);
            *only = Recorded::of(only.name.take(), std::mem::take(&mut only.files));
        }
        _ => {
            // What tells of no time at all is told of elsewhere.
            others.retain(|file| file.reading.end() > 0);
            if !others.is_empty() {
                named.push(Recorded::of(None, others));
            }
        }
    }
    named
}

/// The recorders of a host.
fn of_host(host: &str, files: Vec<Surveyed>) -> Vec<Recorded> {
    let host = Some(host.to_owned()).filter(|host| !host.is_empty());
    let name = |namespace| Some(Name { host: host.clone(), namespace });
    let reading = joined(&files);
    if let Ok(coverage) = reading.clone().coverage() {
        return vec![Recorded { name: name(None), files, reading, coverage }];
    }
    let mut namespaces: BTreeMap<u64, Vec<Surveyed>> = BTreeMap::new();
    for file in files {
        let namespace = file.reading.recorder().map_or(0, |(_, namespace)| namespace);
        namespaces.entry(namespace).or_default().push(file);
    }
    let recorded = namespaces.into_iter().map(|(namespace, files)| Recorded::of(name(Some(namespace)), files));
    recorded.map(|recorded| recorded.heeding_removals(&reading)).collect()
}

/// What these files tell together.
pub(super) fn joined<'f>(files: impl IntoIterator<Item = &'f Surveyed>) -> Reading {
    let mut all = Reading::default();
    files.into_iter().for_each(|file| all.join(file.reading.clone()));
    all
}

impl Recorded {
    fn of(name: Option<Name>, files: Vec<Surveyed>) -> Self {
        let reading = joined(&files);
        // They are of one recorder, so that this does not fail.
        let coverage = reading.clone().coverage().ok().flatten();
        Self { name, files, reading, coverage }
    }

    /// The same with what the others of its host tell to have been removed of it.
    fn heeding_removals(mut self, others: &Reading) -> Self {
        self.reading.heed_removals(others);
        self.coverage = self.reading.clone().coverage().ok().flatten();
        self
    }
}

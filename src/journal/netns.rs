//! Network namespaces: each segment is of one, and the files of one can be told from those of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use ctrecorder_format::Refusal;

use super::{Error, Journal, Member};

/// A network namespace, as a recorder names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Netns {
    /// The recorder's own.
    Own,
    /// The one that has this id (nsid) there.
    Id(u32),
}

impl Netns {
    /// The one that a header tells of by this id, or by none.
    fn of(id: Option<u32>) -> Self {
        id.map_or(Self::Own, Self::Id)
    }

    /// Whether it is the one that a header tells of by this id, or by none: [`Header::netns`](ctrecorder_format::Header::netns).
    pub fn is(self, id: Option<u32>) -> bool {
        match self {
            Self::Own => id.is_none(),
            Self::Id(own) => id == Some(own),
        }
    }
}

/// What names no network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the number of a network namespace is wanted, or the word own; see ctrecorder header")]
pub struct NoNetns;

/// No file is of a network namespace that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no file of {wanted}; there are those of {}", list(there))]
pub struct NoSuchNetns {
    wanted: Netns,
    there: Vec<Netns>,
}

fn list(there: &[Netns]) -> String {
    there.iter().map(Netns::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => write!(f, "the recorder's own network namespace"),
            Self::Id(id) => write!(f, "network namespace {id}"),
        }
    }
}

impl FromStr for Netns {
    type Err = NoNetns;

    fn from_str(text: &str) -> Result<Self, NoNetns> {
        if text == "own" { Ok(Self::Own) } else { text.parse().map(Self::Id).map_err(|_| NoNetns) }
    }
}

impl Journal {
    /// Those of the files that were recorded in this network namespace, and those of which they are if there is none. A file whose header
    /// is damaged does not tell of which it is: it is left out, and told to `failed`, as is what cannot be read.
    pub fn of_netns(self, netns: Netns, mut failed: impl FnMut(Error)) -> Result<Self, NoSuchNetns> {
        let (mut kept, mut others) = (Vec::new(), BTreeSet::new());
        for (place, file) in self.files().iter().enumerate() {
            match number(file) {
                Ok(Some(number)) if netns.is(ctrecorder_format::header::split(number).1) => kept.push(place),
                Ok(Some(number)) => drop(others.insert(ctrecorder_format::header::split(number).1)),
                Ok(None) => failed(Error::at(file.path())(Refusal::Nonsense {
                    offset: 0,
                    what: "its header is damaged, so that nobody knows of which network namespace it is: left out"
                        .into(),
                })),
                Err(error) => failed(error),
            }
        }
        if kept.is_empty() && !others.is_empty() {
            return Err(NoSuchNetns { wanted: netns, there: others.into_iter().map(Netns::of).collect() });
        }
        Ok(self.only(kept))
    }

    /// The files by network namespace: those of the recorder's own and those that do not tell first, then one journal for each
    /// other one, in the order of their ids. Where a flow's start and end are put together, none of two such journals belong
    /// together.
    pub fn by_netns(self) -> Vec<Self> {
        let mut places: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (place, file) in self.files().iter().enumerate() {
            let number =
                number(file).ok().flatten().filter(|number| ctrecorder_format::header::split(*number).1.is_some());
            places.entry(number.unwrap_or(0)).or_default().push(place);
        }
        if places.len() < 2 {
            return vec![self];
        }
        places.into_values().map(|places| self.only(places)).collect()
    }

    /// The files that should tell of which network namespace they are, and do not, for their headers are damaged.
    pub fn headless(&self) -> Self {
        let is_headless = |place: &usize| matches!(self.files().get(*place).map(number), Some(Ok(None)));
        self.only((0..self.files().len()).filter(is_headless))
    }

    /// The files of this one, and of another one behind them.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.files.extend(others.files);
        self
    }

    /// Whether any of the files was recorded in another network namespace than the recorder's own.
    pub fn has_netns(&self) -> bool {
        let has_id = |number: u64| ctrecorder_format::header::split(number).1.is_some();
        self.files().iter().any(|file| number(file).ok().flatten().is_some_and(has_id))
    }
}

/// The number of the namespace that a file was recorded in, 0 if it knows of none; `None` if it should tell, and is damaged.
fn number(file: &Member) -> Result<Option<u64>, Error> {
    let source = file.open()?;
    let version = source.parse_front()?;
    Ok(version.header().map(|header| header.namespace).or_else(|| version.is_headerless().then_some(0)))
}

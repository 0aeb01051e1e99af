//! Which blocks cannot hold a match, by what their heads say. docs/format.md, sections "Times of a block", "Index" and
//! "Filter".

use ctrecorder_format::block::flags;
use ctrecorder_format::{BlockKind, Columns, DirectoryEntry, Family, Head, Index, Key};

use super::{Condition, Filter, Network};
use crate::archive::{Port, Sought};

/// How many of a block's records match, as far as its head tells. In this order a conjunction is the least of its parts,
/// and a disjunction the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    /// Certainly none.
    None,
    /// That is not known.
    Unknown,
    /// Certainly all.
    All,
}

impl Share {
    const fn none_if(none: bool) -> Self {
        if none { Self::None } else { Self::Unknown }
    }

    const fn all_if(all: bool) -> Self {
        if all { Self::All } else { Self::Unknown }
    }

    /// The share of those that do not match.
    const fn of_the_others(self) -> Self {
        match self {
            Self::None => Self::All,
            Self::Unknown => Self::Unknown,
            Self::All => Self::None,
        }
    }
}

/// What is known of some records of one family that stand together.
struct Block<'h, 'a> {
    family: Family,
    /// Of all of them, [`BlockHeader::least_start`](ctrecorder_format::BlockHeader::least_start) and so on.
    least_start: u64,
    greatest_end: u64,
    flags: u8,
    /// The head of their block, if that is at hand.
    head: Option<&'h Head<'a>>,
}

impl Filter {
    /// Whether no record of the block can match, so that it need not be read. It never rules out notes or footers.
    pub fn rules_out(&self, head: &Head<'_>) -> bool {
        let header = head.header;
        let family = match header.kind() {
            Some(BlockKind::Ipv4) => Family::Ipv4,
            Some(BlockKind::Ipv6) => Family::Ipv6,
            Some(BlockKind::Notes | BlockKind::Footer | BlockKind::Index | BlockKind::Sources) | None => return false,
        };
        let (least_start, greatest_end) = (header.least_start.get(), header.greatest_end.get());
        let block = Block { family, least_start, greatest_end, flags: header.flags, head: Some(head) };
        self.share(&block) == Share::None
    }

    /// Whether no record of the blocks that an entry of a directory tells of can match, so that they need not be touched. It
    /// says nothing of blocks of other kinds among them.
    pub fn rules_out_entry(&self, entry: &DirectoryEntry) -> bool {
        let (least_start, greatest_end) = (entry.least_start.get(), entry.greatest_end.get());
        let families = [(BlockKind::Ipv4, Family::Ipv4), (BlockKind::Ipv6, Family::Ipv6)];
        families.into_iter().filter(|(kind, _)| entry.kinds & 1 << *kind as u8 != 0).all(|(_, family)| {
            let block = Block { family, least_start, greatest_end, flags: entry.flags, head: None };
            self.share(&block) == Share::None
        })
    }

    /// The columns of an index in whose blocks a match may be.
    pub fn columns(&self, index: &Index<'_>) -> Columns {
        match self {
            Self::If(Condition::Address(_, network)) => network.key().map_or(index.all(), |key| index.may_hold(key)),
            // An index knows what is not there, and never what is.
            Self::If(_) | Self::Not(_) => index.all(),
            Self::All(filters) => {
                let parts = filters.iter().map(|filter| filter.columns(index));
                let endpoints = endpoint_keys(filters).map(|key| index.may_hold(key));
                parts.chain(endpoints).fold(index.all(), |all, part| all & part)
            }
            Self::Any(filters) => filters.iter().fold(Columns::default(), |any, filter| any | filter.columns(index)),
        }
    }

    /// Whether an index can say anything of it.
    pub fn has_keys(&self) -> bool {
        match self {
            Self::If(condition) => matches!(condition, Condition::Address(_, network) if network.key().is_some()),
            Self::Not(_) => false,
            Self::All(filters) => filters.iter().any(Self::has_keys),
            Self::Any(filters) => filters.iter().all(Self::has_keys),
        }
    }

    /// What a match has at some place, of an archive's rows; `None` if that cannot be said.
    pub fn sought(&self) -> Option<Vec<Sought>> {
        match self {
            Self::If(Condition::Address(_, network)) => Some(vec![Sought { address: network.one()?, port: None }]),
            Self::If(_) | Self::Not(_) => None,
            Self::All(filters) => {
                let one = |(network, port): (&Network, _)| {
                    Some(vec![Sought { address: network.one()?, port: Some(Port::OfTuple(port)) }])
                };
                let endpoint = endpoints(filters).find_map(one);
                endpoint.or_else(|| filters.iter().filter_map(Self::sought).min_by_key(Vec::len))
            }
            Self::Any(filters) => {
                let parts: Option<Vec<_>> = filters.iter().map(Self::sought).collect();
                parts.map(|parts| parts.concat())
            }
        }
    }

    fn share(&self, block: &Block<'_, '_>) -> Share {
        match self {
            Self::If(condition) => condition.share(block),
            Self::Not(filter) => filter.share(block).of_the_others(),
            Self::All(filters) => {
                let least = filters.iter().map(|filter| filter.share(block)).min().unwrap_or(Share::All);
                if least == Share::Unknown { Share::none_if(lacks_endpoint(filters, block)) } else { least }
            }
            Self::Any(filters) => filters.iter().map(|filter| filter.share(block)).max().unwrap_or(Share::None),
        }
    }
}

/// Whether what all of these ask for together, an address and a port of one and the same endpoint, is not in the block.
fn lacks_endpoint(filters: &[Filter], block: &Block<'_, '_>) -> bool {
    endpoint_keys(filters).any(|key| block.lacks(key))
}

/// The endpoints that what all of these ask for must have: an address and a port of one and the same place.
fn endpoint_keys(filters: &[Filter]) -> impl Iterator<Item = Key> {
    endpoints(filters).filter_map(|(network, port)| network.endpoint_key(port))
}

/// Of such an endpoint the network and the port.
fn endpoints(filters: &[Filter]) -> impl Iterator<Item = (&Network, u16)> {
    let addresses = filters.iter().filter_map(|filter| match filter {
        Filter::If(Condition::Address(places, network)) if places.is_one() => Some((*places, network)),
        _ => None,
    });
    let ports = || {
        filters.iter().filter_map(|filter| match filter {
            Filter::If(Condition::Port(places, ports)) if places.is_one() => Some((*places, ports.one()?)),
            _ => None,
        })
    };
    addresses.flat_map(move |(place, network)| {
        let here = ports().filter(move |(other, _)| *other == place);
        here.map(move |(_, port)| (network, port))
    })
}

impl Condition {
    fn share(&self, block: &Block<'_, '_>) -> Share {
        match self {
            Self::Address(_, network) if network.family() != block.family => Share::None,
            Self::Address(_, network) if network.is_whole() => Share::All,
            Self::Address(_, network) => Share::none_if(network.key().is_some_and(|key| block.lacks(key))),
            Self::Port(_, ports) => Share::all_if(ports.is_all()),
            Self::Before(moment) => Share::none_if(block.none_began_by(*moment)),
            Self::After(moment) => Share::none_if(block.all_ended_before(*moment)),
            Self::At(moment) => Share::none_if(block.none_began_by(*moment) || block.all_ended_before(*moment)),
            // Both times are known of a record that meets it: if none of the block knows one, none does.
            Self::Lasted(_) => Share::none_if(block.least_start == u64::MAX || block.greatest_end == 0),
            Self::Protocol(_) | Self::Zone(_) | Self::Mark(_) | Self::Id(_) | Self::Translated => Share::Unknown,
        }
    }
}

impl Block<'_, '_> {
    /// Whether the block's Bloom filter says that none of its records has this key.
    fn lacks(&self, key: Key) -> bool {
        self.head.and_then(Head::filter).is_some_and(|filter| !filter.may_hold(key))
    }

    const fn none_began_by(&self, moment: u64) -> bool {
        self.least_start > moment && self.flags & flags::START_UNKNOWN == 0
    }

    const fn all_ended_before(&self, moment: u64) -> bool {
        self.greatest_end < moment && self.flags & flags::END_UNKNOWN == 0
    }
}

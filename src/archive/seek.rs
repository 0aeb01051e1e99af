//! Which rows of a group may have what is sought: as Bloom filters, the index of pages, and the columns of addresses and
//! ports tell.

use std::net::IpAddr;
use std::ops::Range;

use ctrecorder_format::{Key, V4, V6};
use parquet::data_type::{FixedLenByteArrayType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;

use super::bloom;
use super::read::Group;
use super::row::{CALLED, INSIDE, PEER, PUBLIC};
use super::rows::ipv4;
use super::schema::place;
use super::sought::{Port, Sought};

/// A place where endpoints stand: the columns of its addresses and ports, and whether the rows are in their order.
struct Place {
    ipv4: &'static str,
    ipv6: &'static str,
    port: &'static str,
    is_ordered: bool,
}

const PLACES: [Place; 4] = {
    let mut places =
        [const { Place { ipv4: "inside_ip", ipv6: "inside_ip6", port: "inside_port", is_ordered: false } }; 4];
    places[PUBLIC] = Place { ipv4: "public_ip", ipv6: "public_ip6", port: "public_port", is_ordered: true };
    places[PEER] = Place { ipv4: "peer_ip", ipv6: "peer_ip6", port: "peer_port", is_ordered: false };
    places[CALLED] = Place { ipv4: "called_ip", ipv6: "called_ip6", port: "called_port", is_ordered: false };
    assert!(INSIDE == 0);
    places
};

/// An address of one family with the port that is sought.
#[derive(Clone, Copy)]
struct Wanted<A> {
    address: A,
    port: Option<u16>,
}

/// The rows of a group that may have one of those sought, in order.
pub(super) fn rows(group: &Group<'_>, sought: &[Sought]) -> Result<Vec<Range<usize>>> {
    // Where tuples have the type and code of a query, columns of ports have its id.
    let has_queries = !group.is_null(place("icmp_original"));
    let port = |sought: &Sought| match sought.port {
        None => None,
        Some(Port::OfEndpoint(port)) => Some(port),
        Some(Port::OfTuple(port)) => (!has_queries).then_some(port),
    };
    let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
    for sought in sought {
        match sought.address {
            IpAddr::V4(ip) => ipv4.push(Wanted::<V4> { address: ip.octets(), port: port(sought) }),
            IpAddr::V6(ip) => ipv6.push(Wanted::<V6> { address: ip.octets(), port: port(sought) }),
        }
    }
    let mut found = Vec::new();
    for columns in &PLACES {
        found.extend(Seek { group, place: columns, column: place(columns.ipv4) }.ipv4(&ipv4)?);
        found.extend(Seek { group, place: columns, column: place(columns.ipv6) }.ipv6(&ipv6)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(ranges(&found))
}

/// An address as the number that it stands as.
fn number(address: V4) -> i64 {
    u32::from_be_bytes(address).into()
}

/// Numbers in order as ranges.
fn ranges(numbers: &[usize]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(last) if last.end == *number => last.end += 1,
            _ => ranges.push(*number..number + 1),
        }
    }
    ranges
}

/// The search in one column of addresses.
struct Seek<'s, 'a> {
    group: &'s Group<'a>,
    place: &'static Place,
    column: usize,
}

impl Seek<'_, '_> {
    fn ipv4(&self, wanted: &[Wanted<V4>]) -> Result<Vec<usize>> {
        let wanted = self.possible(wanted, |wanted| Key::of_bytes(&number(wanted.address).to_le_bytes()))?;
        let pages = |index: &ColumnIndexMetaData, wanted: &[Wanted<V4>]| {
            let ColumnIndexMetaData::INT64(index) = index else { return None };
            let bounds = index.min_values_iter().zip(index.max_values_iter());
            let holds = |(min, max): (Option<&i64>, Option<&i64>)| match (min, max) {
                (Some(min), Some(max)) => wanted.iter().any(|wanted| (*min..=*max).contains(&number(wanted.address))),
                _ => false,
            };
            Some(bounds.map(holds).collect())
        };
        let mut rows = self.pages(&wanted, pages)?;
        if self.place.is_ordered && !rows.is_empty() {
            let (narrowed, are_found) = self.narrowed(&wanted, &rows)?;
            if are_found {
                return Ok(narrowed.into_iter().flatten().collect());
            }
            rows = narrowed;
        }
        let read = if rows.is_empty() { None } else { Some(self.group.values::<Int64Type>(self.column, &rows)?) };
        let addresses = read.iter().flat_map(|read| read.rows().map(|ip| ip.and_then(ipv4)));
        self.matching(&wanted, &rows, addresses)
    }

    /// Of these rows, which are in the order of their addresses and then of their ports, those between the least and the greatest
    /// that is wanted; and whether these are what is wanted, and nothing else.
    fn narrowed(&self, wanted: &[Wanted<V4>], rows: &[Range<usize>]) -> Result<(Vec<Range<usize>>, bool)> {
        let ports: Option<Vec<_>> = wanted.iter().map(|wanted| wanted.port).collect();
        let numbers = || wanted.iter().map(|wanted| number(wanted.address));
        let (Some(least), Some(greatest)) = (numbers().min(), numbers().max()) else { return Ok((Vec::new(), true)) };
        let is_one = least == greatest;
        let mut narrowed = Vec::new();
        for rows in rows {
            let read = self.group.values::<Int64Type>(self.column, std::slice::from_ref(rows))?;
            // Rows of IPv6 come last.
            let begin = rows.start + read.values.partition_point(|ip| *ip < least);
            let end = rows.start + read.values.partition_point(|ip| *ip <= greatest);
            if begin == end {
                continue;
            }
            match &ports {
                Some(ports) if is_one => {
                    let here = begin..end;
                    let column = place(self.place.port);
                    let read = self.group.values::<Int32Type>(column, std::slice::from_ref(&here))?;
                    for port in ports {
                        let first = begin + read.values.partition_point(|own| *own < i32::from(*port));
                        let last = begin + read.values.partition_point(|own| *own <= i32::from(*port));
                        narrowed.extend((first < last).then_some(first..last));
                    }
                }
                _ => narrowed.push(begin..end),
            }
        }
        narrowed.sort_unstable_by_key(|rows| rows.start);
        narrowed.dedup();
        Ok((narrowed, is_one && ports.is_some()))
    }

    fn ipv6(&self, wanted: &[Wanted<V6>]) -> Result<Vec<usize>> {
        let wanted = self.possible(wanted, |wanted| Key::address(wanted.address))?;
        let pages = |index: &ColumnIndexMetaData, wanted: &[Wanted<V6>]| {
            let ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(index) = index else { return None };
            let bounds = index.min_values_iter().zip(index.max_values_iter());
            let holds = |(min, max): (Option<&[u8]>, Option<&[u8]>)| match (min, max) {
                (Some(min), Some(max)) => {
                    wanted.iter().any(|wanted| min <= &wanted.address[..] && &wanted.address[..] <= max)
                }
                _ => false,
            };
            Some(bounds.map(holds).collect())
        };
        let rows = self.pages(&wanted, pages)?;
        let read =
            if rows.is_empty() { None } else { Some(self.group.values::<FixedLenByteArrayType>(self.column, &rows)?) };
        let addresses = read.iter().flat_map(|read| read.rows().map(|ip| ip.and_then(|ip| ip.data().try_into().ok())));
        self.matching(&wanted, &rows, addresses)
    }

    /// Those that may be in the column at all.
    fn possible<A: Copy>(&self, wanted: &[Wanted<A>], key: impl Fn(&Wanted<A>) -> Key) -> Result<Vec<Wanted<A>>> {
        if wanted.is_empty() || self.group.is_null(self.column) {
            return Ok(Vec::new());
        }
        let mut possible = Vec::new();
        for wanted in wanted {
            if bloom::may_hold(self.group, self.column, key(wanted))? {
                possible.push(*wanted);
            }
        }
        Ok(possible)
    }

    /// The rows of the pages in which one of these may be.
    fn pages<A>(
        &self,
        wanted: &[Wanted<A>],
        holds: impl Fn(&ColumnIndexMetaData, &[Wanted<A>]) -> Option<Vec<bool>>,
    ) -> Result<Vec<Range<usize>>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.group.rows();
        let holding = holds(&self.group.index(self.column)?, wanted);
        let mut rows = chosen(&self.group.pages(self.column)?, holding, all);
        let ports: Option<Vec<_>> = wanted.iter().map(|wanted| wanted.port).collect();
        if let Some(ports) = ports.filter(|_| self.place.is_ordered) {
            let column = place(self.place.port);
            let index = self.group.index(column)?;
            let holding = match &index {
                ColumnIndexMetaData::INT32(index) => Some(
                    index
                        .min_values_iter()
                        .zip(index.max_values_iter())
                        .map(|(min, max)| match (min, max) {
                            (Some(min), Some(max)) => {
                                let page = *min as u32..=*max as u32;
                                ports.iter().any(|port| page.contains(&(*port).into()))
                            }
                            _ => false,
                        })
                        .collect(),
                ),
                _ => None,
            };
            rows = both(&rows, &chosen(&self.group.pages(column)?, holding, all));
        }
        Ok(rows)
    }

    /// Of these rows, with their addresses, those that have one that is wanted, and its port.
    fn matching<A: Copy + PartialEq>(
        &self,
        wanted: &[Wanted<A>],
        rows: &[Range<usize>],
        addresses: impl Iterator<Item = Option<A>>,
    ) -> Result<Vec<usize>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = rows.iter().cloned().flatten();
        let hits = numbers.zip(addresses).filter_map(|(row, address)| Some((row, address?)));
        let hits: Vec<_> = hits.filter(|(_, address)| wanted.iter().any(|wanted| wanted.address == *address)).collect();
        if hits.is_empty() || wanted.iter().all(|wanted| wanted.port.is_none()) {
            return Ok(hits.into_iter().map(|(row, _)| row).collect());
        }
        let rows = ranges(&hits.iter().map(|(row, _)| *row).collect::<Vec<_>>());
        let ports = self.group.values::<Int32Type>(place(self.place.port), &rows)?;
        let is_wanted = |address: A, port: Option<i32>| {
            wanted
                .iter()
                .any(|wanted| wanted.address == address && wanted.port.is_none_or(|wanted| Some(wanted.into()) == port))
        };
        let both = hits.into_iter().zip(ports.rows());
        Ok(both.filter(|((_, address), port)| is_wanted(*address, *port)).map(|((row, _), _)| row).collect())
    }
}

/// The rows of the pages that are chosen; if nothing is known of pages, all.
fn chosen(pages: &[PageLocation], holding: Option<Vec<bool>>, all: usize) -> Vec<Range<usize>> {
    let Some(holding) = holding.filter(|holding| holding.len() == pages.len()) else {
        return std::iter::once(0..all).collect();
    };
    let begin = |page: &PageLocation| usize::try_from(page.first_row_index).unwrap_or(0).min(all);
    let ends = pages.iter().skip(1).map(begin).chain([all]);
    let mut rows: Vec<Range<usize>> = Vec::new();
    for ((page, end), holds) in pages.iter().zip(ends).zip(holding) {
        let page = begin(page)..end;
        match rows.last_mut() {
            _ if !holds || page.is_empty() => {}
            Some(last) if last.end == page.start => last.end = page.end,
            _ => rows.push(page),
        }
    }
    rows
}

/// What two lists of ranges, each in order, have in common.
fn both(one: &[Range<usize>], other: &[Range<usize>]) -> Vec<Range<usize>> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| a.start.max(b.start)..a.end.min(b.end)));
    pairs.filter(|range| !range.is_empty()).collect()
}

//! Records as lines of one format or another.

use ctrecorder_format::{Address, Counters, Note, Record};

use super::classic::Classic;
use super::conntrack::Conntrack;
use super::csv::Csv;
use super::json::Json;
use super::zone::Zone;

/// Writes records as lines; made by the function that names the format.
#[derive(Clone, Debug)]
pub struct Lines(Format);

#[derive(Clone, Debug)]
enum Format {
    Classic(Classic),
    Conntrack(Conntrack),
    Json(Box<Json>),
    Csv(Box<Csv>),
}

impl Lines {
    /// Classic text: [`Classic`]. Times are in this zone.
    pub fn classic(zone: Zone) -> Self {
        Self(Format::Classic(Classic::new(zone)))
    }

    /// Lines as conntrack(8) prints events (docs/outputs.md, "conntrack").
    pub fn conntrack() -> Self {
        Self(Format::Conntrack(Conntrack::default()))
    }

    /// Objects of JSON, one a line (docs/outputs.md, "json").
    pub fn json() -> Self {
        Self(Format::Json(Box::new(Json::new())))
    }

    /// Comma-separated values (docs/outputs.md, "csv").
    pub fn csv() -> Self {
        Self(Format::Csv(Box::new(Csv::new())))
    }

    /// Records of several network namespaces follow: CSV has a column for that then. To be told before [`Lines::head`].
    pub const fn tell_netns(&mut self) {
        if let Format::Csv(csv) = &mut self.0 {
            csv.tell_netns();
        }
    }

    /// What stands before all records, if anything.
    pub fn head(&self) -> String {
        match &self.0 {
            Format::Csv(csv) => csv.head(),
            Format::Classic(_) | Format::Conntrack(_) | Format::Json(_) => String::new(),
        }
    }

    /// What follows was recorded by the host of this name; empty if that is not known.
    pub fn host(&mut self, host: &str) {
        match &mut self.0 {
            Format::Classic(_) | Format::Conntrack(_) => {}
            Format::Json(json) => json.host(host),
            Format::Csv(csv) => csv.host(host),
        }
    }

    /// What follows was recorded in the network namespace of this id; `None`: in the recorder's own.
    pub fn netns(&mut self, netns: Option<u32>) {
        match &mut self.0 {
            Format::Classic(classic) => classic.netns(netns),
            Format::Conntrack(conntrack) => conntrack.netns(netns),
            Format::Json(json) => json.netns(netns),
            Format::Csv(csv) => csv.netns(netns),
        }
    }

    /// Takes a note of the journal: one that the kernel's table was read tells of ends that were not heard.
    pub fn note(&mut self, note: &Note) {
        match &mut self.0 {
            Format::Classic(classic) => classic.note(note),
            Format::Conntrack(conntrack) => conntrack.note(note),
            Format::Json(json) => json.note(note),
            Format::Csv(csv) => csv.note(note),
        }
    }

    /// Appends the line of a record, with what was counted of its flow.
    pub fn record<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>, counters: Option<&Counters>) {
        match &mut self.0 {
            Format::Classic(classic) => classic.event(out, record),
            Format::Conntrack(conntrack) => conntrack.record(out, record, counters),
            Format::Json(json) => json.record(out, record, counters),
            Format::Csv(csv) => csv.record(out, record, counters),
        }
    }
}

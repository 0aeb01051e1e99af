//! Counts what the footer of a segment tells of.

use ctrecorder_format::{Address, Block, Body, Kind, Note, Records, Segment, Totals};

use super::Finding;
use super::directory::Comparison;

/// What is in a segment. The writer has its own count: sharing it would share its errors.
pub(super) struct Count<'d> {
    pub(super) totals: Totals,
    /// Whole blocks, the footer among them.
    pub(super) blocks: u64,
    directory: Comparison<'d>,
    /// Whether a footer was met, whole or not.
    pub(super) has_footer: bool,
}

impl<'d> Count<'d> {
    pub(super) fn new(segment: &'d Segment<'_>) -> Self {
        let directory = segment.footer().map_or(&[][..], |footer| footer.directory);
        Self {
            totals: Totals { first_event: u64::MAX, ..Totals::default() },
            blocks: 0,
            directory: Comparison::with(directory),
            has_footer: false,
        }
    }

    pub(super) fn block(&mut self, block: &Block<'_>) {
        self.blocks += 1;
        if matches!(block.body, Body::Footer(_)) {
            return;
        }
        self.totals.blocks += 1;
        self.directory.block(block.offset, block.header);
        match &block.body {
            Body::Ipv4(records) => self.totals.ipv4 += self.records(records),
            Body::Ipv6(records) => self.totals.ipv6 += self.records(records),
            Body::Notes(notes) => self.notes(notes),
            Body::Index(_) | Body::Sources(_) | Body::Footer(_) | Body::Unknown => return,
        }
        if !matches!(block.body, Body::Notes(_)) {
            self.totals.first_event = self.totals.first_event.min(block.header.first_event.get());
            self.totals.last_event = self.totals.last_event.max(block.header.last_event.get());
        }
    }

    fn records<A: Address>(&mut self, records: &Records<'_, A>) -> u64 {
        for (record, _) in records.iter() {
            match record.kind() {
                Some(Kind::Start) => self.totals.starts += 1,
                Some(Kind::End) => self.totals.ends += 1,
                Some(Kind::Flow) => self.totals.flows += 1,
                Some(Kind::Open) => self.totals.opens += 1,
                Some(Kind::Update) | None => {}
            }
        }
        records.len() as u64
    }

    fn notes(&mut self, notes: &[Note]) {
        for note in notes {
            self.totals.notes += 1;
            if note.is_gap() {
                self.totals.lost = self.totals.lost.saturating_add(note.lost().unwrap_or(0));
            }
        }
    }

    /// Tells of what the segment's footer says otherwise, if it has one.
    pub(super) fn hold_against(&self, segment: &Segment<'_>, found: &mut dyn FnMut(Finding)) {
        let Some(footer) = segment.footer() else { return };
        let (offset, said, counted) = (footer.offset, &footer.totals, &self.totals);
        let first_event = if counted.first_event == u64::MAX { 0 } else { counted.first_event };
        for (what, said, counted) in [
            ("blocks", said.blocks, counted.blocks),
            ("starts", said.starts, counted.starts),
            ("ends", said.ends, counted.ends),
            ("flows", said.flows, counted.flows),
            ("open flows", said.opens, counted.opens),
            ("IPv4 records", said.ipv4, counted.ipv4),
            ("IPv6 records", said.ipv6, counted.ipv6),
            ("notes", said.notes, counted.notes),
            ("lost events", said.lost, counted.lost),
            ("ns as time of the first event", said.first_event, first_event),
            ("ns as time of the last event", said.last_event, counted.last_event),
        ] {
            if said != counted {
                found(Finding::Total { offset, what, said, counted });
            }
        }
        if let Some(entry) = self.directory.wrong() {
            found(Finding::Directory { offset, entry });
        }
    }
}

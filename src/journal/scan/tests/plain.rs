//! The plain walk through a journal, block by block and record by record: what every scan must come to.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use ctrecorder_format::legacy::Piece;
use ctrecorder_format::{BlockKind, Body, Damage, Fault, Head, Kind, Segment};

use super::super::merge::{Batch, Either};
use super::super::{Select, Sink};
use crate::journal::keyframe::{Keyframes, State};
use crate::journal::{Journal, OpenRecords, Source, Version};

/// Hands everything in a journal that `select` wants to `sink`; every block is read, whatever may be ruled out.
pub(super) fn walk<F: Select, S: Sink>(
    journal: &Journal,
    select: &F,
    open_records: OpenRecords,
    sink: &mut S,
) -> ControlFlow<S::Stop> {
    let mut keyframes = Keyframes::new(open_records);
    for file in journal.files() {
        let source = file.open().unwrap();
        match source.parse() {
            Err(error) => sink.error(error)?,
            Ok(version) => {
                sink.begin(source.path(), &version)?;
                match &version {
                    Version::Two(file) => {
                        for piece in file.pieces() {
                            match piece {
                                Piece::Record { record, .. } if select.matches(&record) => sink.ipv4(&record, None)?,
                                Piece::Record { .. } => {}
                                Piece::Damage(damage) => sink.damage(source.path(), &version, &damage)?,
                            }
                        }
                    }
                    Version::Three(segment) => {
                        let mut open = keyframes.begin(segment.header().ok(), false);
                        Walk { open: &mut open, select, source: &source, version: &version, sink }.segment(segment)?;
                        keyframes.end(segment, &open);
                    }
                    Version::Archive(_) => unreachable!("these journals have none"),
                }
            }
        }
        sink.passed(source.length());
    }
    ControlFlow::Continue(())
}

struct Walk<'w, F, S> {
    open: &'w mut State,
    select: &'w F,
    source: &'w Source,
    version: &'w Version<'w>,
    sink: &'w mut S,
}

impl<F: Select, S: Sink> Walk<'_, F, S> {
    fn segment(&mut self, segment: &Segment<'_>) -> ControlFlow<S::Stop> {
        if let Err(damage) = segment.header() {
            self.damage(damage)?;
        }
        let mut batch = Batch::default();
        for head in segment.heads() {
            match head {
                Ok(head) => self.block(&head, &mut batch)?,
                Err(damage) => {
                    self.hand_on(&mut batch)?;
                    self.damage(&damage)?;
                }
            }
        }
        self.hand_on(&mut batch)
    }

    fn block<'a>(&mut self, head: &Head<'a>, batch: &mut Batch<'a>) -> ControlFlow<S::Stop> {
        if !batch.goes_on_with(head.header) {
            self.hand_on(batch)?;
        }
        batch.joined_by(head.header);
        // An index has nothing to hand on.
        let is_index = head.header.kind() == Some(BlockKind::Index);
        match if is_index { Ok(Body::Unknown) } else { head.verify().map(|block| block.body) } {
            Ok(Body::Ipv4(records)) => {
                if batch.ipv4.is_some() {
                    self.hand_on(batch)?;
                }
                batch.ipv4 = Some(records);
            }
            Ok(Body::Ipv6(records)) => {
                if batch.ipv6.is_some() {
                    self.hand_on(batch)?;
                }
                batch.ipv6 = Some(records);
            }
            Ok(Body::Notes(notes)) => {
                self.hand_on(batch)?;
                for note in notes {
                    self.open.note(note);
                    self.sink.note(self.source.path(), note)?;
                }
            }
            Ok(Body::Footer(_) | Body::Index(_) | Body::Sources(_) | Body::Unknown) => {}
            Err(damage) => self.damage(&damage)?,
        }
        if batch.is_whole() { self.hand_on(batch) } else { ControlFlow::Continue(()) }
    }

    fn hand_on(&mut self, batch: &mut Batch<'_>) -> ControlFlow<S::Stop> {
        for record in in_order(&std::mem::take(batch)) {
            let kind = match record {
                Either::Ipv4(record, _) => record.kind(),
                Either::Ipv6(record, _) => record.kind(),
            };
            let is_shown = kind != Some(Kind::Open) || self.open.shows();
            if kind == Some(Kind::Open) {
                self.open.open();
            }
            match record {
                Either::Ipv4(record, counters) if is_shown && kind.is_some() && self.select.matches(record) => {
                    self.sink.ipv4(record, counters)?;
                }
                Either::Ipv6(record, counters) if is_shown && kind.is_some() && self.select.matches(record) => {
                    self.sink.ipv6(record, counters)?;
                }
                Either::Ipv4(..) | Either::Ipv6(..) => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn damage(&mut self, damage: &Damage) -> ControlFlow<S::Stop> {
        if matches!(damage.fault, Fault::CutOff(_)) && self.source.is_being_written() {
            return ControlFlow::Continue(());
        }
        if damage.records_lost != Some(0) {
            self.open.damage();
        }
        self.sink.damage(self.source.path(), self.version, damage)
    }
}

/// The records of a batch by the time of what they tell, IPv4 first where two are the same.
fn in_order<'a>(batch: &Batch<'a>) -> Vec<Either<'a>> {
    let ipv4 = batch.ipv4.into_iter().flat_map(|records| records.iter());
    let ipv6 = batch.ipv6.into_iter().flat_map(|records| records.iter());
    let mut ipv4: VecDeque<_> = ipv4.map(|(record, more)| (record.event_time(), Either::Ipv4(record, more))).collect();
    let mut ipv6: VecDeque<_> = ipv6.map(|(record, more)| (record.event_time(), Either::Ipv6(record, more))).collect();
    let mut all = Vec::new();
    while let (Some((a, _)), Some((b, _))) = (ipv4.front(), ipv6.front()) {
        let first = if b < a { ipv6.pop_front() } else { ipv4.pop_front() };
        all.extend(first.map(|(_, record)| record));
    }
    all.extend(ipv4.into_iter().chain(ipv6).map(|(_, record)| record));
    all
}

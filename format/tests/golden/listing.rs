//! A segment as plain text, all of it: what the golden files are compared by.

use std::fmt::Write;
use std::net::SocketAddr;

use ctrecorder_format::{
    Address, Block, BlockKind, Body, Column, Counters, Damage, Footer, Header, Index, MadeFrom, Note, Record, Records,
    Retirement, Segment, Tuple,
};

/// A line for each block, record, note, directory entry and damage. Times are nanoseconds since the epoch.
pub fn listing(bytes: &[u8]) -> String {
    let segment = Segment::open(bytes).expect("a segment");
    let mut text = String::new();
    match segment.header() {
        Ok(found) => header(&mut text, found),
        Err(found) => damage(&mut text, found),
    }
    for head in segment.heads() {
        match head.and_then(|head| Ok((head.filter().map_or(0, |filter| filter.length()), head.verify()?))) {
            Ok((filter, found)) => block(&mut text, filter, &found),
            Err(found) => damage(&mut text, &found),
        }
    }
    let digest = segment.footer().map(|footer| Some(footer.digest) == segment.digest());
    line(&mut text, format_args!("digest {}", digest.map_or("missing", |right| if right { "right" } else { "wrong" })));
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes all");
}

fn damage(text: &mut String, found: &Damage) {
    let Damage { offset, length, fault, records_lost } = found;
    line(text, format_args!("damage at {offset} length {length} lost {records_lost:?}: {fault}"));
}

fn header(text: &mut String, header: &Header) {
    let Header { tag, counters, software, content, host, boot_id, recorder_started, segment_number, .. } = header;
    let Header { created, time_zone, utc_offset_seconds, families, protocols, namespace, .. } = header;
    let Header { filters, clock, previous, .. } = header;
    line(text, format_args!("header tag {tag:#010x} counters {counters} software {software:?} content {content:?}"));
    line(text, format_args!("header host {host:?} boot_id {}", hex(boot_id)));
    line(text, format_args!("header recorder_started {recorder_started} segment {segment_number} created {created}"));
    line(text, format_args!("header time_zone {time_zone:?} utc_offset {utc_offset_seconds} families {families}"));
    line(
        text,
        format_args!("header protocols {protocols:?} namespace {namespace} filters {filters:?} clock {clock:?}"),
    );
    if header.closing_keyframe {
        line(text, format_args!("header closing_keyframe"));
    }
    line(text, format_args!("header previous {}", previous.map_or("none".into(), |digest| hex(&digest))));
}

fn block(text: &mut String, filter: usize, block: &Block<'_>) {
    let head = block.header;
    let kind = head.kind();
    let [offset, sequence, count] = [block.offset, head.sequence.get().into(), head.count.get().into()];
    let (flags, size, payload) = (head.flags, head.record_size.get(), head.payload_length.get());
    line(
        text,
        format_args!(
            "block {sequence} at {offset} {kind:?} flags {flags:#06b} {count} of {size} bytes, payload {payload}, \
             filter {filter}, first {} last {} least {} greatest {}",
            head.first_event, head.last_event, head.least_start, head.greatest_end
        ),
    );
    match &block.body {
        Body::Ipv4(found) => records(text, found),
        Body::Ipv6(found) => records(text, found),
        Body::Notes(found) => found.iter().for_each(|found| note(text, found)),
        Body::Footer(found) => footer(text, found),
        Body::Index(found) => index(text, found),
        Body::Sources(found) => found.iter().for_each(|found| source(text, found)),
        Body::Unknown => assert_eq!(kind, None::<BlockKind>),
    }
}

fn source(text: &mut String, source: &MadeFrom) {
    let MadeFrom { digest, boot_id, recorder_started, segment_number, length, version, .. } = source;
    let (digest, boot_id, closing) = (hex(digest), hex(boot_id), source.closing());
    line(
        text,
        format_args!(
            "  source version {version} boot_id {boot_id} recorder_started {recorder_started} segment {segment_number} \
             length {length} closing {closing:?} digest {digest}"
        ),
    );
}

fn records<A: Address>(text: &mut String, records: &Records<'_, A>) {
    for (record, counted) in records.iter() {
        let Record { start, end, id, mark, zone, protocol, status, tcp_state, flags, .. } = record;
        let kind = record.kind().map_or("?".into(), |kind| format!("{kind:?}"));
        let (original, reply) = (tuple(&record.original), tuple(&record.reply));
        let counted = counted.map_or_else(String::new, counters);
        line(
            text,
            format_args!(
                "{kind} {start} {end} proto {protocol} {original} {reply} id {id} mark {mark} zone {zone} \
                 status {:#x} state {tcp_state} flags {flags:#07b}{counted}",
                status.get()
            ),
        );
    }
}

fn tuple<A: Address>(tuple: &Tuple<A>) -> String {
    let endpoint = |address: A, port| SocketAddr::new(address.to_ip(), port);
    format!("{}>{}", endpoint(tuple.src, tuple.sport.get()), endpoint(tuple.dst, tuple.dport.get()))
}

fn counters(counted: &Counters) -> String {
    let Counters { original_packets, original_bytes, reply_packets, reply_bytes } = counted;
    format!(" counters {original_packets} {original_bytes} {reply_packets} {reply_bytes}")
}

fn note(text: &mut String, note: &Note) {
    let Note { from, to, value, .. } = note;
    let (cause, gap, lost) = (note.cause(), note.is_gap(), note.lost());
    line(text, format_args!("note {from} {to} cause {cause:?} gap {gap} lost {lost:?} value {value}"));
    if let Some(Retirement { from, to, segment, .. }) = Retirement::of(note) {
        line(text, format_args!("told of {from} {to} segment {segment}"));
    }
}

fn footer(text: &mut String, footer: &Footer<'_>) {
    let totals = &footer.totals;
    line(text, format_args!("footer {:?} closed {}", totals.closing, totals.closed));
    line(text, format_args!("footer events {} to {}", totals.first_event, totals.last_event));
    line(
        text,
        format_args!(
            "footer blocks {} starts {} ends {} flows {} opens {} ipv4 {} ipv6 {} notes {} lost {}",
            totals.blocks,
            totals.starts,
            totals.ends,
            totals.flows,
            totals.opens,
            totals.ipv4,
            totals.ipv6,
            totals.notes,
            totals.lost
        ),
    );
    for entry in footer.directory {
        line(
            text,
            format_args!(
                "entry at {} blocks {} kinds {:#07b} flags {:#06b} records {} first {} last {} least {} greatest {}",
                entry.offset,
                entry.blocks,
                entry.kinds,
                entry.flags,
                entry.records,
                entry.first_event,
                entry.last_event,
                entry.least_start,
                entry.greatest_end
            ),
        );
    }
    line(text, format_args!("footer digest {}", hex(&footer.digest)));
}

fn index(text: &mut String, index: &Index<'_>) {
    for column in index.columns() {
        let Column { offset, first, blocks } = column;
        line(text, format_args!("column at {offset} first {first} blocks {blocks}"));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

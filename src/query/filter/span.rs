//! When a record's flow was alive, as far as the record tells. docs/reading.md, section "Times in a filter".

use ctrecorder_format::{Address, Kind, Record};

/// From when to when the flow was alive, ns since the epoch, both inclusive. A time that the record does not tell is as
/// far away as it can be.
pub(super) fn alive<A: Address>(record: &Record<A>) -> (u64, u64) {
    let end = match record.end.get() {
        0 => u64::MAX,
        end => end,
    };
    (record.start.get(), end)
}

/// The span that the record is news of: a start and an end are news of their moment, an open record and a flow of all the
/// time that the flow was alive.
pub(super) fn news<A: Address>(record: &Record<A>) -> (u64, u64) {
    let (begin, end) = alive(record);
    match record.kind() {
        Some(Kind::Start | Kind::Update) if record.end.get() == 0 && begin != 0 => (begin, begin),
        Some(Kind::End) if record.end.get() != 0 => (begin.max(end), end),
        _ => (begin, end),
    }
}

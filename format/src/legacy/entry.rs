//! The two records of version 2 as they stand in the file, and what tells them from other bytes.

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::address::V4;
use crate::record::{self, Kind, Record, flags};

pub(super) use crate::NS_PER_SECOND;
pub(super) const NS_PER_MICRO: u64 = 1_000;

const MICROS_PER_SECOND: u32 = 1_000_000;

/// The low bits of an event's type, which tell its [`Kind`].
const KIND_BITS: u8 = 0b011;

/// The bit of an event's type that says that a reply was seen.
const REPLY_BIT: u8 = 0b100;

/// How far an event's time usually lies from the one before it: an hour back to a day on.
const EVENT_BACK_S: u32 = 3_600;
const EVENT_ON_S: u32 = 86_400;

/// How far the time of a combined record usually lies from those around it, since unmatched starts stand in no
/// order; and how long a flow usually lasts at most.
const COMBINED_S: u32 = 32 * 86_400;

/// Times to judge a record's times by, in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    /// When the file was begun.
    pub started: u32,
    /// The time of the record before; of the header, where there is none.
    pub previous: u32,
}

/// A record as it stands in the file.
pub(super) trait Entry: FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned + Copy + 'static {
    /// Its length in bytes.
    const SIZE: usize = size_of::<Self>();

    /// Whether the bytes can be a record at all.
    fn is_sound(&self) -> bool;

    /// Whether its two times, if it has two, are of one flow.
    fn is_coherent(&self) -> bool {
        true
    }

    /// Whether its time is near those known.
    fn is_near(&self, anchor: Anchor) -> bool;

    /// Whether the bytes are what is expected here.
    fn is_ordinary(&self, anchor: Anchor) -> bool {
        self.is_sound() && self.is_coherent() && self.is_near(anchor)
    }

    /// Its time in seconds since 1970-01-01T00:00:00Z: the latest, if it has two.
    fn seconds(&self) -> u32;

    /// What [`Record::event_time`] of its record is.
    fn event_time(&self) -> u64;

    /// Its four endpoints, in place.
    fn endpoints(&self) -> Endpoints<'_>;

    /// Some sound record of this time.
    fn sample(seconds: u32) -> Self;

    /// The record in the terms of version 3.
    fn to_record(&self, protocol: u8) -> Record<V4>;
}

/// The record that begins with `bytes`, which are fewer than a whole one; `None` if none can.
pub(super) fn beginning<T: Entry>(bytes: &[u8], anchor: Anchor) -> Option<T> {
    // What is not there must not make the time 0, whatever is.
    let mut whole = T::sample(anchor.previous | 1);
    for (to, from) in whole.as_mut_bytes().iter_mut().zip(bytes) {
        *to = *from;
    }
    whole.is_sound().then_some(whole)
}

/// A time: 8 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Time {
    seconds: U32,
    micros: U32,
}

impl Time {
    fn of_second(seconds: u32) -> Self {
        Self { seconds: seconds.into(), micros: 0.into() }
    }

    /// The time in ns since 1970-01-01T00:00:00Z, less what is below the microsecond; 0 is "not known".
    /// `None` for times that the format does not have: in the first second of 1970, or past 2106-02-07.
    pub(super) fn from_ns(ns: u64) -> Option<Self> {
        let seconds = u32::try_from(ns / NS_PER_SECOND).ok()?;
        let micros = u32::try_from(ns % NS_PER_SECOND / NS_PER_MICRO).ok()?;
        let time = Self { seconds: seconds.into(), micros: micros.into() };
        (time.is_known() || ns == 0).then_some(time)
    }

    fn to_ns(self) -> u64 {
        u64::from(self.seconds.get()) * NS_PER_SECOND + u64::from(self.micros.get()) * NS_PER_MICRO
    }

    fn is_known(self) -> bool {
        self.seconds.get() != 0
    }

    fn is_sound(self) -> bool {
        self.micros.get() < MICROS_PER_SECOND && (self.is_known() || self.micros.get() == 0)
    }
}

/// One direction of a flow: 12 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Tuple {
    src: V4,
    sport: U16,
    dst: V4,
    dport: U16,
}

/// The four endpoints of a record as it stands in the file: what most questions are about, at hand before there is a
/// [`Record`].
#[derive(Clone, Copy, Debug)]
pub struct Endpoints<'a> {
    original: &'a Tuple,
    reply: &'a Tuple,
}

impl Endpoints<'_> {
    /// Source and destination of the original tuple, then of the reply tuple.
    #[inline]
    pub const fn addresses(&self) -> [V4; 4] {
        [self.original.src, self.original.dst, self.reply.src, self.reply.dst]
    }

    /// Their ports, in the same order.
    #[inline]
    pub fn ports(&self) -> [u16; 4] {
        [self.original.sport, self.original.dport, self.reply.sport, self.reply.dport].map(U16::get)
    }
}

impl From<&record::Tuple<V4>> for Tuple {
    fn from(tuple: &record::Tuple<V4>) -> Self {
        Self { src: tuple.src, sport: tuple.sport.get().into(), dst: tuple.dst, dport: tuple.dport.get().into() }
    }
}

impl From<&Tuple> for record::Tuple<V4> {
    fn from(tuple: &Tuple) -> Self {
        Self { src: tuple.src, dst: tuple.dst, sport: tuple.sport.get().into(), dport: tuple.dport.get().into() }
    }
}

/// A record of an event file: 33 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Event {
    kind: u8,
    time: Time,
    original: Tuple,
    reply: Tuple,
}

impl Event {
    /// What `record` says of its flow at `time`; `kind` is one of start, update and end.
    pub(super) fn new(kind: Kind, time: Time, record: &Record<V4>) -> Self {
        let reply = if record.reply_seen() { REPLY_BIT } else { 0 };
        // Version 3 took over the numbers of these kinds.
        let kind = kind as u8 & KIND_BITS | reply;
        Self { kind, time, original: (&record.original).into(), reply: (&record.reply).into() }
    }
}

impl Entry for Event {
    fn is_sound(&self) -> bool {
        self.kind & KIND_BITS != 0
            && self.kind & !(KIND_BITS | REPLY_BIT) == 0
            && self.time.is_known()
            && self.time.is_sound()
    }

    fn is_near(&self, anchor: Anchor) -> bool {
        let since = self.seconds().wrapping_sub(anchor.previous);
        since.wrapping_add(EVENT_BACK_S) <= EVENT_BACK_S + EVENT_ON_S
    }

    fn seconds(&self) -> u32 {
        self.time.seconds.get()
    }

    fn event_time(&self) -> u64 {
        self.time.to_ns()
    }

    #[inline]
    fn endpoints(&self) -> Endpoints<'_> {
        Endpoints { original: &self.original, reply: &self.reply }
    }

    fn sample(seconds: u32) -> Self {
        Self { kind: Kind::Start as u8, time: Time::of_second(seconds), ..Self::new_zeroed() }
    }

    fn to_record(&self, protocol: u8) -> Record<V4> {
        let kind = self.kind & KIND_BITS;
        let time = self.time.to_ns();
        let (start, end) = if kind == Kind::End as u8 { (0, time) } else { (time, 0) };
        Record {
            start: start.into(),
            end: end.into(),
            original: (&self.original).into(),
            reply: (&self.reply).into(),
            kind,
            protocol,
            flags: if self.kind & REPLY_BIT != 0 { flags::REPLY_SEEN } else { 0 },
            ..Record::new_zeroed()
        }
    }
}

/// A record of a combined file: 40 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Combined {
    start: Time,
    end: Time,
    original: Tuple,
    reply: Tuple,
}

impl Combined {
    /// The flow of `record` with these times.
    pub(super) fn new(start: Time, end: Time, record: &Record<V4>) -> Self {
        Self { start, end, original: (&record.original).into(), reply: (&record.reply).into() }
    }
}

impl Entry for Combined {
    fn is_sound(&self) -> bool {
        (self.start.is_known() || self.end.is_known()) && self.start.is_sound() && self.end.is_sound()
    }

    fn is_coherent(&self) -> bool {
        let lasted = self.end.seconds.get().wrapping_sub(self.start.seconds.get());
        !self.start.is_known() || !self.end.is_known() || lasted <= COMBINED_S
    }

    fn is_near(&self, anchor: Anchor) -> bool {
        let near = |other: u32| self.seconds().abs_diff(other) <= COMBINED_S;
        near(anchor.previous) || near(anchor.started)
    }

    fn seconds(&self) -> u32 {
        self.start.seconds.get().max(self.end.seconds.get())
    }

    fn event_time(&self) -> u64 {
        if self.end.is_known() { self.end.to_ns() } else { self.start.to_ns() }
    }

    #[inline]
    fn endpoints(&self) -> Endpoints<'_> {
        Endpoints { original: &self.original, reply: &self.reply }
    }

    fn sample(seconds: u32) -> Self {
        Self { start: Time::of_second(seconds), end: Time::of_second(seconds), ..Self::new_zeroed() }
    }

    fn to_record(&self, protocol: u8) -> Record<V4> {
        Record {
            start: self.start.to_ns().into(),
            end: self.end.to_ns().into(),
            original: (&self.original).into(),
            reply: (&self.reply).into(),
            kind: Kind::Flow as u8,
            protocol,
            ..Record::new_zeroed()
        }
    }
}

const _: () = {
    assert!(Event::SIZE == 33);
    assert!(Combined::SIZE == 40);
};

#[cfg(test)]
mod tests {
    use super::*;

    const ANCHOR: Anchor = Anchor { started: 1_000_000, previous: 2_000_000 };

    fn event(kind: u8, seconds: u32, micros: u32) -> Event {
        Event { kind, time: Time { seconds: seconds.into(), micros: micros.into() }, ..Event::new_zeroed() }
    }

    #[test]
    fn an_event_is_told_by_its_type_and_time() {
        let kinds = (0..=255).filter(|&kind| event(kind, 1, 0).is_sound());
        assert_eq!(kinds.collect::<Vec<_>>(), [1, 2, 3, 5, 6, 7]);
        assert!(event(1, 1, 999_999).is_sound());
        assert!(!event(1, 1, 1_000_000).is_sound());
        assert!(!event(1, 0, 5).is_sound());
    }

    #[test]
    fn an_ordinary_event_is_an_hour_before_to_a_day_after() {
        let ordinary = |seconds| event(1, seconds, 0).is_ordinary(ANCHOR);
        assert!(ordinary(2_000_000 - 3_600) && !ordinary(2_000_000 - 3_601));
        assert!(ordinary(2_000_000 + 86_400) && !ordinary(2_000_000 + 86_401));
    }

    #[test]
    fn a_combined_record_has_at_least_one_time() {
        let combined = |start, end| Combined {
            start: Time::of_second(start),
            end: Time::of_second(end),
            ..Combined::new_zeroed()
        };
        assert!(combined(1, 0).is_sound() && combined(0, 1).is_sound() && combined(1, 1).is_sound());
        assert!(!combined(0, 0).is_sound());
        let ordinary = |start, end| combined(start, end).is_ordinary(ANCHOR);
        assert!(ordinary(0, 2_000_000 + COMBINED_S) && !ordinary(0, 2_000_001 + COMBINED_S));
        assert!(ordinary(1_000_000, 1_000_000 + COMBINED_S) && !ordinary(1_000_000, 1_000_001 + COMBINED_S));
        assert!(!ordinary(2_000_000, 1_999_999));
    }

    #[test]
    fn times_go_to_microseconds_and_back() {
        let there_and_back = |ns| Time::from_ns(ns).map(Time::to_ns);
        assert_eq!(there_and_back(1_795_209_124_602_998_999), Some(1_795_209_124_602_998_000));
        assert_eq!(there_and_back(0), Some(0));
        assert_eq!(there_and_back(999_999_999), None);
        let last = u64::from(u32::MAX) * NS_PER_SECOND;
        assert_eq!(there_and_back(last), Some(last));
        assert_eq!(there_and_back(last + NS_PER_SECOND), None);
    }

    #[test]
    fn a_beginning_is_judged_by_the_fields_it_has() {
        fn can_begin<T: Entry>(bytes: &[u8]) -> bool {
            beginning::<T>(bytes, ANCHOR).is_some()
        }
        assert!(can_begin::<Event>(&[]));
        assert!(can_begin::<Event>(&[7, 0x6b]));
        assert!(!can_begin::<Event>(&[8]));
        assert!(!can_begin::<Event>(&[1, 0, 0, 0, 1, 1]));
        assert!(can_begin::<Combined>(&[0; 8]));
        assert!(!can_begin::<Combined>(&[0; 16]));
    }
}

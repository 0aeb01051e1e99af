//! Notes: what a journal says about itself between its records. docs/format.md, section "Notes".

use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::NS_PER_SECOND;

/// A cause that is no gap has this bit in its number, but for the first ones.
pub const NO_GAP: u16 = 1 << 15;

/// Why a note was made. Those that are gaps tell of a span in which events may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Cause {
    /// The recorder was started.
    Started = 1,
    /// The recorder was stopped in order; `value` holds how many flows it left open.
    Stopped = 2,
    /// Gap: the kernel had no room left in the socket's buffer.
    KernelOverrun = 3,
    /// Gap: the recorder's queue was full.
    QueueFull = 4,
    /// Gap: the disk was full, and then the queue.
    DiskFull = 5,
    /// The wall clock was set; `value` holds by how much, in ns, forward positive.
    ClockStep = 6,
    /// Gap: the recorder was not running. See also [`Note::not_running`].
    NotRunning = 7,
    /// Gap: messages of the kernel could not be understood, or were cut short.
    Malformed = 8,
    /// Gap: the disk refused for another reason than being full, and then the queue was; or it did not confirm what it had
    /// taken.
    DiskError = 9,
    /// Gap: the files that this one was made from were damaged or not complete there.
    Damaged = 10,
    /// Gap: the segment's file was removed while it was being written.
    Removed = 11,
    /// The kernel's table was read whole by `to`; `value` holds how many flows were alive. Each of them is told of in this
    /// segment, before this note. An end found by this reading has `to` for its end, and came after `from`.
    TableRead = NO_GAP | 1,
    /// What the gaps that begin in the span came to: `lost` events by those of [`Cause::KernelOverrun`], whatever they say
    /// themselves; `value` holds how many lost events of any of these gaps are back as records that were found.
    Account = NO_GAP | 2,
    /// From here on the kernel drops events that find no room, so that its table does not fill.
    LossyDelivery = NO_GAP | 3,
    /// From here on the kernel holds back ends that find no room.
    ReliableDelivery = NO_GAP | 4,
    /// The recorder was at work from `from` to `to`, and nothing else happened.
    Quiet = NO_GAP | 5,
    /// The flows that the segments up to this one left open at `to`, as far as they tell, have *open* records behind this note:
    /// `value` of them. Ends may have been missed since `from`, if that is before `to`. See also [`Note::clock_was_set`].
    LeftOpen = NO_GAP | 6,
    /// In what a segment of flows was made from, nobody tells which flows were alive in this span that had begun before it: the
    /// kernel's table was not read.
    NotRead = NO_GAP | 7,
    /// The recorder removes segments, as it was told to: see [`Retirement`](crate::Retirement).
    Retired = NO_GAP | 8,
    /// A segment that [`Cause::Retired`] told of, in the same words, is still there.
    Kept = NO_GAP | 9,
    /// In what a segment of flows was made from, not all that its header names was recorded in this span: see
    /// [`Recorded`](crate::Recorded).
    Recorded = NO_GAP | 10,
    /// The recorder removes segments of another network namespace's journal: see [`Retirement`](crate::Retirement).
    RetiredElsewhere = NO_GAP | 11,
    /// A segment that [`Cause::RetiredElsewhere`] told of, in the same words, is still there.
    KeptElsewhere = NO_GAP | 12,
    /// The network namespace recorded, another one than the recorder's own, had ended by then; `value` holds how many of its flows
    /// were open. They ended with it.
    NamespaceGone = NO_GAP | 13,
    /// In what a segment of flows was made from, the kernel's table was read whole by `to`, for the first time: each flow alive then
    /// is told of in this segment.
    FirstRead = NO_GAP | 14,
    /// For how long the machine had been up: see [`Uptime`](crate::Uptime).
    Uptime = NO_GAP | 15,
}

impl Cause {
    /// The cause with this number in the file; `None` for one of a later version.
    pub const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Started,
            2 => Self::Stopped,
            3 => Self::KernelOverrun,
            4 => Self::QueueFull,
            5 => Self::DiskFull,
            6 => Self::ClockStep,
            7 => Self::NotRunning,
            8 => Self::Malformed,
            9 => Self::DiskError,
            10 => Self::Damaged,
            11 => Self::Removed,
            0x8001 => Self::TableRead,
            0x8002 => Self::Account,
            0x8003 => Self::LossyDelivery,
            0x8004 => Self::ReliableDelivery,
            0x8005 => Self::Quiet,
            0x8006 => Self::LeftOpen,
            0x8007 => Self::NotRead,
            0x8008 => Self::Retired,
            0x8009 => Self::Kept,
            0x800a => Self::Recorded,
            0x800b => Self::RetiredElsewhere,
            0x800c => Self::KeptElsewhere,
            0x800d => Self::NamespaceGone,
            0x800e => Self::FirstRead,
            0x800f => Self::Uptime,
            _ => return None,
        })
    }

    /// Whether events may be missing in the note's span.
    pub const fn is_gap(self) -> bool {
        match self {
            Self::Started
            | Self::Stopped
            | Self::ClockStep
            | Self::TableRead
            | Self::Account
            | Self::LossyDelivery
            | Self::ReliableDelivery
            | Self::Quiet
            | Self::LeftOpen
            | Self::NotRead
            | Self::Retired
            | Self::Kept
            | Self::Recorded
            | Self::RetiredElsewhere
            | Self::KeptElsewhere
            | Self::NamespaceGone
            | Self::FirstRead
            | Self::Uptime => false,
            Self::KernelOverrun
            | Self::QueueFull
            | Self::DiskFull
            | Self::NotRunning
            | Self::Malformed
            | Self::DiskError
            | Self::Damaged
            | Self::Removed => true,
        }
    }

    /// The cause in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Started => "recorder started",
            Self::Stopped => "recorder stopped",
            Self::KernelOverrun => "socket buffer full",
            Self::QueueFull => "queue full",
            Self::DiskFull => "disk full",
            Self::ClockStep => "clock set",
            Self::NotRunning => "recorder not running",
            Self::Malformed => "messages not understood",
            Self::DiskError => "disk error",
            Self::Damaged => "source damaged or incomplete",
            Self::Removed => "file removed while being written",
            Self::TableRead => "table of the kernel read",
            Self::Account => "losses accounted for",
            Self::LossyDelivery => "lossy delivery",
            Self::ReliableDelivery => "reliable delivery",
            Self::Quiet => "nothing happened",
            Self::LeftOpen => "flows left open",
            Self::NotRead => "table of the kernel not read",
            Self::Retired => "removed by retention",
            Self::Kept => "not removed after all",
            Self::Recorded => "only this was recorded",
            Self::RetiredElsewhere => "removed by retention in another network namespace",
            Self::KeptElsewhere => "not removed after all in another network namespace",
            Self::NamespaceGone => "network namespace gone",
            Self::FirstRead => "table of the kernel first read",
            Self::Uptime => "machine up",
        }
    }
}

/// Whether the clock was set in the time of segments of flows, up to what they leave open: docs/format.md, section "What is left open".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ClockWasSet {
    /// It was not.
    Never = 0,
    /// It was, since the kernel's table was read last, or nobody knows when.
    SinceReading = 1,
    /// It was, and not since the kernel's table was read last.
    BeforeReading = 2,
}

impl ClockWasSet {
    /// As that note has it. Of a number that comes from a later version it is known that the clock was set.
    pub const fn of(number: u32) -> Self {
        match number {
            0 => Self::Never,
            2 => Self::BeforeReading,
            _ => Self::SinceReading,
        }
    }
}

/// A note, 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Note {
    /// Begin of the span it tells of, ns since the epoch, UTC.
    pub from: U64,
    /// End of the span, not before its begin.
    pub to: U64,
    /// Number of events lost in it, [`Note::LOST_UNKNOWN`] if not known.
    pub lost: U64,
    /// What else the cause has to say, see [`Cause`]; else 0.
    pub value: I64,
    /// A [`Cause`] by its number; ask [`Note::cause`].
    pub cause: U16,
    /// Zeros.
    pub(crate) reserved: [u8; 2],
    /// See [`Retirement::segment`](crate::Retirement::segment) and [`ClockWasSet`]; else 0.
    pub(crate) segment: U32,
}
const _: () = assert!(size_of::<Note>() == 40);

impl Note {
    /// The number of lost events is not known.
    pub const LOST_UNKNOWN: u64 = u64::MAX;

    /// A recorder tells of a step of the wall clock that is larger than this, in ns; less is what time daemons correct as they go.
    pub const CLOCK_STEP_MIN_NS: u64 = NS_PER_SECOND;

    /// So long ago it was set at most, in ns, when a recorder tells of it: it looks once a second.
    pub const CLOCK_STEP_NOTICED_NS: u64 = 2 * NS_PER_SECOND;

    /// A note of something that happened at one moment, with nothing lost.
    pub fn at(moment: u64, cause: Cause) -> Self {
        Self::gap(moment, moment, 0, cause)
    }

    /// A note of a span in which `lost` events were lost.
    pub fn gap(from: u64, to: u64, lost: u64, cause: Cause) -> Self {
        Self {
            from: U64::new(from),
            to: U64::new(to.max(from)),
            lost: U64::new(lost),
            value: I64::ZERO,
            cause: U16::new(cause as u16),
            reserved: [0; 2],
            segment: U32::ZERO,
        }
    }

    /// The gap between a run of a recorder that ended at one moment and the next one, which begins at another: where the clock was set back
    /// since, `value` tells by how much later the first one is.
    pub fn not_running(ended: u64, began: u64) -> Self {
        let gap = Self::gap(ended.min(began), began, Self::LOST_UNKNOWN, Cause::NotRunning);
        gap.with_value(ended.saturating_sub(began))
    }

    /// When the run before ended, if this is such a gap and tells that.
    pub fn run_before_ended(&self) -> Option<u64> {
        let later = u64::try_from(self.value.get()).unwrap_or(0);
        let is_told = self.cause() == Some(Cause::NotRunning) && (self.from < self.to || later > 0);
        is_told.then(|| self.from.get().saturating_add(later))
    }

    /// A note that the wall clock was set by `step_ns` (forward positive), and stood at `moment` afterwards.
    pub fn clock_step(moment: u64, step_ns: i64) -> Self {
        Self { value: I64::new(step_ns), ..Self::at(moment, Cause::ClockStep) }
    }

    /// A note of a span that has something to say in numbers: see [`Cause`].
    pub fn with_value(self, value: u64) -> Self {
        Self { value: I64::new(i64::try_from(value).unwrap_or(i64::MAX)), ..self }
    }

    /// This note of flows left open, if the clock was set before that, or if it was not.
    pub fn with_clock_was_set(self, was_set: ClockWasSet) -> Self {
        Self { segment: U32::new(was_set as u32), ..self }
    }

    /// Whether it tells of flows left open, and that the clock had been set before: of a flow of which a later segment is the first to tell
    /// nobody can say then that it was not alive at that time.
    pub fn clock_was_set(&self) -> ClockWasSet {
        let is_told = self.cause() == Some(Cause::LeftOpen);
        if is_told { ClockWasSet::of(self.segment.get()) } else { ClockWasSet::Never }
    }

    /// This gap and a later one of the same cause as one.
    pub fn joined(&self, later: &Self) -> Self {
        let lost = self.lost().zip(later.lost()).map_or(Self::LOST_UNKNOWN, |(lost, more)| lost.saturating_add(more));
        Self {
            from: U64::new(self.from.get().min(later.from.get())),
            to: U64::new(self.to.get().max(later.to.get())),
            lost: U64::new(lost),
            ..*self
        }
    }

    /// Why it was made; `None` for a cause of a later version.
    pub const fn cause(&self) -> Option<Cause> {
        Cause::from_number(self.cause.get())
    }

    /// What the clock showed before and after it was set, if that is what it tells.
    pub fn clock_set(&self) -> Option<[u64; 2]> {
        let after = self.to.get();
        let before = after.saturating_add_signed(self.value.get().saturating_neg());
        (self.cause() == Some(Cause::ClockStep)).then_some([before, after])
    }

    /// The latest that the clock can have shown before it was set, and the earliest after that, if that is what it tells. Set forward, it did
    /// not show the same times again.
    pub fn clock_shown(&self) -> Option<[u64; 2]> {
        let [before, after] = self.clock_set()?;
        let earliest = after.saturating_sub(Self::CLOCK_STEP_NOTICED_NS);
        Some([before, if self.sets_back() { earliest } else { earliest.max(before) }])
    }

    /// Whether it tells that the clock was set back.
    pub fn sets_back(&self) -> bool {
        self.cause() == Some(Cause::ClockStep) && self.value.get() < 0
    }

    /// Whether events may be missing in its span. A cause of a later version counts, to be on the safe side, unless its
    /// number says that it is none.
    pub fn is_gap(&self) -> bool {
        self.cause().map_or(self.cause.get() & NO_GAP == 0, Cause::is_gap)
    }

    /// How many events were lost, where that is known.
    pub fn lost(&self) -> Option<u64> {
        (self.lost.get() != Self::LOST_UNKNOWN).then_some(self.lost.get())
    }
}

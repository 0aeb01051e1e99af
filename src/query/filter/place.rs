//! The four endpoints of a record, and sets of them.

use ctrecorder_format::{Address, Record};

/// Some of a record's four endpoints: one bit each, in the order of [`Record::endpoints`].
///
/// Before translation a flow goes from the original tuple's source to its destination. Behind it, it goes from where the
/// answers go, the reply tuple's *destination*, to where they come from, its *source*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places(u8);

impl Places {
    /// The source of the original tuple: of the flow before translation.
    pub const ORIGINAL_SRC: Self = Self(1 << 0);
    /// The destination of the original tuple: that of the flow before translation.
    pub const ORIGINAL_DST: Self = Self(1 << 1);
    /// The source of the reply tuple: the destination of the flow behind translation.
    pub const REPLY_SRC: Self = Self(1 << 2);
    /// The destination of the reply tuple: the source of the flow behind translation.
    pub const REPLY_DST: Self = Self(1 << 3);
    /// All four.
    pub const ALL: Self = Self(0b1111);

    /// What `--where` calls some places.
    pub(super) const NAMES: [(&'static str, Self); 9] = [
        ("", Self::ALL),
        ("pre", Self::ORIGINAL_SRC.and(Self::ORIGINAL_DST)),
        ("post", Self::REPLY_SRC.and(Self::REPLY_DST)),
        ("src", Self::ORIGINAL_SRC.and(Self::REPLY_DST)),
        ("dst", Self::ORIGINAL_DST.and(Self::REPLY_SRC)),
        ("pre src", Self::ORIGINAL_SRC),
        ("pre dst", Self::ORIGINAL_DST),
        ("post src", Self::REPLY_DST),
        ("post dst", Self::REPLY_SRC),
    ];

    /// These and those.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Its places, one by one.
    pub(super) fn each(self) -> impl Iterator<Item = Self> {
        let all = [Self::ORIGINAL_SRC, Self::ORIGINAL_DST, Self::REPLY_SRC, Self::REPLY_DST];
        all.into_iter().filter(move |place| self.has(*place))
    }

    /// Whether this is one place, and not several.
    pub(super) const fn is_one(self) -> bool {
        self.0.is_power_of_two()
    }

    /// Whether the address at any of these places is such a one.
    #[inline]
    pub(super) fn any_address<A: Address>(self, record: &Record<A>, is: impl Fn(A) -> bool) -> bool {
        let (original, reply) = (&record.original, &record.reply);
        self.any([original.src, original.dst, reply.src, reply.dst], is)
    }

    /// Whether the port at any of these places is such a one.
    #[inline]
    pub(super) fn any_port<A: Address>(self, record: &Record<A>, is: impl Fn(u16) -> bool) -> bool {
        let (original, reply) = (&record.original, &record.reply);
        self.any([original.sport, original.dport, reply.sport, reply.dport], |port| is(port.get()))
    }

    /// Whether any of four, in the order of the endpoints, is such a one: those that stand at these places.
    #[inline]
    pub(super) fn any<T: Copy>(self, four: [T; 4], is: impl Fn(T) -> bool) -> bool {
        let [a, b, c, d] = four;
        // The usual question. Nearly every answer is no: to ask all four at once is faster than to stop at the first yes.
        if self == Self::ALL {
            return is(a) | is(b) | is(c) | is(d);
        }
        (self.has(Self::ORIGINAL_SRC) && is(a))
            || (self.has(Self::ORIGINAL_DST) && is(b))
            || (self.has(Self::REPLY_SRC) && is(c))
            || (self.has(Self::REPLY_DST) && is(d))
    }
}

//! How long the machine had been up. docs/format.md, section "How long the machine had been up".

use zerocopy::little_endian::U64;

use crate::note::{Cause, Note};

/// For how long the machine had been up when its wall clock showed a moment: by a clock that nobody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uptime {
    /// What the wall clock showed, ns since the epoch, UTC.
    pub moment: u64,
    /// For how long the machine had been up, in ns, its sleep included.
    pub up: u64,
    /// Which of its starts that was: the first eight bytes of the boot id ([`Header::boot_id`](crate::Header::boot_id)), 0 if not known.
    pub boot: u64,
}

impl Uptime {
    /// What tells a start of the machine with this boot id from others.
    pub fn boot(boot_id: [u8; 16]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = boot_id;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The note of it.
    pub fn note(self) -> Note {
        Note { lost: U64::new(self.boot), ..Note::at(self.moment, Cause::Uptime).with_value(self.up) }
    }

    /// Whether it was so at the other one or later, by the clock that nobody sets: of two starts of the machine nobody knows.
    pub const fn is_behind(self, other: Self) -> bool {
        self.boot != 0 && self.boot == other.boot && other.up <= self.up
    }

    /// What a note tells of that; `None` if it is about something else.
    pub fn of(note: &Note) -> Option<Self> {
        let up = u64::try_from(note.value.get()).ok().filter(|_| note.cause() == Some(Cause::Uptime))?;
        Some(Self { moment: note.to.get(), up, boot: note.lost.get() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_noted_and_is_no_gap() {
        let boot = Uptime::boot(std::array::from_fn(|index| index as u8));
        assert_eq!(boot, 0x0706_0504_0302_0100);
        let told = Uptime { moment: 5000, up: 70, boot };
        assert_eq!(Uptime::of(&told.note()), Some(told));
        assert!(!told.note().is_gap());
        let later = Uptime { moment: 10, up: 70, boot };
        assert!(later.is_behind(told) && told.is_behind(later) && !told.is_behind(Uptime { up: 71, ..later }));
        assert!(
            !later.is_behind(Uptime { boot: 7, ..told })
                && !Uptime { boot: 0, ..told }.is_behind(Uptime { boot: 0, ..told })
        );
        let others = [Note::at(5, Cause::Quiet), Note { value: (-1).into(), ..told.note() }];
        assert_eq!(others.map(|note| Uptime::of(&note)), [None; 2]);
    }
}

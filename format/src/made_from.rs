//! What a segment of flows was made from. docs/format.md, section "Sources".

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::footer::{Closing, Footer};
use crate::header::{Digest, Header};

/// So many are in one block at most: 640 KiB.
pub(crate) const IN_A_BLOCK: usize = 8192;

/// A file that a segment of flows was made from, 80 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MadeFrom {
    /// The digest that its footer tells; if it has no footer, that of all its bytes, or zeros if nobody took it.
    pub digest: Digest,
    /// See [`Header::boot_id`]; zeros of a file of version 2.
    pub boot_id: [u8; 16],
    /// See [`Header::recorder_started`]; of a file of version 2, when it was begun.
    pub recorder_started: U64,
    /// See [`Header::segment_number`]; 0 of a file of version 2.
    pub segment_number: U64,
    /// Its length in bytes.
    pub length: U64,
    /// The version of its format.
    pub version: U32,
    /// 0 if it has no footer, else 1 more than the number of why it was closed; ask [`MadeFrom::closing`].
    pub(crate) closing: U32,
}
const _: () = assert!(size_of::<MadeFrom>() == 80);
const _: () = assert!(IN_A_BLOCK * size_of::<MadeFrom>() <= crate::block::PAYLOAD_MAX as usize);

impl MadeFrom {
    /// A segment of so many bytes, with this header and this footer.
    pub fn segment(header: &Header, footer: Option<&Footer<'_>>, length: u64) -> Self {
        Self {
            digest: footer.map(|footer| footer.digest).unwrap_or_default(),
            boot_id: header.boot_id,
            recorder_started: header.recorder_started.into(),
            segment_number: header.segment_number.into(),
            length: length.into(),
            version: crate::header::VERSION.into(),
            closing: footer.map_or(0, |footer| 1 + footer.totals.closing as u32).into(),
        }
    }

    /// A file of version 2, begun at this time (ns since the epoch), of so many bytes.
    pub fn version_2(begun: u64, length: u64) -> Self {
        Self {
            digest: Digest::default(),
            boot_id: [0; 16],
            recorder_started: begun.into(),
            segment_number: U64::ZERO,
            length: length.into(),
            version: 2.into(),
            closing: U32::ZERO,
        }
    }

    /// The same with the digest of all its bytes: without a footer, only they tell whether another file is the same.
    #[must_use]
    pub fn with_content(self, digest: Digest) -> Self {
        if self.has_footer() { self } else { Self { digest, ..self } }
    }

    /// The same without what [`MadeFrom::with_content`] adds, for which all of a file is read.
    #[must_use]
    pub fn without_content(self) -> Self {
        if self.has_footer() { self } else { Self { digest: Digest::default(), ..self } }
    }

    fn has_footer(&self) -> bool {
        self.closing.get() != 0
    }

    /// The digest of its footer, if it has one.
    pub fn digest(&self) -> Option<Digest> {
        (self.has_footer() && self.digest != Digest::default()).then_some(self.digest)
    }

    /// The digest of all its bytes, if it has no footer and that is known.
    pub fn content(&self) -> Option<Digest> {
        (!self.has_footer() && self.digest != Digest::default()).then_some(self.digest)
    }

    /// Why it was closed; `None` if it has no footer, or for a reason of a later version.
    pub const fn closing(&self) -> Option<Closing> {
        match self.closing.get() {
            1 => Some(Closing::WentOn),
            2 => Some(Closing::Stopped),
            3 => Some(Closing::Complete),
            _ => None,
        }
    }

    /// Whether it comes directly behind another one in the same run of a recorder.
    pub fn follows(&self, before: &Self) -> bool {
        let run = |of: &Self| (of.version, of.boot_id, of.recorder_started);
        run(self) == run(before) && before.segment_number.get().checked_add(1) == Some(self.segment_number.get())
    }
}

//! Memory for many open flows: in large pages where the system has them, and on a disk beyond what may be used.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapMut;
use zerocopy::{FromBytes, IntoBytes};

/// How much memory what is known of open flows may take, and where the rest goes. Clones share it.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// Bytes that are left.
    left: Arc<AtomicU64>,
    /// Where a file for the rest is created, without a name.
    directory: PathBuf,
}

impl Default for Allowance {
    /// All there is.
    fn default() -> Self {
        Self::of(u64::MAX, Path::new(""))
    }
}

impl Allowance {
    /// So many bytes; the rest goes to a file in this directory.
    pub fn of(bytes: u64, directory: &Path) -> Self {
        Self { left: Arc::new(AtomicU64::new(bytes)), directory: directory.to_path_buf() }
    }

    /// Takes so many bytes of it, if they are left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let rest = |left: u64| left.checked_sub(bytes as u64);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok()
    }

    /// A file for the rest, which is gone with its handle.
    pub(super) fn file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.directory)
    }
}

/// Has the processor bring the line of its cache in which this byte is, while it goes on with other things. That is a hint: where
/// several lines are far away, and each is asked for some time before it is needed, nobody waits for any of them.
pub(super) fn expect(byte: &u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the address is that of something that is there, and neither read nor written.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) };
    }
    // Elsewhere it is read; nothing depends on what it is.
    #[cfg(not(target_arch = "x86_64"))]
    std::hint::black_box(*byte);
}

/// Zeros, at the begin of a page or at least of a word.
#[derive(Debug)]
pub(super) enum Zeroed {
    Mapped(MmapMut),
    Allocated(Vec<u64>),
}

impl Zeroed {
    /// So many words.
    pub(super) fn words(count: usize) -> Self {
        let Ok(map) = MmapMut::map_anon(count * size_of::<u64>()) else { return Self::Allocated(vec![0; count]) };
        // Flows are all over it: with small pages, looking up where these are takes longer than what is done with the flows.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Self::Mapped(map)
    }

    pub(super) fn as_words(&self) -> &[u64] {
        match self {
            Self::Mapped(map) => <[u64]>::ref_from_bytes(map).unwrap_or_default(),
            Self::Allocated(words) => words,
        }
    }

    pub(super) fn as_words_mut(&mut self) -> &mut [u64] {
        match self {
            Self::Mapped(map) => <[u64]>::mut_from_bytes(map).unwrap_or_default(),
            Self::Allocated(words) => words,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Allocated(words) => words.as_bytes(),
        }
    }

    pub(super) fn as_bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Allocated(words) => words.as_mut_bytes(),
        }
    }
}

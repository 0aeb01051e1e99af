//! What is known of open flows, by place: in memory, and beyond what may be used of that in a file.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::marker::PhantomData;

use ctrecorder_format::Address;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::memory::{Allowance, Zeroed};
use super::open::OpenFlow;

/// Memory is taken in pieces of so many bytes: not few, so that large pages fit.
const CHUNK: usize = 4 * 1024 * 1024;

/// Open flows by place.
#[derive(Debug)]
pub(super) struct Bodies<A: Address> {
    chunks: Vec<Zeroed>,
    /// The places behind those in the chunks.
    file: Option<File>,
    /// How many places there are.
    len: u32,
    allowance: Allowance,
    /// Why the file could not be read or written.
    failed: RefCell<Option<io::Error>>,
    family: PhantomData<A>,
}

impl<A: Address> Bodies<A> {
    /// So many bytes a place: at the begin of a line of the processor's cache.
    const PLACE: usize = size_of::<OpenFlow<A>>().next_multiple_of(64);
    const IN_CHUNK: usize = CHUNK / Self::PLACE;

    pub(super) const fn new(allowance: Allowance) -> Self {
        Self { chunks: Vec::new(), file: None, len: 0, allowance, failed: RefCell::new(None), family: PhantomData }
    }

    /// How many places there are.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    /// Why something could not be kept, once.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failed.get_mut().take()
    }

    fn fail(&self, error: io::Error) {
        if let Ok(mut failed) = self.failed.try_borrow_mut() {
            failed.get_or_insert(error);
        }
    }

    /// Another place, with this flow. 2^32 of them would take 256 GB.
    pub(super) fn push(&mut self, flow: &OpenFlow<A>) -> u32 {
        let place = self.len;
        self.len = self.len.wrapping_add(1);
        if place as usize == self.chunks.len() * Self::IN_CHUNK && self.file.is_none() {
            if self.allowance.take(CHUNK) {
                self.chunks.push(Zeroed::words(CHUNK / size_of::<u64>()));
            } else {
                match self.allowance.file() {
                    Ok(file) => self.file = Some(file),
                    Err(error) => self.fail(error),
                }
            }
        }
        self.set(place, flow);
        place
    }

    /// The chunk of a place, and where the place is there; `None` if it is in the file.
    const fn in_memory(place: u32) -> (usize, usize) {
        let place = place as usize;
        (place / Self::IN_CHUNK, place % Self::IN_CHUNK * Self::PLACE)
    }

    /// The flow at a place, if that is in memory.
    pub(super) fn near(&self, place: u32) -> Option<&OpenFlow<A>> {
        let (chunk, offset) = Self::in_memory(place);
        let bytes = self.chunks.get(chunk)?.as_bytes().get(offset..)?;
        OpenFlow::ref_from_prefix(bytes).ok().map(|(flow, _)| flow)
    }

    fn near_mut(&mut self, place: u32) -> Option<&mut OpenFlow<A>> {
        let (chunk, offset) = Self::in_memory(place);
        let bytes = self.chunks.get_mut(chunk)?.as_bytes_mut().get_mut(offset..)?;
        OpenFlow::mut_from_prefix(bytes).ok().map(|(flow, _)| flow)
    }

    /// The flow at a place.
    pub(super) fn get(&self, place: u32) -> OpenFlow<A> {
        self.with(place, |flow| *flow)
    }

    /// Does something with what is known of the flow at a place.
    pub(super) fn with<R>(&self, place: u32, take: impl FnOnce(&OpenFlow<A>) -> R) -> R {
        match self.near(place) {
            Some(flow) => take(flow),
            None => take(&self.load_or_fail(place)),
        }
    }

    /// Puts a flow at a place.
    pub(super) fn set(&mut self, place: u32, flow: &OpenFlow<A>) {
        if let Some(near) = self.near_mut(place) {
            *near = *flow;
        } else if let Err(error) = self.store(place, flow) {
            self.fail(error);
        }
    }

    /// Does something with the flow at a place.
    pub(super) fn change<R>(&mut self, place: u32, change: impl FnOnce(&mut OpenFlow<A>) -> R) -> R {
        if let Some(near) = self.near_mut(place) {
            return change(near);
        }
        let mut flow = self.load_or_fail(place);
        let result = change(&mut flow);
        self.set(place, &flow);
        result
    }

    fn offset(&self, place: u32) -> u64 {
        let before = (self.chunks.len() * Self::IN_CHUNK) as u64;
        u64::from(place).saturating_sub(before) * Self::PLACE as u64
    }

    fn load_or_fail(&self, place: u32) -> OpenFlow<A> {
        self.load(place).unwrap_or_else(|error| {
            self.fail(error);
            OpenFlow::new_zeroed()
        })
    }

    fn load(&self, place: u32) -> io::Result<OpenFlow<A>> {
        let mut flow = OpenFlow::new_zeroed();
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        read_at(file, self.offset(place), flow.as_mut_bytes())?;
        Ok(flow)
    }

    fn store(&self, place: u32, flow: &OpenFlow<A>) -> io::Result<()> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        write_at(file, self.offset(place), flow.as_bytes())
    }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, into: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

#[cfg(unix)]
fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, offset: u64, into: &mut [u8]) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

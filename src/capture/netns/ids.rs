//! Which network namespaces have an id in the recorder's own: heard and asked.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::super::error::StartError;
use crate::netlink::parse::Message;
use crate::netlink::socket::{NetnsSocket, RequestSocket};

/// Which namespaces have an id.
pub(in crate::capture) struct Ids {
    news: NetnsSocket,
    all: RequestSocket,
    /// The recorder's own namespace.
    this: File,
    /// The id that it has in itself, if somebody gave it one, when that was last asked.
    own: Option<u32>,
}

impl Ids {
    /// Hears of every id that is given from here on.
    pub(in crate::capture) fn open() -> Result<Self, StartError> {
        let this = File::open("/proc/thread-self/ns/net")
            .map_err(StartError::system("cannot open the recorder's own network namespace"))?;
        Ok(Self { news: NetnsSocket::open()?, all: RequestSocket::open_for_netns_ids()?, this, own: None })
    }

    /// What becomes readable when an id is given or lost.
    pub(super) fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    /// What was heard since the last call.
    pub(super) fn hear(&self) -> io::Result<Vec<Message>> {
        // Mostly there is nothing, and that takes no memory.
        let mut heard = Vec::new();
        self.news.receive(|message| heard.push(message))?;
        Ok(heard)
    }

    /// All ids that are given now.
    pub(super) fn all(&mut self) -> io::Result<Vec<u32>> {
        self.all.netns_ids()
    }

    /// Whether this is the id that the recorder's own namespace had when that was last asked.
    pub(super) fn was_own(&self, id: u32) -> bool {
        self.own == Some(id)
    }

    /// Whether it is the one that it has now.
    pub(super) fn is_own(&mut self, id: u32) -> bool {
        // A question that could not be asked says nothing new.
        if let Ok(own) = self.all.netns_id(self.this.as_fd()) {
            self.own = own;
        }
        self.was_own(id)
    }

    /// This id was lost by whoever had it.
    pub(super) fn forget(&mut self, id: u32) {
        self.own = self.own.filter(|own| *own != id);
    }
}

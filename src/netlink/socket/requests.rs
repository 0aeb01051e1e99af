//! The socket that asks and is answered.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{NetlinkAddr, recvfrom};

use super::super::event::Event;
use super::super::parse::{Message, messages};
use super::super::request;
use super::super::rule::Rule;
use super::{OpenError, open, open_of};

/// Room for an answer. The kernel's datagrams of a dump are of at most 32 KiB.
const ANSWER: usize = 64 * 1024;

/// Requests are sent in datagrams of about so many bytes: few enough that even if every request in one fails, all
/// the answers fit into a receive buffer of the default size.
const DATAGRAM: usize = 16 * 1024;

/// Asks the kernel of the network namespace of the thread that opened it; requests are built by
/// [`request`](crate::netlink::request). Each call waits for the kernel's answer.
pub struct RequestSocket {
    socket: Socket,
    /// Number of the last request, which its answers carry.
    sequence: u32,
    datagram: Vec<u8>,
    answer: Box<[u8]>,
}

impl RequestSocket {
    /// Opens the socket. Whether the kernel answers for connection tracking, only a request can tell.
    pub fn open() -> Result<Self, OpenError> {
        let socket = open()?;
        // Answers to failed requests need not repeat them.
        socket.set_cap_ack(true).map_err(|source| OpenError::of_socket(source, "prepare"))?;
        Ok(Self { socket, sequence: 0, datagram: Vec::new(), answer: vec![0; ANSWER].into() })
    }

    /// Whether the kernel answers for connection tracking, and to this process.
    pub fn probe(&mut self) -> Result<(), OpenError> {
        let mut request = Vec::new();
        request::get_stats(&mut request);
        self.execute(&request).map_err(OpenError::of_probe)
    }

    /// Sends a request and waits until it is done. The error is the kernel's: EEXIST for a flow that is there
    /// already, ENOENT for one that is not, EPERM without CAP_NET_ADMIN.
    pub fn execute(&mut self, request: &[u8]) -> io::Result<()> {
        self.execute_all(request)
    }

    /// Sends many requests, one after the other in `requests`, and waits until all are done; cheaper than one by
    /// one. All are tried; the error is that of the first which failed.
    pub fn execute_all(&mut self, mut requests: &[u8]) -> io::Result<()> {
        let mut outcome = Ok(());
        while !requests.is_empty() {
            let first = self.sequence.wrapping_add(1);
            requests = self.fill_datagram(requests)?;
            self.send()?;
            outcome = outcome.and(self.wait(first));
        }
        outcome
    }

    /// Sends a request for a dump and hands each flow in the answer to `take`, with [`Change::Update`].
    ///
    /// A dump is not a snapshot: flows may come and go while it runs.
    ///
    /// [`Change::Update`]: crate::netlink::Change::Update
    pub fn dump(&mut self, request: &[u8], mut take: impl FnMut(Event)) -> io::Result<()> {
        self.begin_dump(request)?;
        while !self.continue_dump(&mut take)? {}
        Ok(())
    }

    /// Sends a request for a dump, to be received in steps by [`Self::continue_dump`]. Other requests have to wait until
    /// that is done: the kernel answers EBUSY to another dump.
    pub fn begin_dump(&mut self, request: &[u8]) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.datagram.clear();
        self.datagram.extend_from_slice(request);
        request::number(&mut self.datagram, self.sequence, false);
        self.send()
    }

    /// Hands the flows in the next datagram of the dump to `take`, some hundred at most, with [`Change::Update`]; returns
    /// whether that was the end.
    ///
    /// The kernel fills a datagram when the one before is taken: what it tells was true then, not now.
    ///
    /// [`Change::Update`]: crate::netlink::Change::Update
    pub fn continue_dump(&mut self, mut take: impl FnMut(Event)) -> io::Result<bool> {
        self.continue_any_dump(|message| {
            if let Message::Event(event) = message {
                take(event);
            }
        })
    }

    /// Opens a socket that asks for the ids of network namespaces, and for nothing else.
    pub fn open_for_netns_ids() -> Result<Self, OpenError> {
        let socket = open_of(NETLINK_ROUTE)?;
        Ok(Self { socket, sequence: 0, datagram: Vec::new(), answer: vec![0; ANSWER].into() })
    }

    /// The ids of all network namespaces that have one here. Only of [`Self::open_for_netns_ids`].
    pub fn netns_ids(&mut self) -> io::Result<Vec<u32>> {
        let (mut request, mut ids) = (Vec::new(), Vec::new());
        request::dump_netns_ids(&mut request);
        self.begin_dump(&request)?;
        let mut take = |message| {
            if let Message::NetnsId(id) = message {
                ids.extend(id);
            }
        };
        while !self.continue_any_dump(&mut take)? {}
        Ok(ids)
    }

    /// The id that the network namespace of this file has here, if it has one. Only of [`Self::open_for_netns_ids`].
    pub fn netns_id(&mut self, namespace: BorrowedFd<'_>) -> io::Result<Option<u32>> {
        let (mut request, mut answer) = (Vec::new(), None);
        request::netns_id(&mut request, namespace.as_raw_fd());
        self.begin_dump(&request)?;
        while answer.is_none() {
            self.continue_any_dump(|message| {
                if let Message::NetnsId(id) = message {
                    answer = Some(id);
                }
            })?;
        }
        Ok(answer.flatten())
    }

    /// Hands each rule of nf_tables in the namespace to `take`.
    pub fn dump_rules(&mut self, mut take: impl FnMut(Rule)) -> io::Result<()> {
        let mut request = Vec::new();
        request::dump_rules(&mut request);
        self.begin_dump(&request)?;
        let mut take = |message| {
            if let Message::Rule(rule) = message {
                take(rule);
            }
        };
        while !self.continue_any_dump(&mut take)? {}
        Ok(())
    }

    /// Hands what is in the next datagram of a dump to `take`; returns whether that was the end.
    fn continue_any_dump(&mut self, mut take: impl FnMut(Message)) -> io::Result<bool> {
        let mut outcome = Ok(());
        let step = self.answer(self.sequence, &mut |_, message| {
            match message {
                Message::Done | Message::Error(0) => return ControlFlow::Break(()),
                Message::Error(errno) => {
                    outcome = Err(io::Error::from_raw_os_error(errno));
                    return ControlFlow::Break(());
                }
                other => take(other),
            }
            ControlFlow::Continue(())
        })?;
        outcome.map(|()| step.is_break())
    }

    /// Fills the datagram with the first of these requests, numbers them, and returns the others.
    ///
    /// Only the last is to be acknowledged: the kernel works in order, and tells of failures unasked.
    fn fill_datagram<'a>(&mut self, requests: &'a [u8]) -> io::Result<&'a [u8]> {
        self.datagram.clear();
        let mut rest = requests;
        let mut last = 0;
        while !rest.is_empty() && self.datagram.len() < DATAGRAM {
            let (request, others) = request::split_first(rest).ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
            rest = others;
            last = self.datagram.len();
            self.datagram.extend_from_slice(request);
            self.sequence = self.sequence.wrapping_add(1);
            if let Some(request) = self.datagram.get_mut(last..) {
                request::number(request, self.sequence, false);
            }
        }
        if let Some(request) = self.datagram.get_mut(last..) {
            request::number(request, self.sequence, true);
        }
        Ok(rest)
    }

    fn send(&self) -> io::Result<()> {
        let kernel = SocketAddr::new(0, 0);
        self.socket.send_to(&self.datagram, &kernel, 0).map(|_| ())
    }

    /// Waits for the answer to the last request; the error is that of the first from number `first` on.
    fn wait(&mut self, first: u32) -> io::Result<()> {
        let last = self.sequence;
        let mut outcome = Ok(());
        self.answers(first, |sequence, message| {
            let Message::Error(errno) = message else {
                return ControlFlow::Continue(());
            };
            if errno != 0 && outcome.is_ok() {
                outcome = Err(io::Error::from_raw_os_error(errno));
            }
            if sequence == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        outcome
    }

    /// Hands the messages that answer the requests from number `first` on to `take`, until it breaks.
    fn answers(&mut self, first: u32, mut take: impl FnMut(u32, Message) -> ControlFlow<()>) -> io::Result<()> {
        while self.answer(first, &mut take)?.is_continue() {}
        Ok(())
    }

    /// The same with the messages of one datagram. Late answers to earlier requests, which came to an early end, are
    /// passed over.
    fn answer(
        &mut self,
        first: u32,
        take: &mut impl FnMut(u32, Message) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let span = self.sequence.wrapping_sub(first);
        let length = loop {
            match recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut self.answer) {
                Ok((length, Some(sender))) if sender.pid() == 0 => break length,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        };
        let mut found = messages(self.answer.get(..length).unwrap_or_default());
        while let Some(message) = found.next() {
            let message = message.map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))?;
            let sequence = found.sequence();
            if sequence.wrapping_sub(first) <= span && take(sequence, message).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

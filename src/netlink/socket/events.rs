//! The socket that hears of flows.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use netlink_sys::Socket;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, NetlinkAddr, RecvMsg, UnknownCmsg, getsockopt, recvmmsg, setsockopt,
    sockopt,
};

use super::super::kernel::nfnl::{NFNLGRP_CONNTRACK_DESTROY, NFNLGRP_CONNTRACK_NEW};
use super::{OpenError, RequestSocket, open};

/// Datagrams taken with one system call.
const BATCH: usize = 64;

/// Room for one datagram. The kernel's are of 170 to 500 bytes, more with a long security context. The odd cache
/// line at the end spreads the heads of the slots over the sets of the processor's cache.
const SLOT: usize = 4096 + 64;

/// What one call of [`EventSocket::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many datagrams of the kernel, all handed over; 0 if all that came was dropped, see
    /// [`EventSocket::foreign`] and [`EventSocket::truncated`]. There may be more.
    Datagrams(usize),
    /// Nothing is waiting.
    Nothing,
    /// The kernel had to drop events, for the receive buffer was full. Said once for any number of them:
    /// [`EventSocket::drops`] knows how many. What had been queued before is still there to be received, and until
    /// that is done the kernel drops more.
    Overrun,
}

/// Hears of every flow that begins or ends in the network namespace of the thread that opened it.
///
/// It never blocks: wait for its file descriptor to become readable.
pub struct EventSocket {
    socket: Socket,
    receive_buffer: usize,
    slots: Box<[[u8; SLOT]; BATCH]>,
    headers: Headers,
    hears_all: bool,
    foreign: u64,
    truncated: u64,
    drops: u64,
}

/// What a namespace's id comes in, which nix does not know: a C int under SOL_NETLINK. linux/socket.h, linux/netlink.h
const SOL_NETLINK: libc::c_int = 270;
const NETLINK_LISTEN_ALL_NSID: libc::c_int = 8;

struct Headers(MultiHeaders<NetlinkAddr>);

impl Headers {
    fn new() -> Self {
        Self(MultiHeaders::preallocate(BATCH, None))
    }

    /// The same with room for the id of a namespace beside each datagram.
    fn with_netns() -> Self {
        Self(MultiHeaders::preallocate(BATCH, Some(cmsg_space!(libc::c_int))))
    }
}

// SAFETY: the headers point to addresses on the heap that they own, and to slices that each call of `recvmmsg`
// sets anew before it reads them; nothing in them belongs to a thread.
unsafe impl Send for Headers {}

impl EventSocket {
    /// Opens the socket with room for about `receive_buffer_bytes` (an event takes some 1.3 KB of it), after it made
    /// sure that the kernel answers for connection tracking.
    ///
    /// Beyond `net.core.rmem_max` the room is given to a process with CAP_NET_ADMIN only; [`Self::receive_buffer`]
    /// tells what was got.
    pub fn open(receive_buffer_bytes: usize) -> Result<Self, OpenError> {
        RequestSocket::open()?.probe()?;
        let socket = open()?;
        let receive_buffer = of_buffer(set_receive_buffer(&socket, receive_buffer_bytes))?;
        for group in [NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_DESTROY] {
            socket
                .add_membership(group)
                .map_err(|source| OpenError::of_socket(source, "join a multicast group with"))?;
        }
        Ok(Self {
            socket,
            receive_buffer,
            slots: Box::new([[0; SLOT]; BATCH]),
            headers: Headers::new(),
            hears_all: false,
            foreign: 0,
            truncated: 0,
            drops: 0,
        })
    }

    /// From here on hears, too, of every other network namespace that has an id (nsid) in its own; [`Self::receive`] tells which.
    ///
    /// Such a namespace reports what its own `nf_conntrack_events` says. Before Linux 6.3, with 2, the default since 5.19, that is
    /// nothing as long as nobody listens in that very namespace.
    ///
    /// # Errors
    /// [`OpenError::NotPermittedNetns`] without CAP_NET_BROADCAST; [`OpenError::NoNetns`] before Linux 4.2.
    pub fn hear_all_netns(&mut self) -> Result<(), OpenError> {
        self.socket.set_listen_all_namespaces(true).map_err(OpenError::of_netns)?;
        self.hears_all = true;
        Ok(())
    }

    /// Whether the kernel holds back what finds no room in the receive buffer (`NETLINK_BROADCAST_ERROR`): then no end is
    /// lost, each is tried again until it is delivered, and a start that found no room comes with a later event of its
    /// flow other than its end. Flows whose end is held back count towards `nf_conntrack_max`.
    ///
    /// With it [`Self::drops`] counts failed deliveries, those included that are made up for.
    pub fn set_reliable(&self, reliable: bool) -> io::Result<()> {
        self.socket.set_broadcast_error(reliable)
    }

    /// The receive buffer's size in bytes, in the terms in which it was asked for. The kernel keeps and reports
    /// twice that, for its own bookkeeping; here that number is halved again.
    pub const fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Datagrams dropped since they came from another program and not from the kernel.
    pub const fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Datagrams dropped since they, or what stood beside them, were longer than that of any event.
    pub const fn truncated(&self) -> u64 {
        self.truncated
    }

    /// Events that the kernel could not deliver to this socket since it was opened: exact, the Drops column of
    /// /proc/net/netlink.
    ///
    /// The kernel counts in 32 bits; this total is right as long as it is asked for once in four billion drops.
    pub fn drops(&mut self) -> io::Result<u64> {
        let now = drops_modulo(&self.socket)?;
        self.drops += u64::from(now.wrapping_sub(self.drops as u32));
        Ok(self.drops)
    }

    /// Takes up to 64 datagrams, oldest first, and hands each to `take`, with the id of the network namespace that it tells of, if
    /// that is another one: see [`messages`](crate::netlink::messages).
    ///
    /// It does not block, and does not allocate unless it hears all namespaces.
    pub fn receive(&mut self, mut take: impl FnMut(&[u8], Option<u32>)) -> io::Result<Received> {
        if self.hears_all {
            // The kernel says in them how long the ids were, and would take that for the room there is.
            self.headers = Headers::with_netns();
        }
        let mut slices = self.slots.each_mut().map(|slot| [IoSliceMut::new(slot)]);
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let found = match recvmmsg(fd, &mut self.headers.0, slices.iter_mut(), flags, None) {
            Ok(found) => found,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Received::Nothing),
            Err(Errno::ENOBUFS) => return Ok(Received::Overrun),
            Err(errno) => return Err(errno.into()),
        };
        let mut taken = 0;
        for message in found {
            if message.address.is_none_or(|sender| sender.pid() != 0) {
                self.foreign += 1;
            } else if message.flags.contains(MsgFlags::MSG_TRUNC) {
                self.truncated += 1;
            } else if let Ok(netns) = if self.hears_all { netns(&message) } else { Ok(None) } {
                take(message.iovs().next().unwrap_or_default(), netns);
                taken += 1;
            } else {
                self.truncated += 1;
            }
        }
        Ok(Received::Datagrams(taken))
    }
}

/// The id of the network namespace that a datagram comes from; `None`: the socket's own.
///
/// # Errors
/// If there was no room for it.
fn netns(message: &RecvMsg<'_, '_, NetlinkAddr>) -> nix::Result<Option<u32>> {
    Ok(message.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Unknown(UnknownCmsg { cmsg_header, data_bytes })
            if (cmsg_header.cmsg_level, cmsg_header.cmsg_type) == (SOL_NETLINK, NETLINK_LISTEN_ALL_NSID) =>
        {
            u32::try_from(i32::from_ne_bytes(*data_bytes.first_chunk()?)).ok()
        }
        _ => None,
    }))
}

impl AsFd for EventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Which receive buffer a socket for events would be given that asks for so many bytes. It listens to nothing.
pub fn receive_buffer_for(bytes: usize) -> Result<usize, OpenError> {
    of_buffer(set_receive_buffer(&open()?, bytes))
}

/// Whether [`EventSocket::hear_all_netns`] is allowed here. The socket that it is tried with listens to nothing.
pub fn may_hear_all_netns() -> Result<(), OpenError> {
    open()?.set_listen_all_namespaces(true).map_err(OpenError::of_netns)
}

fn of_buffer(got: nix::Result<usize>) -> Result<usize, OpenError> {
    got.map_err(|source| OpenError::of_socket(source.into(), "set the receive buffer of"))
}

/// Returns what was got.
fn set_receive_buffer(socket: &Socket, bytes: usize) -> nix::Result<usize> {
    // The kernel takes a C int.
    let bytes = bytes.min(libc::c_int::MAX as usize);
    setsockopt(socket, sockopt::RcvBufForce, &bytes).or_else(|errno| match errno {
        Errno::EPERM => setsockopt(socket, sockopt::RcvBuf, &bytes),
        _ => Err(errno),
    })?;
    Ok(getsockopt(socket, sockopt::RcvBuf)? / 2)
}

/// The socket's drop counter: the last of those that `SO_MEMINFO` tells (`SK_MEMINFO_DROPS` of linux/sock_diag.h),
/// since Linux 4.12.
fn drops_modulo(socket: &Socket) -> io::Result<u32> {
    const SK_MEMINFO_VARS: usize = 9;
    let mut counters = [0_u32; SK_MEMINFO_VARS];
    let mut length = size_of_val(&counters) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to the array, which is of that length and takes any bytes.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            counters.as_mut_ptr().cast(),
            &mut length,
        )
    };
    Errno::result(result)?;
    let [.., drops] = counters;
    Ok(drops)
}

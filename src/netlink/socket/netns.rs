//! The socket that hears which network namespaces have an id.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, recv};

use super::super::kernel::nsid::RTNLGRP_NSID;
use super::super::parse::{Message, messages};
use super::{OpenError, open_of};

/// Room for one datagram. A message has some 40 bytes.
const ROOM: usize = 4096;

/// What tells the network namespace of a socket from all others that there were since the machine was started.
///
/// # Errors
/// Before Linux 5.14.
pub fn netns_cookie(socket: &impl AsFd) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut length = size_of_val(&cookie) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to the number, which has as many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &mut length,
        )
    };
    Errno::result(result)?;
    Ok(cookie)
}

/// Hears of every id that a network namespace is given in the one of the thread that opened it, or loses there.
///
/// It never blocks: wait for its file descriptor to become readable.
pub struct NetnsSocket(Socket);

impl NetnsSocket {
    /// Opens the socket. That needs no privilege.
    pub fn open() -> Result<Self, OpenError> {
        let socket = open_of(NETLINK_ROUTE)?;
        socket
            .add_membership(RTNLGRP_NSID)
            .map_err(|source| OpenError::of_socket(source, "join a multicast group with"))?;
        Ok(Self(socket))
    }

    /// Hands what was heard to `take`: [`Message::NetnsId`] and [`Message::NetnsGone`], and [`Message::Overrun`] if more came than
    /// there was room for.
    pub fn receive(&self, mut take: impl FnMut(Message)) -> io::Result<()> {
        let mut datagram = [0; ROOM];
        loop {
            match recv(self.0.as_raw_fd(), &mut datagram, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => {
                    messages(datagram.get(..length).unwrap_or_default()).filter_map(Result::ok).for_each(&mut take)
                }
                Err(Errno::ENOBUFS) => take(Message::Overrun),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for NetnsSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

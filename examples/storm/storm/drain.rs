//! A listener that throws away what it hears: what every recorder must spend on receiving alone.

use std::os::fd::AsFd;

use anyhow::Result;
use ctrecorder::netlink::socket::{EventSocket, Received};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Drains until told to end (SIGTERM, SIGINT), then prints how many datagrams came and how many the kernel dropped.
pub fn drain(receive_buffer_bytes: usize) -> Result<()> {
    let ends: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    ends.thread_block()?;
    let signals = SignalFd::with_flags(&ends, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let mut socket = EventSocket::open(receive_buffer_bytes)?;
    let mut datagrams = 0;
    while signals.read_signal()?.is_none() {
        wait(&socket, &signals)?;
        while socket.receive(|_, _| datagrams += 1)? != Received::Nothing {}
    }
    println!("{datagrams} {}", socket.drops()?);
    Ok(())
}

fn wait(socket: &EventSocket, signals: &SignalFd) -> Result<()> {
    let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    match poll(&mut ready, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

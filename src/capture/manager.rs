//! What the service manager is told: that the recorder runs, that it is alive, and how it does.
//!
//! The protocol is that of sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names. Nothing here ever waits: a service
//! manager that has stopped reading must not stop the recorder.

use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// The start is over when the kernel's table has been read, but at the latest after this: in a storm that may take its time,
/// and recording goes on meanwhile.
const STARTING_MAX: Duration = Duration::from_secs(10);

/// The figures are told so often.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// A journal whose writing side was not heard of for longer is one that hangs.
const AGE_MAX: Duration = Duration::from_secs(5);

/// The service manager, if there is one that listens.
#[derive(Debug)]
pub(super) struct Manager {
    socket: Option<(SocketAddr, UnixDatagram)>,
    /// It wants to hear again and again that the recorder is alive.
    watches: bool,
    /// How often the draining side had come round when that was said last.
    rounds: u64,
    begun: Instant,
    ready: bool,
    status_told: Option<Instant>,
}

impl Manager {
    /// The one that the environment names.
    pub(super) fn find() -> Self {
        let variable = |name| std::env::var(name).ok();
        let socket = variable("NOTIFY_SOCKET").and_then(|name| {
            let address = address(&name).ok()?;
            Some((address.clone(), connect(&address).ok()?))
        });
        // It may be another process that is watched.
        let own = variable("WATCHDOG_PID").is_none_or(|id| id == std::process::id().to_string());
        let watches = own && variable("WATCHDOG_USEC").is_some();
        Self { socket, watches, rounds: 0, begun: Instant::now(), ready: false, status_told: None }
    }

    /// Nobody.
    pub(super) fn none() -> Self {
        Self { socket: None, watches: false, rounds: 0, begun: Instant::now(), ready: false, status_told: None }
    }

    /// To be called at every turn until the start is over: tells that it is, once the kernel's table `is_known`.
    pub(super) fn started(&mut self, is_known: bool) {
        if !self.ready && (is_known || self.begun.elapsed() >= STARTING_MAX) {
            // Without that word the start is never over: it is said again until it is taken.
            self.ready = self.tell("READY=1");
        }
    }

    /// To be called once a second by the side that writes: tells that the recorder is alive, if the draining side has come
    /// round since, and the last of those that write was heard of at this `age`; and from time to time how it does.
    pub(super) fn tick(&mut self, rounds: u64, age: Duration, status: impl FnOnce() -> String) {
        let has_come_round = std::mem::replace(&mut self.rounds, rounds) != rounds;
        if self.watches && has_come_round && age <= AGE_MAX {
            self.tell("WATCHDOG=1");
        }
        if self.socket.is_some() && self.status_told.is_none_or(|told| told.elapsed() >= STATUS_INTERVAL) {
            self.status_told = Some(Instant::now());
            self.tell(&format!("STATUS={}", status()));
        }
    }

    /// Tells that the recorder does what SIGHUP asks for, until [`Self::reloaded`].
    pub(super) fn reloading(&mut self) {
        // Since systemd 253 a reload is told from an older one by its time.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()));
    }

    /// Tells that this is done.
    pub(super) fn reloaded(&mut self) {
        self.ready = false;
        self.started(true);
    }

    /// Tells that the recorder ends.
    pub(super) fn stopping(&mut self) {
        self.tell("STOPPING=1");
    }

    /// Returns whether it was taken, or there is nobody to take it.
    fn tell(&mut self, state: &str) -> bool {
        let Some((address, socket)) = &mut self.socket else { return true };
        match socket.send(state.as_bytes()) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            // It may have been made anew.
            Err(_) => connect(address).is_ok_and(|again| {
                *socket = again;
                socket.send(state.as_bytes()).is_ok()
            }),
        }
    }
}

/// A path, or with an `@` in front a name of the abstract kind.
fn address(name: &str) -> io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

fn connect(address: &SocketAddr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(address)?;
    Ok(socket)
}

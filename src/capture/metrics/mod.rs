//! What the recorder counts, for Prometheus to ask: `--metrics`.
//!
//! A thread of its own answers GET /metrics over HTTP/1.1, by what the other threads count in
//! [`Statistics`](super::statistics::Statistics): they never wait for it. Whoever asks is bounded: so many connections at once, so long
//! each, so many bytes of a request.

mod exposition;
mod http;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::error::StartError;
use super::settings::TableFill;
pub(super) use exposition::Sources;
use http::Exchange;

/// So many are answered at once; others wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 8;

/// So long one may take, from its first moment to the last byte of its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket that is asked at, and what has to be opened before privileges are given up.
pub(super) struct Metrics {
    listener: TcpListener,
    table: TableFill,
    stop: EventFd,
}

/// A connection on its way.
struct Connection {
    stream: TcpStream,
    exchange: Exchange,
    until: Instant,
}

impl Metrics {
    /// Listens at this address.
    pub(super) fn bind(address: SocketAddr) -> Result<Self, StartError> {
        let failed = |error| StartError::Metrics { address, error };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let stop = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC);
        let stop = stop.map_err(|error| failed(error.into()))?;
        let at = listener.local_addr().map_err(failed)?;
        tracing::info!("metrics at http://{at}/metrics");
        Ok(Self { listener, table: TableFill::open(), stop })
    }

    /// Ends [`Self::serve`].
    pub(super) fn stop(&self) {
        // It can only fail if it was told so 2^64 times.
        let _ = self.stop.write(1);
    }

    /// Answers until told to stop.
    pub(super) fn serve(&self, sources: &Sources<'_>) {
        let mut connections: Vec<Connection> = Vec::new();
        while let Ok(true) = self.wait(&connections) {
            connections.retain_mut(|connection| {
                let answer = || exposition::text(sources, &self.table);
                Instant::now() < connection.until && connection.exchange.go_on(&mut connection.stream, answer)
            });
            if connections.len() < CONNECTIONS_MAX {
                connections.extend(self.accept());
            }
        }
    }

    /// Waits until there is something to be done; `false` if that is to end.
    fn wait(&self, connections: &[Connection]) -> io::Result<bool> {
        let mut ready = vec![PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        ready.extend(connections.iter().map(|connection| {
            let wanted = if connection.exchange.is_answering() { PollFlags::POLLOUT } else { PollFlags::POLLIN };
            PollFd::new(connection.stream.as_fd(), wanted)
        }));
        if connections.len() < CONNECTIONS_MAX {
            ready.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
        }
        let rest =
            connections.iter().map(|connection| connection.until.saturating_duration_since(Instant::now())).min();
        let timeout = rest
            .map_or(PollTimeout::NONE, |rest| PollTimeout::try_from(rest.as_millis() + 1).unwrap_or(PollTimeout::MAX));
        match poll(&mut ready, timeout) {
            Ok(_) => Ok(!ready.first().and_then(PollFd::any).unwrap_or(true)),
            Err(nix::errno::Errno::EINTR) => Ok(true),
            Err(error) => {
                tracing::error!("metrics are not answered any more: {error}");
                Err(error.into())
            }
        }
    }

    /// A connection that is there; one that cannot be had (too many files are open) is left to itself.
    fn accept(&self) -> Option<Connection> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true).ok()?;
                Some(Connection { stream, exchange: Exchange::default(), until: Instant::now() + PATIENCE })
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => None,
            Err(_) => {
                // It stays there, and would be tried again without end.
                std::thread::sleep(Duration::from_millis(100));
                None
            }
        }
    }
}

//! What the recorder counts, for Prometheus to ask: `--metrics`.
//!
//! A thread of its own answers GET /metrics over HTTP/1.1, by what the other threads count in
//! [`Statistics`](super::statistics::Statistics): they never wait for it. Whoever asks is bounded: so many connections at once, so long
//! each, so many bytes of a request. Who has asked nothing makes room for who comes next.

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

/// So many are answered at once; while all of them take their answers, others wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 8;

/// So long a question may take, from the first moment of its connection on.
const PATIENCE_ASKED: Duration = Duration::from_secs(1);

/// So long its answer may take, and the end of the connection.
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

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self { stream, exchange: Exchange::default(), until: Instant::now() + PATIENCE_ASKED }
    }

    /// Returns whether there is more to come.
    fn go_on(&mut self, answer: impl Fn() -> String) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        let was_asked = self.exchange.is_asked();
        let goes_on = self.exchange.go_on(&mut self.stream, answer);
        if was_asked && !self.exchange.is_asked() {
            self.until = Instant::now() + PATIENCE;
        }
        goes_on
    }
}

/// Which of these connections, the oldest of which is in front, makes room for another one: one that has its answer, or else the
/// one that has taken longest to ask. None of those that take their answers does.
fn expendable(connections: &[Connection]) -> Option<usize> {
    let first = |is: fn(&Exchange) -> bool| connections.iter().position(|connection| is(&connection.exchange));
    first(Exchange::is_closing).or_else(|| first(Exchange::is_asked))
}

/// Whether another one can be had.
fn has_room(connections: &[Connection]) -> bool {
    connections.len() < CONNECTIONS_MAX || expendable(connections).is_some()
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
            connections.retain_mut(|connection| connection.go_on(|| exposition::text(sources, &self.table)));
            if has_room(&connections)
                && let Some(connection) = self.accept()
            {
                if connections.len() >= CONNECTIONS_MAX
                    && let Some(place) = expendable(&connections)
                {
                    connections.remove(place);
                }
                connections.push(connection);
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
        if has_room(connections) {
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
                Some(Connection::new(stream))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_answer_makes_room_before_who_asks_and_nobody_who_takes_one_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = |exchange: fn() -> Exchange| {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            Connection { exchange: exchange(), ..Connection::new(stream) }
        };
        let answering = || Exchange::Answering(Vec::new(), 0);
        let mut connections = vec![connection(answering), connection(Exchange::default), connection(Exchange::default)];
        assert_eq!(expendable(&connections), Some(1), "the oldest that has not asked");
        connections.push(connection(|| Exchange::Closing(1)));
        assert_eq!(expendable(&connections), Some(3));
        connections.truncate(1);
        assert!(expendable(&connections).is_none() && has_room(&connections));
        connections.resize_with(CONNECTIONS_MAX, || connection(answering));
        assert!(!has_room(&connections));
        connections.push(connection(Exchange::default));
        assert!(has_room(&connections));
    }
}

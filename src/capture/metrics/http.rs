//! As much of HTTP/1.1 (RFC 9112) as a question for metrics needs: one request a connection, and its answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

/// A request's head may have so many bytes.
const HEAD_MAX: usize = 8192;

/// Behind the answer so many times something is read and passed over. Without that, what is left unread would make the kernel
/// take back what it has not delivered of the answer; without an end, whoever sends on would be read for ever.
const PASSED_OVER_MAX: usize = 64;

/// The content type of the text format, see <https://prometheus.io/docs/instrumenting/exposition_formats/>.
const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a request comes from, and its answer goes to.
pub(super) trait Stream: Read + Write {
    /// Tells the other side that no more comes.
    fn finish(&self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn finish(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// One request and its answer, as far as they are.
#[derive(Debug)]
pub(super) enum Exchange {
    /// What has come of the request's head.
    Asked(Vec<u8>),
    /// The answer, and how much of it is sent.
    Answering(Vec<u8>, usize),
    /// All is sent, and that is told. What else was asked is passed over until the other side closes, or so many times.
    Closing(usize),
}

impl Default for Exchange {
    fn default() -> Self {
        Self::Asked(Vec::new())
    }
}

impl Exchange {
    /// Whether there is no whole question yet.
    pub(super) const fn is_asked(&self) -> bool {
        matches!(self, Self::Asked(_))
    }

    /// Whether the other side has all that it asked for.
    pub(super) const fn is_closing(&self) -> bool {
        matches!(self, Self::Closing(_))
    }

    /// Whether the other side is to take something.
    pub(super) const fn is_answering(&self) -> bool {
        matches!(self, Self::Answering(..))
    }

    /// Goes on as far as the stream, which never blocks, lets it; `metrics` makes the answer to a right question. Returns whether it
    /// is to be called again.
    pub(super) fn go_on(&mut self, stream: &mut impl Stream, metrics: impl Fn() -> String) -> bool {
        let mut bytes = [0; 1024];
        loop {
            let done = match self {
                Self::Asked(_) | Self::Closing(_) => stream.read(&mut bytes),
                Self::Answering(answer, sent) => stream.write(answer.get(*sent..).unwrap_or_default()),
            };
            match (done, &mut *self) {
                (Ok(0), _) => return false,
                (Ok(count), Self::Asked(head)) => {
                    head.extend_from_slice(bytes.get(..count).unwrap_or_default());
                    if head.len() > HEAD_MAX {
                        *self = Self::Answering(refusal("431 Request Header Fields Too Large", ""), 0);
                    } else if is_whole(head) {
                        *self = Self::Answering(answer(head, &metrics), 0);
                    }
                }
                (Ok(count), Self::Answering(answer, sent)) => {
                    *sent += count;
                    if *sent >= answer.len() {
                        *self = Self::Closing(PASSED_OVER_MAX);
                        if stream.finish().is_err() {
                            return false;
                        }
                    }
                }
                (Ok(_), Self::Closing(0)) => return false,
                (Ok(_), Self::Closing(left)) => *left -= 1,
                (Err(error), _) if error.kind() == ErrorKind::Interrupted => {}
                (Err(error), _) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}

/// Whether the head of a request is there: it ends with an empty line, by old clients without carriage returns.
fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n") || head.windows(2).any(|end| end == b"\n\n")
}

/// The answer to a request.
fn answer(head: &[u8], metrics: impl Fn() -> String) -> Vec<u8> {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words.as_slice() else { return refusal("400 Bad Request", "") };
    if !version.starts_with(b"HTTP/1.") {
        return refusal("505 HTTP Version Not Supported", "");
    }
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    match (*method, path) {
        (b"GET", b"/metrics") => response("200 OK", TYPE, "", &metrics(), true),
        (b"HEAD", b"/metrics") => response("200 OK", TYPE, "", &metrics(), false),
        (b"GET" | b"HEAD", _) => refusal("404 Not Found", ""),
        _ => refusal("405 Method Not Allowed", "Allow: GET, HEAD\r\n"),
    }
}

fn refusal(status: &str, header: &str) -> Vec<u8> {
    response(status, "text/plain; charset=utf-8", header, &format!("{status}; metrics are at /metrics\n"), true)
}

fn response(status: &str, kind: &str, header: &str, body: &str, with_body: bool) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{header}Connection: close\r\n\r\n"
    );
    (head + if with_body { body } else { "" }).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that gives and takes so many bytes at once, and then would block for once.
    struct Slow {
        question: Vec<u8>,
        step: usize,
        answered: Vec<u8>,
        blocks: bool,
        finished: std::cell::Cell<bool>,
    }

    impl Slow {
        fn new(question: &[u8], step: usize) -> Self {
            Self { question: question.to_vec(), step, answered: Vec::new(), blocks: false, finished: false.into() }
        }

        fn step(&mut self) -> io::Result<usize> {
            self.blocks = !self.blocks;
            if self.blocks { Err(ErrorKind::WouldBlock.into()) } else { Ok(self.step) }
        }
    }

    impl Read for Slow {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let count = self.step()?.min(to.len()).min(self.question.len());
            to[..count].copy_from_slice(&self.question[..count]);
            self.question.drain(..count);
            Ok(count)
        }
    }

    impl Write for Slow {
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            let count = self.step()?.min(from.len());
            self.answered.extend_from_slice(&from[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for Slow {
        fn finish(&self) -> io::Result<()> {
            self.finished.set(true);
            Ok(())
        }
    }

    /// What comes of a request, however slowly it is asked.
    fn asked(question: &[u8]) -> String {
        let answers: Vec<_> = [1, 7, 100_000]
            .map(|step| {
                let mut stream = Slow::new(question, step);
                let mut exchange = Exchange::default();
                while exchange.go_on(&mut stream, || "a 1\n".into()) {}
                String::from_utf8(stream.answered).unwrap()
            })
            .into();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        answers[0].clone()
    }

    #[test]
    fn metrics_are_told_to_whoever_asks_for_them_and_nothing_else_is() {
        let told = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 4\r\n\
                    Connection: close\r\n\r\n";
        assert_eq!(asked(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), told.to_owned() + "a 1\n");
        assert_eq!(asked(b"GET /metrics?a=b HTTP/1.0\n\n"), told.to_owned() + "a 1\n");
        assert_eq!(asked(b"HEAD /metrics HTTP/1.1\r\n\r\n"), told);
        for (question, status) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], "404"),
            (b"GET /metrics/ HTTP/1.1\r\n\r\n", "404"),
            (b"POST /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "405"),
            (b"GET /metrics\r\n\r\n", "400"),
            (b"\xff\x00\r\n\r\n", "400"),
            (b"GET /metrics HTTP/2\r\n\r\n", "505"),
            (&[b'x'; HEAD_MAX + 1], "431"),
        ] {
            let answer = asked(question);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
        assert_eq!(asked(b"GET /metrics HTTP/1.1\r\nHost"), "", "it was cut off");
    }

    #[test]
    fn who_never_stops_asking_is_told_the_end_and_left() {
        struct Endless {
            question: &'static [u8],
            read: usize,
            finished_after: std::cell::Cell<Option<usize>>,
        }

        impl Read for Endless {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                assert!(self.read < 1 << 20, "it would be read for ever");
                let count = self.question.read(to)?;
                let count = if count > 0 { count } else { to.len() };
                self.read += count;
                Ok(count)
            }
        }

        impl Write for Endless {
            fn write(&mut self, from: &[u8]) -> io::Result<usize> {
                Ok(from.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Stream for Endless {
            fn finish(&self) -> io::Result<()> {
                self.finished_after.set(Some(self.read));
                Ok(())
            }
        }

        let question = b"GET /metrics HTTP/1.1\r\n\r\n";
        let mut stream = Endless { question, read: 0, finished_after: None.into() };
        assert!(!Exchange::default().go_on(&mut stream, || "a 1\n".into()));
        assert_eq!(stream.finished_after.get(), Some(question.len()));
    }
}

//! As much of HTTP/1.1 (RFC 9112) as a question for metrics needs: one request a connection, and its answer.

use std::io::{ErrorKind, Read, Write};

/// A request's head may have so many bytes.
const HEAD_MAX: usize = 8192;

/// The content type of the text format, see <https://prometheus.io/docs/instrumenting/exposition_formats/>.
const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One request and its answer, as far as they are.
#[derive(Debug)]
pub(super) enum Exchange {
    /// What has come of the request's head.
    Asked(Vec<u8>),
    /// The answer, and how much of it is sent.
    Answering(Vec<u8>, usize),
    /// All is sent, and whatever else was asked is passed over until the other side closes.
    Closing,
}

impl Default for Exchange {
    fn default() -> Self {
        Self::Asked(Vec::new())
    }
}

impl Exchange {
    /// Whether the other side is to take something.
    pub(super) const fn is_answering(&self) -> bool {
        matches!(self, Self::Answering(..))
    }

    /// Goes on as far as the stream, which never blocks, lets it; `metrics` makes the answer to a right question. Returns whether it
    /// is to be called again.
    pub(super) fn go_on(&mut self, stream: &mut (impl Read + Write), metrics: impl Fn() -> String) -> bool {
        let mut bytes = [0; 1024];
        loop {
            let done = match self {
                Self::Asked(_) | Self::Closing => stream.read(&mut bytes),
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
                        *self = Self::Closing;
                    }
                }
                (Ok(_), Self::Closing) => {}
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
    use std::io;

    use super::*;

    /// A stream that gives and takes so many bytes at once, and then would block for once.
    struct Slow {
        question: Vec<u8>,
        step: usize,
        answered: Vec<u8>,
        blocks: bool,
    }

    impl Slow {
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

    /// What comes of a request, however slowly it is asked.
    fn asked(question: &[u8]) -> String {
        let answers: Vec<_> = [1, 7, 100_000]
            .map(|step| {
                let mut stream = Slow { question: question.to_vec(), step, answered: Vec::new(), blocks: false };
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
}

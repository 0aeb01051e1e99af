//! Messages to standard error, which a thread of its own writes.
//!
//! A terminal in which somebody has typed Ctrl-S takes no more, and neither does a pipe that nobody reads, nor the journal when it hangs; whoever
//! writes there waits, it may be for ever. Here that one thread alone waits: who has something to say puts it into a queue. What finds no
//! room there is counted, and the count is said as soon as there is room again. At its end the program waits for a moment.

use std::io::{self, Write, stderr};
use std::mem::take;
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

/// So much may wait, and as much again is being written at most: some hundred messages.
const ROOM_BYTES: usize = 64 * 1024;

/// So long the end of the program waits for what was said to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// What waits for standard error, of which a process has one.
static WAITING: Queue = Queue::new();

/// Takes messages for standard error: what is written at once is one.
pub(super) struct Message;

impl Write for Message {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WAITING.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the thread, if there is none yet. It has the privileges of the one that starts it: to be called when those that are not
/// needed are given up. Until then all that is said waits.
///
/// # Errors
/// There may be no thread more.
pub(super) fn begin() -> io::Result<()> {
    let mut state = WAITING.lock();
    if !state.has_thread {
        std::thread::Builder::new().name("say".into()).spawn(|| WAITING.write_out())?;
        state.has_thread = true;
    }
    Ok(())
}

/// Says something, behind all that was said before, and waits for nothing.
pub(super) fn put(text: &str) {
    WAITING.put(text.as_bytes());
}

/// Says something, behind all that was said before, and waits a moment for it to be written.
pub(super) fn say(text: &str) {
    put(text);
    finish();
}

/// Waits a moment for all to be written that was said.
pub(super) fn finish() {
    if begin().is_ok() {
        WAITING.wait(PATIENCE);
    } else {
        // At its end a program without a thread has nothing else to do.
        WAITING.take().messages.iter().for_each(|message| write_whole(message));
    }
}

/// Messages on their way.
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: Waiting,
    /// Those that were taken are not written yet.
    is_writing: bool,
    has_thread: bool,
}

/// Messages that nobody has begun to write.
#[derive(Default)]
struct Waiting {
    messages: Vec<Vec<u8>>,
    bytes: usize,
    /// So many found no room behind them.
    left: u64,
}

impl Waiting {
    fn is_nothing(&self) -> bool {
        self.messages.is_empty() && self.left == 0
    }
}

impl Queue {
    const fn new() -> Self {
        let waiting = Waiting { messages: Vec::new(), bytes: 0, left: 0 };
        Self { state: Mutex::new(State { waiting, is_writing: false, has_thread: false }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never waits for anybody who writes.
    fn put(&self, message: &[u8]) {
        let waiting = &mut self.lock().waiting;
        // Where one is missing none follows before that is said.
        if waiting.left > 0 || waiting.bytes + message.len() > ROOM_BYTES {
            waiting.left += 1;
        } else {
            waiting.bytes += message.len();
            waiting.messages.push(message.to_vec());
        }
        self.changed.notify_all();
    }

    /// Takes what waits.
    fn take(&self) -> Waiting {
        take(&mut self.lock().waiting)
    }

    /// Takes what waits as soon as there is something.
    fn next(&self) -> Waiting {
        let mut state = self.lock();
        state.is_writing = false;
        self.changed.notify_all();
        let nothing = |state: &mut State| state.waiting.is_nothing();
        let mut state = self.changed.wait_while(state, nothing).unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        take(&mut state.waiting)
    }

    /// Waits until all is written, or so long.
    fn wait(&self, patience: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_nothing();
        drop(self.changed.wait_timeout_while(self.lock(), patience, is_busy));
    }

    fn write_out(&self) {
        loop {
            let Waiting { messages, left, .. } = self.next();
            messages.iter().for_each(|message| write_whole(message));
            if left > 0 {
                // It is put like all others, in the form of all others.
                tracing::warn!("{}", super::logging::no_room(left));
            }
        }
    }
}

/// Writes to standard error, however long that takes. Nothing may lock it meanwhile, as the library's way would: others have to do
/// without, then.
fn write_whole(mut bytes: &[u8]) {
    let stderr = stderr();
    while !bytes.is_empty() {
        match write(&stderr, bytes) {
            Err(Errno::EINTR) => {}
            // Somebody who has it open, too, wants not to wait.
            Err(Errno::EAGAIN) => {
                let _ = poll(&mut [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE);
            }
            // A terminal that was closed must not end the recorder.
            Ok(0) | Err(_) => return,
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_nothing_goes_before_that() {
        let queue = Queue::new();
        for _ in 0..ROOM_BYTES / 1024 {
            queue.put(&[b'a'; 1024]);
        }
        queue.put(b"too much");
        queue.put(b"");
        let Waiting { messages, bytes, left } = queue.next();
        assert_eq!((messages.len(), bytes, left), (ROOM_BYTES / 1024, ROOM_BYTES, 2));
        queue.put(b"room again");
        let Waiting { messages, left, .. } = queue.next();
        assert_eq!((messages, left), (vec![b"room again".to_vec()], 0));
    }
}

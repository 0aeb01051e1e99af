//! Threads that do tasks ahead of the one that needs their results, in order.
//!
//! The thread that hands out the tasks is one of the crew: a task that nobody has begun when its result is needed, it does
//! itself. So a crew of one is no thread at all, and none of several ever waits for a task that is not being done.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder, Scope};

/// A task, and what becomes of it.
pub(super) struct Job<T, R> {
    task: T,
    state: Mutex<State<R>>,
    done: Condvar,
}

enum State<R> {
    /// Nobody has begun it.
    Waiting,
    /// Somebody is at it, or its result was taken.
    Taken,
    /// It is done; or whoever was at it panicked.
    Done(thread::Result<R>),
}

impl<T, R> Job<T, R> {
    /// What is to be done.
    pub(super) const fn task(&self) -> &T {
        &self.task
    }

    /// Whether it is now up to the caller to do it.
    fn take(&self) -> bool {
        let mut state = locked(&self.state);
        let is_mine = matches!(*state, State::Waiting);
        if is_mine {
            *state = State::Taken;
        }
        is_mine
    }

    fn set_done(&self, result: thread::Result<R>) {
        *locked(&self.state) = State::Done(result);
        self.done.notify_one();
    }

    fn is_done(&self) -> bool {
        matches!(*locked(&self.state), State::Done(_))
    }

    /// Does it, unless somebody else has begun. What it worked on is not looked at again after a panic: that goes on in the
    /// thread that asks for the result.
    fn do_with(&self, work: &impl Fn(&T) -> R) {
        if self.take() {
            self.set_done(catch_unwind(AssertUnwindSafe(|| work(&self.task))));
        }
    }

    /// Waits until whoever took it is done.
    fn wait(&self) -> thread::Result<R> {
        let mut state = locked(&self.state);
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Done(result) => return result,
                State::Waiting | State::Taken => {
                    state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

/// The tasks that nobody has begun.
struct Queue<T, R> {
    jobs: Mutex<Jobs<T, R>>,
    /// There is a job, or there will be none any more.
    news: Condvar,
}

struct Jobs<T, R> {
    waiting: VecDeque<Arc<Job<T, R>>>,
    closed: bool,
}

impl<T, R> Queue<T, R> {
    /// The next job; `None` if there will be none any more.
    fn next(&self) -> Option<Arc<Job<T, R>>> {
        let mut jobs = locked(&self.jobs);
        loop {
            if jobs.closed {
                return None;
            }
            match jobs.waiting.pop_front() {
                Some(job) => return Some(job),
                None => jobs = self.news.wait(jobs).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// The next job, if one is waiting.
    fn next_waiting(&self) -> Option<Arc<Job<T, R>>> {
        locked(&self.jobs).waiting.pop_front()
    }

    /// Forgets a job that was taken, if it is the first that waits, as it mostly is. Elsewhere whoever comes to it will find it
    /// taken.
    fn forget_first(&self, job: &Arc<Job<T, R>>) {
        let mut jobs = locked(&self.jobs);
        if jobs.waiting.front().is_some_and(|first| Arc::ptr_eq(first, job)) {
            jobs.waiting.pop_front();
        }
    }
}

/// Ends the crew when it goes, whether in order or by a panic: else nobody would ever tell the others to go home.
struct Closing<'q, T, R>(&'q Queue<T, R>);

impl<T, R> Drop for Closing<'_, T, R> {
    fn drop(&mut self) {
        let mut jobs = locked(&self.0.jobs);
        jobs.closed = true;
        jobs.waiting.clear();
        self.0.news.notify_all();
    }
}

/// The crew as the thread that hands out the tasks knows it.
pub(super) struct Crew<'scope, 'env, T, R, W> {
    scope: &'scope Scope<'scope, 'env>,
    queue: &'env Queue<T, R>,
    work: &'env W,
    /// How many threads may yet be started.
    unborn: usize,
    /// Whether there is any other thread.
    has_others: bool,
}

impl<T, R, W> Crew<'_, '_, T, R, W>
where
    T: Send + Sync,
    R: Send,
    W: Fn(&T) -> R + Sync,
{
    /// Hands out a task.
    pub(super) fn begin(&mut self, task: T) -> Arc<Job<T, R>> {
        let job = Arc::new(Job { task, state: Mutex::new(State::Waiting), done: Condvar::new() });
        let mut jobs = locked(&self.queue.jobs);
        jobs.waiting.push_back(Arc::clone(&job));
        // The first task alone is not worth a thread.
        if self.unborn > 0 && jobs.waiting.len() > 1 {
            drop(jobs);
            let (queue, work) = (self.queue, self.work);
            // If the system has none to give, there are that many fewer.
            let begun = Builder::new().name("scan".into()).spawn_scoped(self.scope, || assist(queue, work));
            self.has_others |= begun.is_ok();
            self.unborn -= 1;
        }
        if self.has_others {
            self.queue.news.notify_one();
        }
        job
    }

    /// The result of a task, which is asked for once, mostly in the order in which tasks were handed out. While another thread
    /// is still at it, this one does what comes after.
    pub(super) fn result(&self, job: &Arc<Job<T, R>>) -> R {
        if !job.take() {
            while !job.is_done()
                && let Some(later) = self.queue.next_waiting()
            {
                later.do_with(self.work);
            }
            return job.wait().unwrap_or_else(|panic| resume_unwind(panic));
        }
        self.queue.forget_first(job);
        (self.work)(&job.task)
    }

    /// Forgets a task if nobody has begun it: its result will not be asked for.
    pub(super) fn forget(&self, job: &Arc<Job<T, R>>) {
        if job.take() {
            self.queue.forget_first(job);
        }
    }
}

/// Does tasks until there are none any more.
fn assist<T, R>(queue: &Queue<T, R>, work: &impl Fn(&T) -> R) {
    while let Some(job) = queue.next() {
        job.do_with(work);
    }
}

/// Does something with a crew of so many threads, the present one among them. When it is done, tasks that nobody has begun
/// are forgotten.
pub(super) fn with_crew<T, R, W, O>(
    threads: usize,
    work: W,
    body: impl for<'scope, 'env> FnOnce(Crew<'scope, 'env, T, R, W>) -> O,
) -> O
where
    T: Send + Sync,
    R: Send,
    W: Fn(&T) -> R + Sync,
{
    let queue = Queue { jobs: Mutex::new(Jobs { waiting: VecDeque::new(), closed: false }), news: Condvar::new() };
    thread::scope(|scope| {
        let _closing = Closing(&queue);
        body(Crew { scope, queue: &queue, work: &work, unborn: threads.saturating_sub(1), has_others: false })
    })
}

/// Nothing panics with a lock in its hand, so that what it guards is always whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_number_of_threads() {
        for threads in [1, 2, 5] {
            let squares = with_crew(
                threads,
                |number: &u64| number * number,
                |mut crew| {
                    let jobs: Vec<_> = (0..1000).map(|number| crew.begin(number)).collect();
                    jobs.iter().map(|job| crew.result(job)).collect::<Vec<_>>()
                },
            );
            assert!(squares.into_iter().eq((0..1000).map(|number| number * number)), "{threads} threads");
        }
    }

    #[test]
    fn a_panic_reaches_whoever_asks_and_nobody_hangs() {
        for threads in [1, 2, 5] {
            let work = |number: &u64| assert!(*number != 7, "seven");
            let asked = catch_unwind(|| {
                with_crew(threads, work, |mut crew| {
                    let jobs: Vec<_> = (0..1000).map(|number| crew.begin(number)).collect();
                    jobs.iter().for_each(|job| crew.result(job));
                });
            });
            assert_eq!(*asked.unwrap_err().downcast_ref::<&str>().unwrap(), "seven", "{threads} threads");
        }
    }

    #[test]
    fn who_stops_early_leaves_the_rest_undone() {
        let done = std::sync::atomic::AtomicUsize::new(0);
        let count = |_: &u64| done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        with_crew(1, count, |mut crew| {
            let jobs: Vec<_> = (0..1000).map(|number| crew.begin(number)).collect();
            crew.result(&jobs[0]);
        });
        assert_eq!(done.into_inner(), 1);
    }
}

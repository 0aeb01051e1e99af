//! `cargo run --release --example storm`: puts flows into a connection-tracking table and takes them out again, as fast
//! as the kernel goes or at a chosen rate. These are real events of the kernel, with no packet sent.
//!
//!     storm                                        # 240,000 flows in a private network namespace, heard by nobody
//!     storm -- sh -c 'exec conntrack -E > lines'   # the same beside a program that listens
//!     storm --rate 20000 --alive 100000 -- ctrecorder capture --foreground --file /tmp/storm.%s
//!     storm -- storm drain                         # what it costs to take the events, and no more
//!
//! A program behind `--` is started in the private namespace first. Once it listens, the storm begins; once it has taken
//! all events, it is told to end (SIGTERM), and what it cost is reported: processor time and memory, of it alone.
//!
//! To storm in a namespace that is there already, and leave the flows in its table:
//!
//!     ip netns exec NAME storm --here --keep --flows 500000
//!
//! It prints one line of JSON on standard output: events `made`, `seconds` and `events_per_s`; with a program, also its
//! exit `status`, its processor time `cpu_us` (user and system) and its peak memory `rss_kib`. It needs root, or user
//! namespaces; the number of flows is bounded, and so is the time.

#[cfg(all(target_os = "linux", feature = "capture"))]
mod storm;

#[cfg(all(target_os = "linux", feature = "capture"))]
fn main() -> std::process::ExitCode {
    storm::main()
}

/// There are no events where nothing can be recorded.
#[cfg(not(all(target_os = "linux", feature = "capture")))]
fn main() -> std::process::ExitCode {
    eprintln!("storm: needs Linux, and a build with the feature \"capture\"");
    std::process::ExitCode::FAILURE
}

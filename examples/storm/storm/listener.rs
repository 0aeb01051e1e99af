//! A program that listens to the storm: when it is ready, when it has heard all, and what that cost.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;

/// How long to wait for a listener that neither takes events nor ends.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(10);
/// What a listener gets to finish with the events that it took last.
const SETTLE: Duration = Duration::from_millis(200);

/// The program, in a network namespace where nobody else listens; killed when dropped.
pub struct Listener {
    child: Child,
}

/// What the program needed from its start to its end.
pub struct Cost {
    /// Its exit status; 128 more than the number of the signal that ended it.
    pub status: i32,
    /// Processor time, user and system.
    pub cpu: Duration,
    /// The most memory that was resident, in KiB.
    pub rss_kib: i64,
}

impl Listener {
    /// Starts the program and waits until it listens to conntrack events.
    pub fn start(program: &OsStr, arguments: &[OsString]) -> Result<Self> {
        let child = Command::new(program).args(arguments).spawn().with_context(|| program.display().to_string())?;
        let mut listener = Self { child };
        listener.wait_for("listen to conntrack events", || Ok(!receive_queues()?.is_empty()))?;
        Ok(listener)
    }

    /// Waits until it has taken all events and so many flows are left, tells it to end, and says what it cost.
    pub fn end(&mut self, alive: u32) -> Result<Cost> {
        // Ends that the kernel holds back for a listener count as flows until they are delivered.
        self.wait_for("take all events", || {
            Ok(receive_queues()?.iter().all(|bytes| *bytes == 0) && flows_in_table()? <= alive)
        })?;
        sleep(SETTLE);
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGTERM)?;
        let status = self.wait()?;
        // The only child that was ever waited for.
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let status = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        Ok(Cost { status, cpu: duration(usage.user_time()) + duration(usage.system_time()), rss_kib: usage.max_rss() })
    }

    /// Waits until it is so; fails if the program ends first.
    fn wait_for(&mut self, what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        while !is_so()? {
            if let Some(status) = self.child.try_wait()? {
                bail!("the program ended ({status}) before it could {what}");
            }
            if begun.elapsed() > PATIENCE {
                bail!("the program does not {what}");
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                bail!("the program does not end");
            }
            sleep(PAUSE);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that wait to be received in each netfilter socket of this network namespace that is in a multicast group.
fn receive_queues() -> Result<Vec<u64>> {
    const NETLINK_NETFILTER: &str = "12";
    let table = std::fs::read_to_string("/proc/net/netlink")?;
    let queues = table.lines().filter_map(|line| {
        // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
        let mut columns = line.split_whitespace().skip(1);
        let (family, groups, bytes) = (columns.next()?, columns.nth(1)?, columns.next()?);
        let listens = family == NETLINK_NETFILTER && groups.bytes().any(|digit| digit != b'0');
        if listens { bytes.parse().ok() } else { None }
    });
    Ok(queues.collect())
}

fn flows_in_table() -> Result<u32> {
    Ok(std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count")?.trim().parse()?)
}

fn duration(time: TimeVal) -> Duration {
    Duration::new(time.tv_sec().unsigned_abs(), time.tv_usec().unsigned_abs() as u32 * 1000)
}

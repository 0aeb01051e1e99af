//! A network namespace of one's own, with a connection-tracking table of its own.

use anyhow::{Context, Result};
use ctrecorder::netlink::request;
use ctrecorder::netlink::socket::RequestSocket;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// Moves this process into a network namespace of its own: as root right away, else within a user namespace in which
/// it is root. Says what is missing where connection tracking cannot be used.
pub fn enter_private() -> Result<()> {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
    } else {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
            .context("cannot make a user namespace; try as root")?;
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    }
    let mut probe = Vec::new();
    request::get_stats(&mut probe);
    RequestSocket::open()?.execute(&probe).context("the kernel does not answer for connection tracking")
}

//! What a recorder that has started can no longer do, whoever should come to rule it.
//!
//! | file | takes away |
//! |---|---|
//! | [`capabilities`] | every power of root's but CAP_NET_ADMIN, for good |
//! | [`files`] | every file but those of the journal, by Landlock |
//! | [`calls`] | every system call that a recorder does not make, by a seccomp filter |
//!
//! It is entered by the only thread there is, since all of it belongs to a thread and is handed on to those it starts. What needs
//! more (sockets of the Internet, files elsewhere) is opened before.

// A filter is made of numbers that each kind of processor has its own of.
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")),
    path = "calls_unknown.rs"
)]
mod calls;
pub(super) mod capabilities;
mod files;

use std::path::PathBuf;

use nix::sys::stat::{FileStat, fstat, stat};

use super::error::StartError;
pub(crate) use calls::is_known_here as kernel_filters_calls;
pub(super) use files::Reach;
pub(crate) use files::version as landlock_version;

#[cfg(test)]
mod tests;

/// A sandbox that this process is in.
#[derive(Debug)]
pub(super) struct Sandbox {
    has_landlock: bool,
    journal: PathBuf,
    /// Where the rules hold, the journal's directory in front. They are kept open, since those of /proc are others once the kernel
    /// has forgotten them.
    places: Vec<landlock::PathFd>,
}

impl Sandbox {
    /// Enters it, and logs what it is. What this kernel does not have is left out: the findings of a start warn of that
    /// (`doctor`).
    ///
    /// # Errors
    /// [`StartError::Sandbox`], if the kernel has it and refuses.
    pub(super) fn enter(reach: &Reach) -> Result<Self, StartError> {
        let failed = |error: String| StartError::Sandbox(error);
        capabilities::keep_net_admin_alone().map_err(|error| failed(error.to_string()))?;
        nix::sys::prctl::set_no_new_privs().map_err(|error| failed(error.desc().into()))?;
        let places = files::restrict(reach).map_err(|error| failed(error.to_string()))?;
        let landlock = landlock_version();
        if let Some(version) = landlock {
            tracing::info!("sandbox: files beneath {reach} alone (Landlock {version})");
        }
        if kernel_filters_calls() {
            let count = calls::restrict(reach.asks_for_netns).map_err(failed)?;
            tracing::info!("sandbox: {count} system calls are left (seccomp)");
        }
        Ok(Self { has_landlock: landlock.is_some(), journal: reach.journal.clone(), places })
    }

    /// Whether the journal's directory is another one by now, which is out of reach: it was made anew, or something was mounted
    /// over it.
    pub(super) fn is_left_behind(&self) -> bool {
        let identity = |stat: FileStat| (stat.st_dev, stat.st_ino);
        let own = self.places.first().and_then(|place| fstat(place).ok()).map(identity);
        self.has_landlock && stat(&self.journal).is_ok_and(|now| own.is_some_and(|own| own != identity(now)))
    }
}

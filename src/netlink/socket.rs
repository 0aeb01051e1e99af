//! The netlink sockets, on Linux only: [`EventSocket`] hears of flows, [`RequestSocket`] asks and is answered.
//!
//! Both heed the kernel alone: what another program sent (its netlink port id is not 0) is dropped.

mod events;
mod netns;
mod requests;

use std::io;
use std::path::Path;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;
use thiserror::Error;

use crate::shell::quoted;

pub use events::{EventSocket, Received, may_hear_all_netns, receive_buffer_for};
pub use netns::{NetnsSocket, netns_cookie};
pub use requests::RequestSocket;

/// Why connection tracking cannot be heard or asked, and what to do about it.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The kernel has no netlink for netfilter.
    #[error("this kernel has no netfilter netlink: modprobe nfnetlink, or use a kernel with CONFIG_NETFILTER_NETLINK")]
    NoNetfilterNetlink,
    /// The kernel has it, but not for connection tracking.
    #[error(
        "this kernel has no connection tracking netlink: modprobe nf_conntrack_netlink, or use a kernel with CONFIG_NF_CT_NETLINK"
    )]
    NoConntrackNetlink,
    /// The process lacks CAP_NET_ADMIN in its network namespace.
    #[error(
        "not permitted to use connection tracking: CAP_NET_ADMIN is missing; run as root, or {}",
        grant(ALONE, "CAP_NET_ADMIN")
    )]
    NotPermitted,
    /// The process lacks CAP_NET_ADMIN, or CAP_NET_BROADCAST, without which no other namespace is heard.
    #[error(
        "not permitted to hear of other network namespaces: that takes CAP_NET_ADMIN and CAP_NET_BROADCAST; run as root, or {}",
        grant(WITH_OTHERS, "CAP_NET_ADMIN CAP_NET_BROADCAST")
    )]
    NotPermittedNetns,
    /// The kernel tells each socket of one namespace alone.
    #[error("this kernel does not tell of other network namespaces: Linux 4.2 and later does")]
    NoNetns,
    /// Anything else.
    #[error("cannot {what} a netlink socket: {source}")]
    Io {
        /// The kernel's error.
        source: io::Error,
        /// What was tried, a verb.
        what: &'static str,
    },
}

impl OpenError {
    /// For a failure to `what` the socket itself.
    fn of_socket(source: io::Error, what: &'static str) -> Self {
        match errno(&source) {
            Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT => Self::NoNetfilterNetlink,
            Errno::EPERM | Errno::EACCES => Self::NotPermitted,
            _ => Self::Io { source, what },
        }
    }

    /// The error of the system that it comes from, if that says more.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Io { source, .. } => source,
            other => io::Error::other(other),
        }
    }

    /// The same for who wants to hear of all network namespaces, too: what is to be granted for that is told at once.
    pub(crate) fn of_who_hears_all_netns(self) -> Self {
        if matches!(self, Self::NotPermitted) { Self::NotPermittedNetns } else { self }
    }

    /// For a failure to hear of all network namespaces.
    fn of_netns(source: io::Error) -> Self {
        match errno(&source) {
            Errno::EPERM | Errno::EACCES => Self::NotPermittedNetns,
            Errno::ENOPROTOOPT => Self::NoNetns,
            _ => Self::of_socket(source, "hear all network namespaces with"),
        }
    }

    /// For a probe that ctnetlink should have answered.
    fn of_probe(source: io::Error) -> Self {
        match errno(&source) {
            // What nfnetlink says of a subsystem that it does not have, and cannot load.
            Errno::EOPNOTSUPP | Errno::EINVAL => Self::NoConntrackNetlink,
            _ => Self::of_socket(source, "probe"),
        }
    }
}

/// The capabilities, as setcap(8) names them, that it takes to use connection tracking, and to hear of other network namespaces, too.
pub(crate) const ALONE: &str = "cap_net_admin";
pub(crate) const WITH_OTHERS: &str = "cap_net_admin,cap_net_broadcast";

/// A command for a shell that grants these capabilities to this program.
pub(crate) fn setcap(capabilities: &str) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| Path::new("ctrecorder").into());
    format!("setcap {capabilities}+ep {}", quoted(&program.to_string_lossy()))
}

/// How a process that lacks these capabilities, which systemd calls so, gets them.
fn grant(capabilities: &str, names: &str) -> String {
    if nix::sys::prctl::get_no_new_privs().unwrap_or(false) {
        // What setcap gives would do nothing.
        return format!(
            "have whoever starts it grant them, as systemd does by AmbientCapabilities={names} and CapabilityBoundingSet={names}"
        );
    }
    let what = if capabilities == ALONE { "it" } else { "them" };
    format!("grant {what} to the program: {}", setcap(capabilities))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// A socket of the netfilter family with a port id of its own.
fn open() -> Result<Socket, OpenError> {
    open_of(NETLINK_NETFILTER)
}

/// The same of any family.
fn open_of(family: isize) -> Result<Socket, OpenError> {
    let mut socket = Socket::new(family).map_err(|source| OpenError::of_socket(source, "open"))?;
    socket.bind_auto().map_err(|source| OpenError::of_socket(source, "bind"))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let of = |errno: Errno| io::Error::from(errno);
        let cases = [
            (OpenError::of_socket(of(Errno::EPROTONOSUPPORT), "open"), "modprobe nfnetlink"),
            (OpenError::of_socket(of(Errno::EAFNOSUPPORT), "open"), "modprobe nfnetlink"),
            (OpenError::of_probe(of(Errno::EINVAL)), "modprobe nf_conntrack_netlink"),
            (OpenError::of_probe(of(Errno::EOPNOTSUPP)), "modprobe nf_conntrack_netlink"),
            (OpenError::of_probe(of(Errno::EPERM)), "setcap cap_net_admin+ep"),
            (OpenError::of_netns(of(Errno::EPERM)), "setcap cap_net_admin,cap_net_broadcast+ep"),
            (OpenError::of_netns(of(Errno::ENOPROTOOPT)), "Linux 4.2 and later"),
            (OpenError::of_socket(of(Errno::EMFILE), "open"), "cannot open a netlink socket: Too many open files"),
        ];
        for (error, advice) in cases {
            let line = error.to_string();
            assert!(line.contains(advice), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }
}

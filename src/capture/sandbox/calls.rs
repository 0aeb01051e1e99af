//! Which system calls a recorder can still make once it has started: a seccomp filter.
//!
//! Any other one is answered as by a kernel that does not have it (ENOSYS): the C library then takes an older one, where there
//! is one, and a recorder that is to run for years does not die of a call that a later library makes now and then. There are no
//! programs, no processes, no code that was not there at the start, no modules, mounts or other processes' memory in the list,
//! and of sockets the two kinds alone that are made while recording: datagrams within this machine, as syslog and the service manager
//! take them, and netfilter's. Whom a datagram may go to is for the permissions of that one's socket to say: a filter cannot see it.

use std::collections::BTreeMap;

use nix::libc::{self, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};

/// Left whatever their arguments are. Which files they reach is for permissions and Landlock to say.
const LEFT: &[c_long] = &[
    // Files of the journal, and how full their disk is.
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fchmod,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    // Sockets, but not their making.
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    // Memory, but not for code.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_getrandom,
    // Threads.
    libc::SYS_futex,
    libc::SYS_eventfd2,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Clocks, where they are not read without the kernel.
    libc::SYS_clock_gettime,
    // To ask whether the clock is synchronised: to set it takes a capability that is gone.
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    // What it is, and where.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
];

/// The same by the names that they had on the first systems, and still have for some C libraries.
#[cfg(target_arch = "x86_64")]
const LEFT_BY_OLD_NAMES: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_dup2,
    libc::SYS_mkdir,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_select,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const LEFT_BY_OLD_NAMES: &[c_long] = &[];

/// Rules by the number of the call; a call without any is left whatever its arguments are.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Takes all other system calls from every thread; returns how many are left. One that `asks_for_netns` may make the sockets for that,
/// too.
pub(super) fn restrict(asks_for_netns: bool) -> Result<usize, String> {
    let rules = rules(asks_for_netns).map_err(|error| error.to_string())?;
    let count = rules.len();
    let program = program(rules).map_err(|error| error.to_string())?;
    apply_filter_all_threads(&program).map(|()| count).map_err(|error| error.to_string())
}

/// Whether this kernel filters system calls.
pub(crate) fn is_known_here() -> bool {
    // SAFETY: it asks whether the mode is known, and reads and writes no memory: EINVAL, if not (prctl(2)).
    let mode = unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) };
    mode >= 0
}

fn program(rules: Rules) -> Result<BpfProgram, BackendError> {
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Errno(libc::ENOSYS as u32), SeccompAction::Allow, architecture)?.try_into()
}

fn rules(asks_for_netns: bool) -> Result<Rules, BackendError> {
    let mut rules: Rules = LEFT.iter().chain(LEFT_BY_OLD_NAMES).map(|call| (*call, Vec::new())).collect();
    let not_for_code = || has_not(2, libc::PROT_EXEC);
    rules.insert(libc::SYS_mmap, vec![rule([not_for_code()?])?]);
    rules.insert(libc::SYS_mprotect, vec![rule([not_for_code()?])?]);
    // Threads, but no processes. The newer clone3, whose flags no filter can see, is not left.
    rules.insert(libc::SYS_clone, vec![rule([has(0, libc::CLONE_THREAD)?])?]);
    rules.insert(libc::SYS_prctl, vec![rule([is(0, libc::PR_SET_NAME)?])?]);
    rules.insert(libc::SYS_ioctl, vec![rule([is(1, libc::FIONBIO as libc::c_int)?])?]);
    // The end of a process that finds a defect in itself.
    rules.insert(libc::SYS_tgkill, vec![rule([is(0, std::process::id() as libc::c_int)?])?]);
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let datagrams = [is(0, libc::AF_UNIX)?, is_beside(1, flags, libc::SOCK_DGRAM)?];
    let netfilter = [is(0, libc::AF_NETLINK)?, is(2, libc::NETLINK_NETFILTER)?];
    let mut sockets = vec![rule(datagrams)?, rule(netfilter)?];
    if asks_for_netns {
        sockets.push(rule([is(0, libc::AF_NETLINK)?, is(2, libc::NETLINK_ROUTE)?])?);
    }
    rules.insert(libc::SYS_socket, sockets);
    Ok(rules)
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

/// An argument is this.
fn is(argument: u8, value: libc::c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Eq, value)
}

/// An argument is this, whichever of these flags stand beside it.
fn is_beside(argument: u8, flags: libc::c_int, value: libc::c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(u64::from(!flags as u32)), value)
}

/// An argument has this flag.
fn has(argument: u8, flag: libc::c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(flag as u64), flag)
}

/// An argument has not this flag.
fn has_not(argument: u8, flag: libc::c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(flag as u64), 0)
}

fn condition(argument: u8, operator: SeccompCmpOp, value: libc::c_int) -> Result<SeccompCondition, BackendError> {
    // The kernel takes these arguments as 32 bits: what stands above them may be anything.
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value as u32 as u64)
}

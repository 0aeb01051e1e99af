//! Starts that cannot be: one clear line, and the right exit status.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::libc;
use nix::sys::signal::Signal;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use tempfile::TempDir;

use crate::lab::{Namespace, Process, wait_until};
use crate::program::{self, Answer, answer, ctrecorder};

/// Runs `ctrecorder -C -F -f SEGMENT` with these arguments in a namespace of its own; nothing may be left behind.
fn refused(arguments: &[&str]) -> Answer {
    let (namespace, directory) = (Namespace::new("refusal"), TempDir::new().unwrap());
    let segment = directory.path().join("ct");
    let answer = namespace.enter(|| answer(ctrecorder().args(["capture", "-F", "-f"]).arg(segment).args(arguments)));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{arguments:?} left a file behind");
    answer
}

#[test]
fn arguments_that_make_no_sense_are_usage_errors_that_name_them() {
    for (arguments, words) in [
        (&["-t", "abc"][..], "abc"),
        (&["-t", "-5"], "-5"),
        (&["-t", "60m"], "a whole number of minutes is wanted"),
        (&["--silence", "5m"], "a whole number of seconds is wanted"),
        (&["--accounting=maybe"], "[possible values: true, false]"),
        (&["-p", "tcp,nonsense"], "nonsense"),
        (&["-p", "256"], "256"),
        (&["--family", "ipx"], "ipx"),
        (&["-b", "0"], "0"),
        (&["-b", "1G"], "a whole number of KiB from 1 to 1048575 is wanted"),
        (&["-b", "1048576"], "a whole number of KiB from 1 to 1048575 is wanted"),
        (&["-B", "0"], "0"),
        (&["-t", "60"], "come to the same name"),
        (&["--max-size", "100K"], "smaller than one file"),
        (&["--max-size", "1.5G"], "not a size"),
        (&["--min-free", "900000T"], "every closed file would be removed"),
        (&["--metrics", "localhost:9100"], "such as 127.0.0.1:9100"),
        (&["--max-age", "180"], "say 180s for seconds, 180d for days"),
        (&["--max-age", "0s"], "longer than --rotate"),
    ] {
        let answer = refused(arguments);
        assert_eq!(answer.status, 2, "{arguments:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(words), "{arguments:?}: {}", answer.stderr);
    }
}

#[test]
fn the_classic_spelling_says_1_for_usage() {
    let (namespace, directory) = (Namespace::new("classic"), TempDir::new().unwrap());
    let segment = directory.path().join("ct");
    let mut command = ctrecorder();
    let classic = namespace.enter(|| answer(command.args(["-C", "-F", "-t", "abc", "-f"]).arg(&segment)));
    assert_eq!(classic.status, 1, "{}", classic.stderr);
    assert!(classic.stderr.contains("abc"), "{}", classic.stderr);
    let without_file = namespace.enter(|| answer(ctrecorder().args(["-C", "-F"])));
    assert_eq!(without_file.status, 1);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn unknown_users_and_groups_are_named() {
    for (arguments, words) in [
        (&["-U", "no-such-user"][..], "no-such-user: no such user"),
        (&["-G", "no-such-group"], "no-such-group: no such group"),
    ] {
        let answer = refused(arguments);
        assert_eq!(answer.status, 5);
        assert!(answer.stderr.contains(words), "{}", answer.stderr);
    }
}

/// A directory and in it a copy of the program that every user may run, wherever the build's own lies.
pub fn program_for_all() -> (TempDir, PathBuf) {
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o777)).tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    let copy = directory.path().join("ctrecorder");
    fs::copy(program::PATH, &copy).unwrap();
    (directory, copy)
}

#[test]
fn without_permission_it_says_what_to_do() {
    let (namespace, (directory, program)) = (Namespace::new("nobody"), program_for_all());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program).args(["-C", "-F", "-f"]);
    command.arg(directory.path().join("ct"));
    let output = namespace.enter(|| command.output().unwrap());
    assert_eq!(output.status.code(), Some(5));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("CAP_NET_ADMIN is missing; run as root"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(!directory.path().join("ct").exists());

    // What it says helps.
    let (_, grant) = stderr.trim().split_once("grant it to the program: ").unwrap();
    assert_eq!(grant, format!("setcap cap_net_admin+ep {}", directory.path().join("ctrecorder").display()));
    assert!(Command::new("sh").args(["-c", grant]).status().unwrap().success());
    let mut recorder = Process::start(&namespace, &mut command);
    wait_until("the recorder to run", || recorder.stderr().contains(" alive"));
    assert!(recorder.stderr().contains("system calls are left"), "{}", recorder.stderr());
    recorder.signal(Signal::SIGTERM);
    assert!(recorder.wait().success());
}

/// A kernel without netfilter's netlink refuses the socket with EPROTONOSUPPORT; a seccomp filter makes this one do so to the
/// command.
pub fn without_netfilter_netlink(command: &mut Command) -> &mut Command {
    let protocol = equals(2, libc::NETLINK_NETFILTER);
    refuse_sockets(command, vec![equals(0, libc::AF_NETLINK), protocol], libc::EPROTONOSUPPORT)
}

/// The same for all sockets of a family, with this error, as a unit of systemd has it done.
pub fn without_sockets(command: &mut Command, family: i32, error: i32) -> &mut Command {
    refuse_sockets(command, vec![equals(0, family)], error)
}

fn equals(argument: u8, value: i32) -> SeccompCondition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value as u64).unwrap()
}

fn refuse_sockets(command: &mut Command, which: Vec<SeccompCondition>, error: i32) -> &mut Command {
    let rule = SeccompRule::new(which).unwrap();
    let filter = SeccompFilter::new(
        [(libc::SYS_socket, vec![rule])].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(error as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let filter: BpfProgram = filter.unwrap().try_into().unwrap();
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(move || seccompiler::apply_filter(&filter).map_err(std::io::Error::other)) }
}

#[test]
fn without_netfilter_netlink_it_says_which_module_is_missing() {
    let (namespace, directory) = (Namespace::new("no-netlink"), TempDir::new().unwrap());
    let mut command = Command::new(program::PATH);
    without_netfilter_netlink(command.args(["-C", "-F", "-f"]).arg(directory.path().join("ct")));
    let output = namespace.enter(|| command.output().unwrap());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("modprobe nfnetlink"), "{stderr}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

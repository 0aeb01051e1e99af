//! Giving up root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use ctrecorder_format::Cause;
use nix::sys::signal::Signal;
use nix::unistd::User;
use tempfile::TempDir;

use crate::capture::recorder::{Recorder, make_flows, notes};
use crate::lab::{Namespace, wait_until};
use crate::program::{answer, ctrecorder};

fn nobody() -> (u32, u32) {
    let nobody = User::from_name("nobody").unwrap().expect("Debian has a user nobody");
    (nobody.uid.as_raw(), nobody.gid.as_raw())
}

/// A directory that nobody may write to.
fn directory_of_nobody() -> TempDir {
    let (directory, (user, group)) = (TempDir::new().unwrap(), nobody());
    chown(directory.path(), Some(user), Some(group)).unwrap();
    directory
}

fn status_line(id: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).expect(name);
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn as_another_user_only_cap_net_admin_is_kept_and_recording_goes_on_in_new_files_too() {
    const CAP_NET_ADMIN: &str = "0000000000001000";
    let (namespace, (user, group)) = (Namespace::new("nobody"), nobody());
    let mut recorder = Recorder::start_in(directory_of_nobody(), &namespace, "ct.%s", &["-U", "nobody", "-t", "5"]);
    let tasks = fs::read_dir(format!("/proc/{}/task", recorder.id())).unwrap();
    assert!(tasks.count() >= 2, "there is a writing thread");
    for task in fs::read_dir(format!("/proc/{}/task", recorder.id())).unwrap() {
        let task = task.unwrap().file_name().into_string().unwrap().parse().unwrap();
        assert_eq!(status_line(task, "Uid:"), [user.to_string().as_str(); 4].join(" "));
        assert_eq!(status_line(task, "Gid:"), [group.to_string().as_str(); 4].join(" "));
        assert_eq!(status_line(task, "Groups:"), group.to_string());
        for set in ["CapPrm:", "CapEff:"] {
            assert_eq!(status_line(task, set), CAP_NET_ADMIN, "{set}");
        }
        for set in ["CapInh:", "CapAmb:", "CapBnd:"] {
            assert_eq!(status_line(task, set), "0000000000000000", "{set}");
        }
        assert_eq!(status_line(task, "NoNewPrivs:"), "1");
    }
    make_flows(&namespace, 0..10, true);
    recorder.wait_for_records(20);
    recorder.signal(Signal::SIGHUP);
    let segments = recorder.wait_for_segments(2);
    for segment in &segments {
        assert_eq!(fs::metadata(segment).unwrap().uid(), user);
    }
    wait_until("the kernel's table to be read without root", || {
        segments.iter().all(|segment| notes(segment).iter().any(|note| note.cause() == Some(Cause::TableRead)))
    });
    make_flows(&namespace, 10..20, true);
    recorder.stop();
    assert_eq!(recorder.list().len(), 40);
}

#[test]
fn a_group_alone_may_be_changed() {
    let (namespace, (_, group)) = (Namespace::new("group"), nobody());
    let mut recorder = Recorder::start(&namespace, "ct", &["-G", "nogroup"]);
    assert_eq!(status_line(recorder.id(), "Gid:"), [group.to_string().as_str(); 4].join(" "));
    assert_eq!(status_line(recorder.id(), "Uid:"), "0 0 0 0");
    assert!(recorder.log().contains("recording as root"), "{}", recorder.log());
    make_flows(&namespace, 0..2, true);
    recorder.stop();
    assert_eq!(recorder.list().len(), 4);
}

#[test]
fn a_directory_that_the_user_may_not_write_to_is_refused_before_anything_is_made() {
    let (namespace, directory) = (Namespace::new("refused"), TempDir::new().unwrap());
    let pattern = directory.path().join("ct.%s");
    for rotate in ["5", "0"] {
        let mut command = ctrecorder();
        command.args(["-C", "-F", "-t", rotate, "-U", "nobody", "-f"]).arg(&pattern);
        let refused = namespace.enter(|| answer(&mut command));
        assert_eq!(refused.status, 5);
        assert!(refused.stderr.contains("user nobody may not create files there"), "{}", refused.stderr);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_pid_file_that_the_user_may_not_remove_is_emptied() {
    let (namespace, directory) = (Namespace::new("pidfile"), TempDir::new().unwrap());
    let pid_file = directory.path().join("pid");
    let mut recorder = Recorder::start_in(
        directory_of_nobody(),
        &namespace,
        "ct",
        &["-U", "nobody", "-P", pid_file.to_str().unwrap()],
    );
    // It stays root's: whoever signals the process that it names must be able to trust it.
    assert_eq!(fs::metadata(&pid_file).unwrap().uid(), 0);
    assert_eq!(fs::metadata(&pid_file).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(fs::read_to_string(&pid_file).unwrap().trim(), recorder.id().to_string());
    recorder.stop();
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), "");
}

//! What a running recorder can no longer do, and what it does all the same.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::User;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::os::unix::process::CommandExt;
use tempfile::TempDir;

use crate::capture::recorder::{Recorder, make_flows};
use crate::lab::{Namespace, Process, wait_until};
use crate::program::{self, answer, ctrecorder};

/// What the kernel says of a thread in `/proc/ID/status`.
fn status_line(task: &Path, name: &str) -> String {
    let status = fs::read_to_string(task.join("status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).expect(name);
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_thread_has_one_capability_and_a_filter_and_no_way_back() {
    let namespace = Namespace::new("threads");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    // That which drains, that which writes, that which says it; and that which syncs is started now.
    recorder.outlive_first_second();
    recorder.signal(Signal::SIGHUP);
    recorder.wait_for_segments(2);
    let tasks = || fs::read_dir(format!("/proc/{}/task", recorder.id())).unwrap().map(|task| task.unwrap().path());
    wait_until("four threads", || tasks().count() == 4);
    for task in tasks() {
        for (name, value) in [
            ("CapPrm:", "0000000000001000"),
            ("CapEff:", "0000000000001000"),
            ("CapInh:", "0000000000000000"),
            ("CapBnd:", "0000000000000000"),
            ("CapAmb:", "0000000000000000"),
            ("NoNewPrivs:", "1"),
            ("Seccomp:", "2"),
            ("Seccomp_filters:", "1"),
        ] {
            assert_eq!(status_line(&task, name), value, "{name}");
        }
    }
    let log = recorder.log();
    assert!(
        log.contains(&format!("sandbox: files beneath {} alone (Landlock ", recorder.directory().display())),
        "{log}"
    );
    recorder.stop();
    assert!(!recorder.log().contains("Function not implemented"), "{}", recorder.log());
}

/// Has a running recorder make system calls, by a debugger; returns what came of each: a result, or minus the error number.
fn made_to_call(recorder: &Recorder, calls: &[String]) -> Vec<i64> {
    let mut command = Command::new("gdb");
    command.args(["-batch", "-nx", "-p", &recorder.id().to_string()]);
    for call in calls {
        let syscall = format!("((long(*)(long,...))syscall)({call})");
        let errno = "*((int*(*)(void))__errno_location)()";
        command.args(["-ex", &format!("set $result = {syscall}")]);
        command.args(["-ex", &format!(r#"printf "=%ld\n", $result == -1 ? -(long){errno} : $result"#)]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let results =
        text.lines().filter_map(|line| line.strip_prefix('=')).map(|result| result.parse().unwrap()).collect();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    results
}

/// A file elsewhere, a program, a process, a connection, the memory of others, code of its own.
fn calls_of_an_intruder() -> Vec<String> {
    vec![
        format!(r#"{}, -100, "/etc/passwd", 0"#, libc::SYS_openat),
        format!(r#"{}, -100, "/tmp/ctrecorder-intruder", 0101, 0600"#, libc::SYS_openat),
        format!("{}, 2, 1, 0", libc::SYS_socket),
        format!("{}, 0, 4096, 7, 0x22, -1, 0", libc::SYS_mmap),
        format!("{}, 17, 0, 0, 0, 0", libc::SYS_clone),
        format!(r#"{}, "/bin/true", 0, 0"#, libc::SYS_execve),
    ]
}

#[test]
fn a_running_recorder_can_neither_open_a_file_elsewhere_nor_start_a_program() {
    const EACCES: i64 = -(libc::EACCES as i64);
    const ENOSYS: i64 = -(libc::ENOSYS as i64);
    let namespace = Namespace::new("intruder");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    let results = made_to_call(&recorder, &calls_of_an_intruder());
    assert_eq!(results, [EACCES, EACCES, ENOSYS, ENOSYS, ENOSYS, ENOSYS]);
    let own = format!(r#"{}, -100, "{}/x", 0101, 0600"#, libc::SYS_openat, recorder.directory().display());
    assert!(made_to_call(&recorder, &[own])[0] > 2);
    fs::remove_file(recorder.directory().join("x")).unwrap();
    // None of that did it any harm.
    make_flows(&namespace, 0..10, true);
    recorder.stop();
    assert_eq!(recorder.list().len(), 20);
}

#[test]
fn without_a_sandbox_it_can() {
    let namespace = Namespace::new("no-sandbox");
    let mut recorder = Recorder::start(&namespace, "ct", &["--no-sandbox"]);
    let [file, _, socket, memory, ..]: [String; 6] = calls_of_an_intruder().try_into().unwrap();
    assert!(made_to_call(&recorder, &[file, socket, memory]).into_iter().all(|result| result > 2));
    assert!(recorder.log().contains("WARN no sandbox (--no-sandbox)"), "{}", recorder.log());
    assert!(!recorder.log().contains(" sandbox: "), "{}", recorder.log());
    // As what it runs is told, too, whatever it gives up.
    assert!(recorder.log().contains("WARN recording as root: "), "{}", recorder.log());
    recorder.stop();
}

#[test]
fn new_files_are_made_in_directories_that_were_not_there_at_the_start() {
    let (namespace, directory) = (Namespace::new("directories"), TempDir::new().unwrap());
    let make = || (0..60).for_each(|second| drop(fs::create_dir(directory.path().join(format!("{second:02}")))));
    make();
    let mut command = Command::new(program::PATH);
    command.args(["capture", "-F", "-f"]).arg(directory.path().join("%S/ct.%s"));
    let mut process = Process::start(&namespace, &mut command);
    wait_until("the recorder to run", || process.stderr().contains(" alive"));
    // Others than before, but for the one in use.
    for second in fs::read_dir(directory.path()).unwrap() {
        let _ = fs::remove_dir(second.unwrap().path());
    }
    make();
    wait_until("new segments", || {
        process.signal(Signal::SIGHUP);
        process.stderr().matches("new segment").count() >= 2
    });
    process.signal(Signal::SIGTERM);
    assert!(process.wait().success(), "{}", process.stderr());
    assert!(!process.stderr().contains("WARN /"), "{}", process.stderr());
}

#[test]
fn a_directory_made_anew_is_out_of_reach_and_ends_the_recorder_with_the_number_lost() {
    let namespace = Namespace::new("anew");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    make_flows(&namespace, 0..100, true);
    recorder.wait_for_records(200);
    fs::remove_dir_all(recorder.directory()).unwrap();
    fs::create_dir(recorder.directory()).unwrap();
    assert_eq!(recorder.wait().code(), Some(5));
    assert!(recorder.log().contains("200 events could not be written"), "{}", recorder.log());
    // The next one has a sandbox around the new directory.
    let mut again = recorder.start_again(&namespace, "ct.%s", &[]);
    again.stop();
}

#[test]
fn a_directory_that_was_put_aside_keeps_what_was_recorded_and_ends_the_recorder_at_the_next_file() {
    let (namespace, around) = (Namespace::new("aside"), TempDir::new().unwrap());
    let inside = tempfile::Builder::new().tempdir_in(around.path()).unwrap();
    let mut recorder = Recorder::start_in(inside, &namespace, "ct.%s", &[]);
    make_flows(&namespace, 0..10, true);
    recorder.wait_for_records(20);
    let aside = around.path().join("aside");
    fs::rename(recorder.directory(), &aside).unwrap();
    fs::create_dir(recorder.directory()).unwrap();
    recorder.outlive_first_second();
    recorder.signal(Signal::SIGHUP);
    assert_eq!(recorder.wait().code(), Some(5));
    assert!(recorder.log().contains("another directory than at the start"), "{}", recorder.log());
    assert_eq!(answer(ctrecorder().arg("test").arg(&aside)).status, 0);
    assert_eq!(answer(ctrecorder().args(["list", "-H"]).arg(&aside)).stdout.lines().count(), 20);
}

#[test]
fn root_is_refused_a_directory_that_only_its_powers_would_open_before_anything_is_made() {
    let (namespace, directory) = (Namespace::new("powers"), TempDir::new().unwrap());
    let nobody = User::from_name("nobody").unwrap().expect("Debian has a user nobody");
    chown(directory.path(), Some(nobody.uid.as_raw()), None).unwrap();
    // Whoever becomes root by name, or of another group, is as powerless.
    for whom in [&[][..], &["-U", "root"], &["-G", "games"]] {
        let mut command = ctrecorder();
        command.args(["-C", "-F", "-f"]).arg(directory.path().join("ct")).args(whom);
        let refused = namespace.enter(|| answer(&mut command));
        assert_eq!(refused.status, 5, "{whom:?}");
        for words in ["belongs to another user", "--user", "chown", "--no-sandbox"] {
            assert!(refused.stderr.contains(words), "{whom:?}: {}", refused.stderr);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
    let doctor = answer(ctrecorder().args(["doctor", "-f"]).arg(directory.path().join("ct")));
    assert!(doctor.stdout.contains("may not create files there"), "{}", doctor.stdout);
    let mut recorder = Recorder::start_in(directory, &namespace, "ct", &["--no-sandbox"]);
    recorder.stop();
}

#[test]
fn a_directory_that_everybody_may_write_to_is_warned_of() {
    let (namespace, directory) = (Namespace::new("open"), TempDir::new().unwrap());
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    let mut recorder = Recorder::start_in(directory, &namespace, "ct", &[]);
    recorder.stop();
    assert!(recorder.log().contains("everybody may take away files there"), "{}", recorder.log());
}

/// A namespace of mounts in which the recorder sees these things of its own: a script's lines, run by root in front.
fn with_mounts(script: &str, arguments: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", &format!("{script}\nexec {} capture {arguments}", program::PATH)]);
    command
}

#[test]
fn a_change_of_the_time_zone_is_followed() {
    let (namespace, directory) = (Namespace::new("zone"), TempDir::new().unwrap());
    let (etc, logs) = (directory.path().join("etc"), directory.path().join("logs"));
    fs::create_dir(&logs).unwrap();
    assert!(Command::new("cp").args(["-a", "/etc"]).arg(&etc).status().unwrap().success());
    let set = |zone: &str| {
        let _ = fs::remove_file(etc.join("localtime"));
        symlink(format!("/usr/share/zoneinfo/{zone}"), etc.join("localtime")).unwrap();
    };
    set("Asia/Kolkata");
    let script = format!("unset TZ\nmount --bind '{}' /etc", etc.display());
    let mut command = with_mounts(&script, &format!("-F -f '{}/ct.%s%z'", logs.display()));
    let mut process = Process::start(&namespace, &mut command);
    wait_until("the recorder to run", || process.stderr().contains(" alive"));
    set("Asia/Tokyo");
    let has =
        |offset| fs::read_dir(&logs).unwrap().any(|file| file.unwrap().file_name().to_string_lossy().ends_with(offset));
    wait_until("a file of the new zone", || {
        process.signal(Signal::SIGHUP);
        has("+0900")
    });
    assert!(has("+0530"));
    process.signal(Signal::SIGTERM);
    assert!(process.wait().success());
}

/// On a kernel without Landlock, as this filter makes this one look, the rest of the sandbox is entered, and that is said.
#[test]
fn a_kernel_without_landlock_is_warned_of_and_the_rest_is_done() {
    let filter = SeccompFilter::new(
        [(libc::SYS_landlock_create_ruleset, Vec::new())].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let filter: BpfProgram = filter.unwrap().try_into().unwrap();
    let without = |command: &mut Command| {
        let filter = filter.clone();
        // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
        unsafe { command.pre_exec(move || seccompiler::apply_filter(&filter).map_err(std::io::Error::other)) };
    };
    let (namespace, directory) = (Namespace::new("old"), TempDir::new().unwrap());
    let mut command = Command::new(program::PATH);
    command.args(["capture", "-F", "-f"]).arg(directory.path().join("ct"));
    without(&mut command);
    let process = Process::start(&namespace, &mut command);
    wait_until("the recorder to run", || process.stderr().contains(" alive"));
    assert!(process.stderr().contains("WARN sandbox: this kernel has no Landlock"), "{}", process.stderr());
    let task = format!("/proc/{}", process.id());
    assert_eq!(status_line(Path::new(&task), "Seccomp_filters:"), "2");

    let mut doctor = Command::new(program::PATH);
    without(doctor.arg("doctor"));
    let text = |command: &mut Command| String::from_utf8(namespace.enter(|| command.output().unwrap()).stdout).unwrap();
    let found = text(&mut doctor);
    assert!(found.contains("warning  sandbox     this kernel has no Landlock"), "{found}");
    let found = text(Command::new(program::PATH).arg("doctor"));
    assert!(found.contains("ok       sandbox     Landlock "), "{found}");
}

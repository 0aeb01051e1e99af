//! The sandbox from inside. Each test runs itself again in a process of its own, since there is no way out of a sandbox.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;

use super::{Reach, Sandbox};

/// Runs `work` in a sandbox around a new directory, in a process that runs the test of this name alone.
fn in_sandbox(test: &str, work: impl FnOnce(&Path)) {
    const DIRECTORY: &str = "CTRECORDER_TEST_SANDBOX";
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return work(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again
        .args([&format!("capture::sandbox::tests::{test}"), "--exact", "--nocapture"])
        .env(DIRECTORY, directory.path());
    let output = again.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

fn enter(journal: &Path, pid_file: Option<&Path>) -> Sandbox {
    let reach =
        Reach { journal: journal.to_path_buf(), pid_file: pid_file.map(Path::to_path_buf), asks_for_netns: false };
    Sandbox::enter(&reach).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: io::Result<T>, errno: Errno) {
    assert_eq!(result.unwrap_err().raw_os_error(), Some(errno as i32));
}

#[test]
fn files_are_made_read_and_removed_in_the_journal_and_nowhere_else() {
    in_sandbox("files_are_made_read_and_removed_in_the_journal_and_nowhere_else", |directory| {
        let [journal, other, run] = ["journal", "other", "run"].map(|name| directory.join(name));
        [&journal, &other, &run].into_iter().for_each(|path| fs::create_dir(path).unwrap());
        fs::write(other.join("there"), "before").unwrap();
        fs::write(run.join("pid"), "1").unwrap();
        let open_before = File::open(other.join("there")).unwrap();
        File::open("/etc/passwd").unwrap();
        let sandbox = enter(&journal, Some(&run.join("pid")));

        fs::create_dir_all(journal.join("2026/11")).unwrap();
        let segment = journal.join("2026/11/ct");
        fs::write(&segment, "records").unwrap();
        File::open(&segment).unwrap().sync_all().unwrap();
        File::open(segment.parent().unwrap()).unwrap().sync_all().unwrap();
        assert_eq!(fs::read(&segment).unwrap(), b"records");
        assert_eq!(fs::read_dir(&journal).unwrap().count(), 1);
        fs::remove_file(&segment).unwrap();
        assert_eq!(io::read_to_string(open_before).unwrap(), "before");
        fs::remove_file(run.join("pid")).unwrap();

        for path in ["/etc/passwd", "/etc/shadow", "/proc/self/environ", "/dev/null"].map(Path::new) {
            refused(File::open(path), Errno::EACCES);
        }
        refused(File::open(other.join("there")), Errno::EACCES);
        refused(fs::write(other.join("there"), "after"), Errno::EACCES);
        refused(File::create(other.join("new")), Errno::EACCES);
        refused(File::create(run.join("pid")), Errno::EACCES);
        refused(fs::remove_file(other.join("there")), Errno::EACCES);
        refused(fs::read_dir("/"), Errno::EACCES);
        refused(fs::hard_link(other.join("there"), journal.join("there")), Errno::ENOSYS);
        refused(std::os::unix::fs::symlink("/etc/passwd", journal.join("passwd")), Errno::ENOSYS);
        assert!(!sandbox.is_left_behind());
    });
}

#[test]
fn no_program_is_started_and_nobody_outside_is_spoken_to() {
    in_sandbox("no_program_is_started_and_nobody_outside_is_spoken_to", |directory| {
        let [log, manager] = ["log", "manager"].map(|name| UnixDatagram::bind(directory.join(name)).unwrap());
        let service = directory.join("service");
        let _service = UnixListener::bind(&service).unwrap();
        UnixStream::connect(&service).unwrap();
        let waiting = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = waiting.local_addr().unwrap();
        let caller = TcpStream::connect(address).unwrap();
        TcpStream::connect(address).unwrap();
        enter(directory, None);

        refused(Command::new("/bin/true").status(), Errno::ENOSYS);
        refused(TcpStream::connect(address), Errno::ENOSYS);
        refused(UdpSocket::bind("127.0.0.1:0"), Errno::ENOSYS);
        // As to the system's bus, or to a daemon that runs containers.
        refused(UnixStream::connect(&service), Errno::ENOSYS);
        refused(UnixStream::pair(), Errno::ENOSYS);
        // Whoever listened before goes on, as do syslog and the service manager, which may come anew.
        waiting.accept().unwrap();
        drop(caller);
        for (name, socket) in [("log", log), ("manager", manager)] {
            UnixDatagram::unbound().unwrap().send_to(b"word", directory.join(name)).unwrap();
            assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 4);
        }
    });
}

#[test]
fn of_system_calls_those_that_rule_others_are_gone() {
    in_sandbox("of_system_calls_those_that_rule_others_are_gone", |directory| {
        enter(directory, None);
        let none = std::ptr::null::<libc::c_void>();
        let memory = |prot: libc::c_int| {
            // SAFETY: a new mapping, which nobody uses.
            let page =
                unsafe { libc::mmap(none.cast_mut(), 4096, prot, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
            if page == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(page) }
        };
        assert_eq!(memory(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC), Err(Errno::ENOSYS));
        let page = memory(libc::PROT_READ | libc::PROT_WRITE).unwrap();
        // SAFETY: the page is this function's own.
        let executable = unsafe { libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_EXEC) };
        assert_eq!((executable, Errno::last()), (-1, Errno::ENOSYS));

        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_pivot_root,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_io_uring_setup,
            libc::SYS_kexec_load,
            libc::SYS_reboot,
            libc::SYS_setuid,
            libc::SYS_fchownat,
            libc::SYS_fchmodat,
            libc::SYS_kill,
            libc::SYS_clone3,
            libc::SYS_memfd_create,
            libc::SYS_keyctl,
        ] {
            // SAFETY: the arguments are zeros: what is not filtered would fail for them, or do nothing.
            let result = unsafe { libc::syscall(call, 0, 0, 0, 0, 0, 0) };
            assert_eq!((result, Errno::last()), (-1, Errno::ENOSYS), "{call}");
        }
        // SAFETY: the child would end at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            std::process::exit(1);
        }
        assert_eq!((child, Errno::last()), (-1, Errno::ENOSYS));
        // Threads are still to be had.
        assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
    });
}

#[test]
#[expect(clippy::zombie_processes, reason = "from within the sandbox no process can be waited for")]
fn a_directory_that_took_the_place_of_the_journals_is_noticed() {
    in_sandbox("a_directory_that_took_the_place_of_the_journals_is_noticed", |directory| {
        let journal = directory.join("journal");
        fs::create_dir(&journal).unwrap();
        // Another process makes it anew once it is told to.
        let mut other = Command::new("sh")
            .args(["-c", r#"read go; mv "$0" "$0.old"; mkdir "$0"; echo done"#])
            .arg(&journal)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let sandbox = enter(&journal, None);
        assert!(!sandbox.is_left_behind());
        drop(other.stdin.take());
        io::read_to_string(other.stdout.take().unwrap()).unwrap();
        assert!(sandbox.is_left_behind());
        refused(File::create(journal.join("ct")), Errno::EACCES);
    });
}

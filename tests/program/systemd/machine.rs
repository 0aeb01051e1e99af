//! A machine of a test's own, with a systemd of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{UNITS, text};
use crate::lab::{Namespace, Process, wait_for, wait_until};
use crate::program;

/// A machine within namespaces: systemd as the first process over this machine's files, of which it changes none.
pub struct Machine {
    outside: Process,
    first: Pid,
    cgroup: String,
    _directory: TempDir,
    _namespace: Namespace,
}

/// Takes cgroups of its own, so that systemd finds itself at the top of them.
const TAKE_CGROUPS: &str = r#"
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ -e "$hierarchy/cgroup.procs" ] && mkdir "$hierarchy/$CGROUP" && echo $$ > "$hierarchy/$CGROUP/cgroup.procs"
done 2>/dev/null
exec unshare --mount --pid --fork --uts --ipc --cgroup --kill-child sh -euc "$BOOT"
"#;

/// What a container's manager does before it starts systemd.
const BOOT: &str = r#"
mount --make-rprivate /
mount -t tmpfs none "$DIR"
mkdir "$DIR/root" "$DIR/up" "$DIR/work"
root=$DIR/root
mount -t overlay overlay -o lowerdir=/,upperdir="$DIR/up",workdir="$DIR/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs none "$root/run"
mount -t tmpfs none "$root/tmp"
mount -t tmpfs none "$root/sys/fs/cgroup"
mkdir "$root/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
mount -t tmpfs none "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mknod -m 666 "$root/dev/tty" c 5 0
mknod -m 600 "$root/dev/console" c 1 3
ln -s pts/ptmx "$root/dev/ptmx"
rm -rf "$root/etc/systemd/system" "$root/etc/default/ctrecorder" "$root/var/log/journal"
mkdir "$root/etc/systemd/system"
eval "$PREPARE"
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=no
"#;

impl Machine {
    /// Boots one that this script has made ready: its files are below `$root`; `$UNITS` and `$PROGRAM` are there, and these variables.
    pub fn boot(prepare: &str, variables: &[(&str, &Path)]) -> Self {
        let (namespace, directory) = (Namespace::new("machine"), TempDir::new().unwrap());
        let cgroup = format!("{}-{}", namespace.name(), std::process::id());
        let mut command = Command::new("sh");
        command.args(["-uc", TAKE_CGROUPS]).env("BOOT", BOOT).env("CGROUP", &cgroup);
        command.env("DIR", directory.path()).env("UNITS", UNITS).env("PROGRAM", program::PATH);
        command.env("PREPARE", prepare).envs(variables.iter().copied());
        let outside = Process::start(&namespace, &mut command);
        let children = format!("/proc/{0}/task/{0}/children", outside.id());
        let first = wait_for("systemd", || {
            let child = fs::read_to_string(&children).ok()?.trim().parse().ok()?;
            let comm = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            (comm.trim() == "systemd").then(|| Pid::from_raw(child))
        });
        let machine = Self { outside, first, cgroup, _directory: directory, _namespace: namespace };
        wait_until("the machine to be up", || text(&machine.run("systemctl is-active basic.target")) == "active\n");
        machine
    }

    /// Runs a line of shell in it.
    pub fn run(&self, line: &str) -> Output {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first.to_string(), "-m", "-p", "-u", "-i", "-n", "-C", "env", "-i"]);
        command.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", line]).output().unwrap()
    }

    /// The same of one that has to succeed; returns what it printed.
    pub fn must(&self, line: &str) -> String {
        let output = self.run(line);
        let (said, journal) = (text(&output), || text(&self.run("journalctl --no-pager -n 60")));
        assert!(output.status.success(), "{line}: {said}\n{}\n{}", journal(), self.outside.stderr());
        said
    }

    /// What systemd knows of a unit by this name.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.must(&format!("systemctl show --value --property {name} {unit}")).trim().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With its first process all others of the machine end, and with them their namespaces.
        let _ = kill(self.first, Signal::SIGKILL);
        self.outside.wait();
        let own = format!("/sys/fs/cgroup/{0} /sys/fs/cgroup/*/{0}", self.cgroup);
        let remove = format!("find {own} -depth -type d -exec rmdir {{}} + 2>/dev/null");
        let _ = Command::new("sh").args(["-c", &remove]).status();
    }
}

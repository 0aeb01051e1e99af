//! The scripts of the Debian package, by dpkg on a machine that runs.
//!
//! The package is one of the program, the units and the scripts alone; that the real one has all of its parts, and leaves nothing behind
//! where no systemd runs, is what tests/package/run tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::machine::Machine;
use super::{UNITS, text};
use crate::lab::wait_until;
use crate::program;

const CONTROL: &str = "\
Package: ctrecorder
Version: 1
Architecture: all
Maintainer: nobody
Depends: adduser
Description: the program, its units and its scripts
";

/// It has a copy of the program, which stays when the package goes.
const PREPARE: &str = r#"
cp "$PACKAGE" "$root/ctrecorder.deb"
cp "$PROGRAM" "$root/reader"
"#;

/// Makes the package, in this directory.
fn package(directory: &Path) -> PathBuf {
    let tree = directory.join("tree");
    let put = |from: &Path, to: &str, mode: u32| {
        let to = tree.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).unwrap();
    };
    put(Path::new(program::PATH), "usr/bin/ctrecorder", 0o755);
    for unit in super::units() {
        put(&Path::new(UNITS).join(&unit), &format!("usr/lib/systemd/system/{unit}"), 0o644);
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    put(&examples.join("ctrecorder.toml"), "etc/ctrecorder/ctrecorder.toml", 0o644);
    for script in ["postinst", "prerm", "postrm"] {
        put(&examples.join("debian").join(script), &format!("DEBIAN/{script}"), 0o755);
    }
    fs::write(tree.join("DEBIAN/control"), CONTROL).unwrap();
    fs::write(tree.join("DEBIAN/conffiles"), "/etc/ctrecorder/ctrecorder.toml\n").unwrap();
    let package = directory.join("ctrecorder.deb");
    let mut build = Command::new("dpkg-deb");
    // Little is gained by packing it well.
    let built = build.args(["--build", "--root-owner-group", "-z0"]).arg(&tree).arg(&package).output().unwrap();
    assert!(built.status.success(), "{}", text(&built));
    package
}

/// Pings itself, and waits until a unit's recorder has recorded so many starts of that.
fn ping(machine: &Machine, directory: &str, starts: usize) {
    machine.must("ping -c 1 127.0.0.1");
    wait_until("a ping to be recorded", || {
        let listed = text(&machine.run(&format!("/reader list -H {directory} 2>/dev/null")));
        listed.lines().filter(|line| line.contains(" S ")).count() >= starts
    });
}

#[test]
fn the_package_is_installed_upgraded_removed_and_purged_under_a_running_systemd() {
    let directory = TempDir::new().unwrap();
    let machine = Machine::boot(PREPARE, &[("PACKAGE", &package(directory.path()))]);
    let before = machine.must("ls /etc/systemd/system /var/lib; getent passwd");
    machine.must("dpkg -i /ctrecorder.deb");
    assert_eq!(machine.property("ctrecorder", "ActiveState"), "inactive", "nobody said where to record");
    machine.must("echo 'OPTIONS=--file /var/lib/ctrecorder/%s.ct --protocol all' > /etc/default/ctrecorder");
    machine.must("echo 'OPTIONS=--file /var/lib/ctrecorder/icmp/%s.ct --protocol icmp' > /etc/default/ctrecorder-icmp");
    machine.must("nft 'table inet t { chain c { type filter hook input priority 0; ct state new; }; }'");
    machine.must("ip link set lo up; systemctl enable --now ctrecorder ctrecorder@icmp ctrecorder-squeeze.timer");
    let processes = || ["ctrecorder", "ctrecorder@icmp"].map(|unit| machine.property(unit, "MainPID"));
    let first = processes();
    ping(&machine, "/var/lib/ctrecorder/*.ct", 1);
    ping(&machine, "/var/lib/ctrecorder/icmp", 2);

    // A new version goes on where the one before ended, and starts nothing that was not at work. In another second, for the names.
    machine.must("sleep 1.1; dpkg -i /ctrecorder.deb");
    for (before, now) in first.iter().zip(processes()) {
        assert!(now != "0" && *before != now, "{before} {now}");
    }
    assert_eq!(machine.property("ctrecorder@other", "ActiveState"), "inactive");
    ping(&machine, "/var/lib/ctrecorder/*.ct", 3);
    let coverage = text(&machine.run("/reader coverage /var/lib/ctrecorder/*.ct"));
    assert!(coverage.contains(": recorder not running") && coverage.contains(", 1 gap"), "{coverage}");

    // Whoever is at work ends in order, and is not begun again by a boot.
    machine.must("dpkg -r ctrecorder");
    for unit in ["ctrecorder", "ctrecorder@icmp", "ctrecorder-squeeze.timer"] {
        assert_eq!(machine.property(unit, "ActiveState"), "inactive", "{unit}");
    }
    assert_eq!(machine.must("find /etc/systemd/system -name 'ctrecorder*'"), "");
    machine.must("/reader test /var/lib/ctrecorder/*.ct /var/lib/ctrecorder/icmp && test ! -e /usr/bin/ctrecorder");
    let purged = machine.must("dpkg -P ctrecorder");
    assert!(purged.contains("/var/lib/ctrecorder is not empty"), "{purged}");
    machine.must("id ctrecorder && dpkg -i /ctrecorder.deb && rm -r /var/lib/ctrecorder/*");
    machine.must(
        "dpkg -P ctrecorder && test ! -e /etc/ctrecorder && test ! -e /usr/lib/systemd/system/ctrecorder.service",
    );
    assert_eq!(machine.must("ls /etc/systemd/system /var/lib; getent passwd"), before);
    assert_eq!(machine.must("systemctl list-units --all --plain --no-legend 'ctrecorder*'"), "");
}

//! The units of examples/systemd/: by systemd's own judgement, and run by a systemd of their own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod machine;
mod package;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::lab::wait_until;
use crate::program;
use machine::Machine;

const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/systemd");

const DROP_INS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/drop-ins");

/// The names of all units.
fn units() -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(UNITS).unwrap().map(|unit| unit.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The units with the path of the program that was built, and a name for that of a template.
fn with_built_program() -> (TempDir, Vec<PathBuf>) {
    let directory = TempDir::new().unwrap();
    let paths = units().into_iter().map(|name| {
        let unit = fs::read_to_string(Path::new(UNITS).join(&name)).unwrap();
        let path = directory.path().join(name);
        fs::write(&path, unit.replace("/usr/bin/ctrecorder", program::PATH)).unwrap();
        path
    });
    let paths = paths.collect();
    (directory, paths)
}

#[test]
fn systemd_finds_no_fault_with_the_units() {
    let (_directory, paths) = with_built_program();
    let mut verify = Command::new("systemd-analyze");
    let output = verify.args(["verify", "--man=no"]).args(&paths).output().unwrap();
    // It judges the other units of the machine, too, as far as these depend on them.
    let own: Vec<_> = text(&output).lines().filter(|line| line.contains("ctrecorder")).map(str::to_owned).collect();
    assert!(output.status.success() && own.is_empty(), "{own:?} {}", text(&output));
}

/// The manual's figures: another version of systemd may judge a little otherwise.
#[test]
fn what_the_units_expose_is_no_more_than_the_manual_says() {
    let (_directory, paths) = with_built_program();
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let manual = manual.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(manual.contains("an exposure of 1.5 for the recorder and 0.2 for the squeezing"));
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "service")) {
        // In tenths.
        let most = if path.ends_with("ctrecorder-squeeze.service") { 2 } else { 15 };
        let mut security = Command::new("systemd-analyze");
        let output =
            security.args(["security", "--offline=true", "--no-pager", &format!("--threshold={most}")]).arg(path);
        let output = output.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
}

/// As the units find it where no package brought them.
const BY_HAND: &str = r#"
cp "$UNITS"/* "$root/etc/systemd/system/"
cp "$PROGRAM" "$root/usr/bin/ctrecorder"
echo 'OPTIONS=--file /var/lib/ctrecorder/%Y%m%d-%H%M%S.ct --protocol all' > "$root/etc/default/ctrecorder"
echo 'OPTIONS=--file /var/lib/ctrecorder/icmp/%s.ct --protocol icmp' > "$root/etc/default/ctrecorder-icmp"
useradd --root "$root" --system --no-create-home ctrecorder
"#;

#[test]
fn a_recorder_runs_under_systemd_is_watched_and_is_put_away() {
    let machine = Machine::boot(BY_HAND, &[]);
    // `start` returns once the recorder has said that it is ready.
    machine.must("systemctl start ctrecorder");
    let status = machine.property("ctrecorder", "StatusText");
    let main = machine.property("ctrecorder", "MainPID");
    wait_until("figures", || {
        machine.property("ctrecorder", "StatusText").starts_with("recording into /var/lib/ctrecorder/")
    });
    assert!(status.is_empty() || status.starts_with("recording into"), "{status}");
    let process = machine.must(&format!("cat /proc/{main}/status; stat -c %U /proc/{main}/task"));
    for line in ["CapEff:\t0000000000001000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(process.contains(line), "{process}");
    }
    let log = machine.must("journalctl --no-pager -o cat -u ctrecorder -p info");
    assert!(log.contains("\nsandbox: files beneath /var/lib/ctrecorder alone"), "{log}");
    let warnings = machine.must("journalctl --no-pager -o cat -u ctrecorder -p warning");
    assert!(warnings.contains("events: ") && !warnings.contains(" alive"), "{warnings}");
    assert!(!warnings.contains("cannot be"), "the unit takes away what is needed: {warnings}");

    // Its own rules have flows tracked; `reload` begins a new file.
    machine.must("nft 'table inet t { chain c { type filter hook input priority 0; ct state new; }; }'");
    machine.must("ip link set lo up; ping -c 1 127.0.0.1; sleep 1.1; systemctl reload ctrecorder");
    wait_until("a new file", || machine.must("ls /var/lib/ctrecorder").lines().count() == 2);

    // One that does not stir is aborted and started anew.
    machine.must("mkdir -p /run/systemd/system/ctrecorder.service.d");
    machine.must("printf '[Service]\nWatchdogSec=5\n' > /run/systemd/system/ctrecorder.service.d/test.conf");
    // In the next second, which has another file.
    machine.must(
        "sleep 1.1; systemctl daemon-reload && systemctl restart ctrecorder && systemctl kill -s STOP ctrecorder",
    );
    wait_until("a new start", || machine.property("ctrecorder", "NRestarts") != "0");
    let log = machine.must("journalctl --no-pager -u ctrecorder");
    assert!(log.contains("Watchdog timeout"), "{log}");
    wait_until("the recorder to run again", || machine.property("ctrecorder", "ActiveState") == "active");

    machine.must("systemctl start ctrecorder@icmp; ping -c 1 127.0.0.1");
    wait_until("one of several to record", || {
        !machine.must("ctrecorder list -H /var/lib/ctrecorder/icmp 2>/dev/null || true").is_empty()
    });
    machine.must("systemctl stop ctrecorder ctrecorder@icmp");
    assert_eq!(machine.property("ctrecorder", "Result"), "success");
    machine.must("ctrecorder list -H /var/lib/ctrecorder/*.ct 2>/dev/null | grep src=127.0.0.1");

    machine.must(
        "systemctl start ctrecorder-squeeze; ctrecorder list -H /var/lib/ctrecorder-squeezed | grep src=127.0.0.1",
    );
    machine.must("systemctl start ctrecorder-squeeze.timer");
}

/// What the unit alone refuses.
const WITH_DROP_INS: &str = r#"
cp "$UNITS"/* "$root/etc/systemd/system/"
cp "$PROGRAM" "$root/usr/bin/ctrecorder"
mkdir "$root/etc/systemd/system/ctrecorder.service.d"
cp "$DROP_INS"/* "$root/etc/systemd/system/ctrecorder.service.d/"
file=/var/lib/ctrecorder/%Y%m%d-%H%M%S.ct
echo "OPTIONS=--file $file --protocol all --all-netns --metrics 127.0.0.1:9100" > "$root/etc/default/ctrecorder"
useradd --root "$root" --system --no-create-home ctrecorder
"#;

#[test]
fn with_the_drop_ins_a_recorder_of_all_namespaces_answers_for_metrics_and_may_look_into_them() {
    let machine = Machine::boot(WITH_DROP_INS, &[("DROP_INS", Path::new(DROP_INS))]);
    machine.must("ip link set lo up; ip netns add other && ip netns set other 3");
    machine.must("ip netns exec other sh -c 'ip link set lo up; nft add table ip t; sysctl -w net.netfilter.nf_conntrack_events=1'");
    let capabilities = |expected: &str| {
        let main = machine.property("ctrecorder", "MainPID");
        let status = machine.must(&format!("cat /proc/{main}/status"));
        assert!(status.contains(&format!("CapEff:\t{expected}\n")), "{status}");
        status
    };
    machine.must("systemctl start ctrecorder");
    assert!(capabilities("0000000000001000").contains("Seccomp:\t2"));
    let ask = "exec 3<>/dev/tcp/127.0.0.1/9100; printf 'GET /metrics HTTP/1.1\r\n\r\n' >&3; cat <&3";
    let page = machine.must(&format!("bash -c \"{ask}\""));
    assert!(page.contains("\nctrecorder_journals 1\n"), "{page}");
    let log = || machine.must("journalctl --no-pager -o cat -u ctrecorder");
    assert!(log().contains("no way into this network namespace"), "{}", log());

    machine.must("sed -i 's/^#\\([A-Z][A-Za-z]*=\\)/\\1/' /etc/systemd/system/ctrecorder.service.d/all-netns.conf");
    machine.must("sleep 1.1; systemctl daemon-reload && systemctl restart ctrecorder");
    capabilities("0000000000201800");
    wait_until("the other one to be recorded", || log().contains(".netns-3.ct: recording"));
    machine.must("systemctl stop ctrecorder; test -e /var/lib/ctrecorder/*.netns-3.ct");
}

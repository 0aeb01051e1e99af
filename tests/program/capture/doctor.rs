//! `ctrecorder doctor`, on kernels and directories in which something is wrong, and what a recorder's start tells of that.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use ctrecorder_format::{Cause, Content, Header, Note, Writer};
use serde_json::Value;
use tempfile::TempDir;

use crate::capture::recorder::{Recorder, make_flows};
use crate::capture::refusals::{program_for_all, without_netfilter_netlink};
use crate::lab::{Family, Lab, Namespace, wait_until};
use crate::program::{self, answer, ctrecorder};
use crate::small_disk::SmallDisk;

/// What doctor said.
#[derive(Debug)]
pub(super) struct Examined {
    status: Option<i32>,
    findings: Vec<Value>,
}

impl Examined {
    /// Runs doctor in this namespace with these arguments.
    pub(super) fn of(namespace: &Namespace, arguments: &[&str]) -> Self {
        Self::by(namespace, Command::new(program::PATH).args(["doctor", "-o", "json"]).args(arguments))
    }

    /// Runs this command, which ends in doctor with JSON.
    pub(super) fn by(namespace: &Namespace, command: &mut Command) -> Self {
        let output = namespace.enter(|| command.output().unwrap());
        let mut json: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        assert!(output.stderr.is_empty(), "{output:?}");
        let examined =
            Self { status: output.status.code(), findings: json["findings"].take().as_array().unwrap().clone() };
        let worst = ["cost", "warning", "ok"].into_iter().find(|verdict| examined.has(verdict)).unwrap();
        assert_eq!(json["verdict"], worst, "{examined:?}");
        assert_eq!(examined.status, Some(i32::from(worst == "cost")), "{examined:?}");
        examined
    }

    fn has(&self, verdict: &str) -> bool {
        self.findings.iter().any(|finding| finding["verdict"] == verdict)
    }

    /// Whether these words are in a finding.
    pub(super) fn says(&self, words: &str) -> bool {
        self.findings.iter().any(|finding| finding["found"].as_str().unwrap().contains(words))
    }

    /// The only finding of this name.
    pub(super) fn find(&self, name: &str) -> &Value {
        let mut found = self.findings.iter().filter(|finding| finding["name"] == name);
        let (first, second) = (found.next(), found.next());
        assert!(second.is_none(), "{name}: {self:?}");
        first.unwrap_or_else(|| panic!("{name}: {self:?}"))
    }

    /// Asserts what the verdict on it is, and that these words are in what was found.
    pub(super) fn expect(&self, name: &str, verdict: &str, words: &str) {
        let finding = self.find(name);
        let found = finding["found"].as_str().unwrap();
        assert!(finding["verdict"] == verdict && found.contains(words), "{finding}");
    }

    /// Does what mends the finding of this name.
    pub(super) fn mend(&self, namespace: &Namespace, name: &str) {
        let command = self.find(name)["mend"].as_str().unwrap_or_else(|| panic!("{name}: {self:?}"));
        namespace.run(Command::new("sh").args(["-c", command]));
    }
}

#[test]
fn of_all_network_namespaces_those_that_report_nothing_are_named() {
    let (own, other) = (Namespace::new("own"), Namespace::new("other"));
    own.name_netns(&other, 6);
    make_flows(&other, 0..1, true);
    set_events(&other, 0);
    let all = Examined::of(&own, &["--all-netns"]);
    all.expect("netns", "warning", "not recorded");
    assert_eq!(all.find("netns")["values"], serde_json::json!({"count": 1, "silent": [6], "closed": []}));
    set_events(&other, 1);
    Examined::of(&own, &["--all-netns"]).expect("netns", "ok", ": 1");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_broadcast", "--inh-caps", "-net_broadcast", program::PATH]);
    let refused = Examined::by(&own, command.args(["doctor", "-o", "json", "--all-netns"]));
    refused.expect("netns", "cost", "CAP_NET_BROADCAST");
}

/// A pattern of segments in this directory.
pub(super) fn pattern_in(directory: &Path) -> String {
    directory.join("ct.%s").to_str().unwrap().to_owned()
}

fn set_events(namespace: &Namespace, value: u32) {
    namespace.sysctl("netfilter/nf_conntrack_events", value);
}

#[test]
fn in_an_untouched_namespace_it_names_what_records_nothing_and_its_commands_mend_that() {
    let namespace = Namespace::new("untouched");
    set_events(&namespace, 0);
    let untouched = Examined::of(&namespace, &["--accounting"]);
    untouched.expect("conntrack", "ok", "");
    untouched.expect("ctnetlink", "ok", "answers");
    untouched.expect("capability", "ok", "CAP_NET_ADMIN");
    untouched.expect("tracking", "cost", "nothing is tracked in this network namespace");
    untouched.expect("events", "cost", "nf_conntrack_events is 0: the kernel reports no events");
    untouched.expect("timestamp", "warning", "nf_conntrack_timestamp is 0");
    untouched.expect("accounting", "warning", "nf_conntrack_acct is 0");
    untouched.expect("table", "ok", "0 flows");
    let again = Examined::of(&namespace, &["--accounting"]);
    assert_eq!(again.findings, untouched.findings, "it changes nothing");

    for name in ["tracking", "events", "timestamp", "accounting"] {
        untouched.mend(&namespace, name);
    }
    let mended = Examined::of(&namespace, &["--accounting"]);
    assert_eq!(mended.status, Some(0));
    mended.expect("tracking", "ok", "IPv4 and IPv6");
    for name in ["events", "timestamp", "accounting"] {
        mended.expect(name, "ok", " is 1: ");
        assert_eq!(
            (&mended.find(name)["values"]["value"], &mended.find(name)["mend"]),
            (&Value::from(1), &Value::Null)
        );
    }
    // What the command made of it is what a recorder needs: packets make events.
    let mut recorder = Recorder::start(&namespace, "ct", &["-p", "icmp"]);
    namespace.run(Command::new("ping").args(["-c", "1", "127.0.0.1"]));
    recorder.wait_for_records(1);
    recorder.stop();
}

#[test]
fn events_that_only_a_listener_brings_about_and_counters_that_nobody_wants_cost_nothing() {
    let namespace = Namespace::new("default");
    set_events(&namespace, 2);
    let found = Examined::of(&namespace, &[]);
    found.expect("events", "warning", "flows that began while nobody listened end unheard");
    found.expect("accounting", "ok", "packets and bytes are not counted");
    assert_eq!(found.find("accounting")["mend"], Value::Null, "there is nothing to mend");
}

#[test]
fn a_router_with_nat_and_traffic_is_right() {
    let lab = Lab::new();
    let before = Examined::of(&lab.router, &[]);
    before.expect("tracking", "ok", "IPv4 and IPv6");
    let open = lab.open_tcp(Family::V4);
    let found = Examined::of(&lab.router, &[]);
    assert!(found.find("table")["values"]["count"].as_u64().unwrap() >= 1, "{found:?}");
    assert_eq!(found.status, Some(0), "{found:?}");
    open.close();
    let inside = Examined::of(&lab.client, &[]);
    inside.expect("tracking", "cost", "record in the namespace that has them");
}

#[test]
fn the_rules_tell_which_family_is_tracked_and_an_empty_table_is_no_proof_of_anything_else() {
    let namespace = Namespace::new("rules");
    let nft = |rules: &str| drop(namespace.run(Command::new("nft").arg(rules)));
    // Rules that ask for no state, and a chain of translation without any.
    nft("table inet a { chain b { type filter hook input priority 0; tcp dport 22 accept; }; }");
    nft("table ip c { chain d { type nat hook postrouting priority srcnat; }; }");
    Examined::of(&namespace, &[]).expect("tracking", "cost", "no rule asks for a flow's state");
    nft("add rule ip c d oifname lo masquerade");
    Examined::of(&namespace, &[]).expect("tracking", "ok", "of IPv4, not of IPv6");
    nft("table ip6 e { chain f { type filter hook input priority 0; ct state new accept; }; }");
    nft("table ip g { chain h { type filter hook prerouting priority raw; udp dport 53 notrack; }; }");
    Examined::of(&namespace, &[]).expect("tracking", "ok", "of IPv4 and IPv6; but a notrack rule leaves some out");
}

#[test]
fn of_tables_of_iptables_legacy_it_says_that_their_rules_are_not_read() {
    let namespace = Namespace::new("legacy");
    let mut iptables = Command::new("iptables-legacy");
    namespace.run(iptables.args(["-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE"]));
    Examined::of(&namespace, &[]).expect("tracking", "warning", "the rules of iptables-legacy are not read");
    let rules = "table ip6 e { chain f { type filter hook input priority 0; ct state new accept; }; }";
    namespace.run(Command::new("nft").arg(rules));
    Examined::of(&namespace, &[]).expect("tracking", "ok", "of IPv6; whether of IPv4 cannot be told");
    make_flows(&namespace, 0..1, false);
    namespace.run(Command::new("nft").args(["delete", "table", "ip6", "e"]));
    Examined::of(&namespace, &[]).expect("tracking", "ok", "holds 1 flow");
}

#[test]
fn flows_in_the_table_tell_that_something_tracks_where_no_rule_does() {
    let namespace = Namespace::new("flows");
    make_flows(&namespace, 0..3, false);
    let found = Examined::of(&namespace, &[]);
    found.expect("tracking", "ok", "holds 3 flows");
    assert_eq!(found.find("table")["values"]["count"], 3);
}

#[test]
fn without_the_capability_it_says_how_to_get_it_and_what_it_cannot_tell() {
    let (namespace, (directory, copy)) = (Namespace::new("nobody"), program_for_all());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(&copy).args(["doctor", "-o", "json"]);
    let found = Examined::by(&namespace, &mut command);
    found.expect("capability", "cost", "no CAP_NET_ADMIN");
    let mend = format!("setcap cap_net_admin+ep {}", copy.display());
    assert_eq!(found.find("capability")["mend"], mend.as_str());
    found.expect("ctnetlink", "warning", "only a process with CAP_NET_ADMIN can tell");
    found.expect("tracking", "warning", "CAP_NET_ADMIN is needed");

    // In a container that was not granted it there is no way to it, even for root.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-net_admin"]).arg(&copy).args(["doctor", "-o", "json"]);
    let contained = Examined::by(&namespace, &mut command);
    contained.expect("capability", "cost", "it cannot be had here");
    assert_eq!(contained.find("capability")["mend"], Value::Null);
    drop(directory);
}

#[test]
fn a_capability_of_another_user_namespace_is_none() {
    let namespace = Namespace::new("users");
    let mut command = Command::new("unshare");
    let found = Examined::by(&namespace, command.args(["-Ur", program::PATH, "doctor", "-o", "json"]));
    found.expect("capability", "cost", "it belongs to another user namespace");
}

#[test]
fn without_netfilter_netlink_it_says_which_module_is_missing() {
    let namespace = Namespace::new("no-netlink");
    let mut command = Command::new(program::PATH);
    let found = Examined::by(&namespace, without_netfilter_netlink(command.args(["doctor", "-o", "json"])));
    found.expect("ctnetlink", "cost", "no netfilter netlink");
    assert_eq!(found.find("ctnetlink")["mend"], "modprobe nf_conntrack_netlink");
    found.expect("events", if found.find("events")["values"]["value"] == 1 { "ok" } else { "warning" }, "");
}

#[test]
fn of_a_directory_it_tells_whether_files_can_be_created_there() {
    let (namespace, directory) = (Namespace::new("directory"), TempDir::new().unwrap());
    let logs = directory.path().join("log's");
    let pattern = pattern_in(&logs);
    let of = |arguments: &[&str]| Examined::of(&namespace, &[&["-f", pattern.as_str()], arguments].concat());
    of(&[]).expect("directory", "cost", "no such directory");
    of(&[]).mend(&namespace, "directory");
    of(&[]).expect("directory", "ok", "may create files there");
    of(&[]).expect("files", "ok", "none is in the way");

    let refused = of(&["-U", "nobody"]);
    refused.expect("directory", "cost", "user nobody may not create files there");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    refused.mend(&namespace, "directory");
    of(&["-U", "nobody"]).expect("directory", "ok", "user nobody may create files there");
    of(&["-U", "no-such-user"]).expect("directory", "cost", "no-such-user: no such user");

    fs::set_permissions(&logs, Permissions::from_mode(0o777)).unwrap();
    let open = of(&[]);
    open.expect("directory", "warning", "everybody may take away files there");
    open.mend(&namespace, "directory");
    of(&[]).expect("directory", "ok", "");
    fs::set_permissions(&logs, Permissions::from_mode(0o1777)).unwrap();
    of(&[]).expect("directory", "warning", "use a directory of the recorder's own");
    assert_eq!(fs::read_dir(&logs).unwrap().count(), 0, "it creates nothing");

    fs::remove_dir(&logs).unwrap();
    fs::write(&logs, "").unwrap();
    of(&[]).expect("directory", "cost", "no directory");
}

#[test]
fn of_a_file_system_that_takes_no_writes_root_is_told_too() {
    let (disk, inside) = SmallDisk::mount();
    let namespace = Namespace::new("read-only");
    let script = "mount -o remount,bind,ro \"$1\" && exec \"$2\" doctor -o json -f \"$1/ct\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(inside.path()).arg(program::PATH);
    Examined::by(&namespace, &mut command).expect("directory", "cost", "Read-only file system");
    drop(disk);
}

/// Writes a file of so many notes that was begun so many hours ago, and written to just now; returns its length.
fn record(path: &Path, notes: u64, hours: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let created = now - hours * 3_600_000_000_000;
    let header = Header { host: "elsewhere".into(), created, ..Header::blank(Content::Events) };
    let mut writer = Writer::new(fs::File::create(path).unwrap(), &header).unwrap();
    (0..notes).for_each(|number| writer.note(&Note::at(created + number, Cause::Quiet)));
    writer.write_out().unwrap();
    fs::metadata(path).unwrap().len()
}

#[test]
fn of_room_it_tells_how_long_it_lasts_as_far_as_the_last_day_tells() {
    let (disk, inside) = SmallDisk::mount();
    let namespace = Namespace::new("space");
    let pattern = pattern_in(inside.path());
    let space = || Examined::of(&namespace, &["-f", &pattern]);
    space().expect("space", "cost", "for how long cannot be told: 0 minutes recorded within the last day");

    // Of a file of two days the last one counts; what is no file of events does not.
    let length = record(&inside.path().join("ct.1"), 1_000, 48);
    fs::write(inside.path().join("ct.2"), [7; 100_000]).unwrap();
    let found = space();
    let values = &found.find("space")["values"];
    let near = |value: &Value, expected: f64| (value.as_f64().unwrap() / expected - 1.0).abs() < 0.02;
    assert!(near(&values["bytes_per_day"], length as f64 / 2.0), "{values}");
    let free = values["free_bytes"].as_f64().unwrap();
    let days = free / values["bytes_per_day"].as_f64().unwrap();
    assert!((values["days_left"].as_f64().unwrap() - days).abs() <= 0.1, "{values}");
    found.expect("space", "ok", "enough for");

    record(&inside.path().join("ct.3"), 4_000, 2);
    space().expect("space", "cost", "enough for");
    drop(disk);
}

#[test]
fn every_name_of_a_finding_is_documented() {
    let (namespace, directory) = (Namespace::new("names"), TempDir::new().unwrap());
    let found = Examined::of(&namespace, &["-f", &pattern_in(directory.path())]);
    let names: Vec<_> = found.findings.iter().map(|finding| finding["name"].as_str().unwrap()).collect();
    let expected = "conntrack ctnetlink capability tracking events timestamp accounting table buffer clock sandbox directory \
                    space messages recorder files";
    assert_eq!(names.join(" "), expected);
    let manual = fs::read_to_string("docs/operations.md").unwrap();
    for finding in &found.findings {
        let name = finding["name"].as_str().unwrap();
        let row = manual.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).expect(name);
        for value in finding["values"].as_object().unwrap().keys() {
            assert!(row.contains(&format!("`{value}`")), "{value}: {row}");
        }
    }
}

#[test]
fn text_says_the_same_and_wrong_usage_is_told_as_such() {
    let namespace = Namespace::new("text");
    let text = namespace.enter(|| answer(ctrecorder().arg("doctor")));
    assert_eq!(text.status, 1, "{text:?}");
    let lines: Vec<_> = text.stdout.lines().collect();
    let found = Examined::of(&namespace, &[]);
    for finding in &found.findings {
        let word = |name: &str| finding[name].as_str().unwrap().to_owned();
        let line = format!("{:<7}  {:<10}  {}", word("verdict"), word("name"), word("found"));
        let place = lines.iter().position(|found| *found == line).unwrap_or_else(|| panic!("{line}: {}", text.stdout));
        if let Some(command) = finding["mend"].as_str() {
            assert_eq!(lines[place + 1].trim_start(), format!("mend it by: {command}"));
        }
    }
    assert!(lines.last().unwrap().contains("1 finding would cost records"), "{}", text.stdout);
    for (arguments, words) in [
        (&["-f", ""][..], "the pattern is empty"),
        (&["-f", "ct.%Q"], "not a valid strftime pattern"),
        (&["-o", "xml"], "xml"),
    ] {
        let refused = namespace.enter(|| answer(ctrecorder().arg("doctor").args(arguments)));
        assert_eq!(refused.status, 2, "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains(words), "{arguments:?}: {refused:?}");
    }
}

#[test]
fn a_recorder_logs_at_its_start_what_is_not_right_a_line_each() {
    let namespace = Namespace::new("start");
    set_events(&namespace, 0);
    let recorder = Recorder::start(&namespace, "ct.%s", &[]);
    let log = recorder.log();
    let found = Examined::of(&namespace, &["-f", &pattern_in(recorder.directory()), "--foreground"]);
    for finding in &found.findings {
        let name = finding["name"].as_str().unwrap();
        let lines = log.lines().filter(|line| line.contains(&format!("WARN {name}: ")));
        let expected = usize::from(finding["verdict"] != "ok");
        assert_eq!(lines.clone().count(), expected, "{name}: {log}");
        lines.for_each(|line| assert!(line.contains(finding["found"].as_str().unwrap()), "{line}"));
    }
    drop(recorder);

    for name in ["tracking", "events", "timestamp"] {
        found.mend(&namespace, name);
    }
    let recorder = Recorder::start(&namespace, "ct.%s", &[]);
    for name in ["tracking", "events", "timestamp"] {
        assert!(!recorder.log().contains(&format!(" {name}: ")), "{}", recorder.log());
    }
}

#[test]
fn a_recorder_that_hears_nothing_while_flows_are_alive_says_so_and_when_it_hears_again() {
    let namespace = Namespace::new("silence");
    make_flows(&namespace, 0..1, false);
    // Nobody is told of these events.
    set_events(&namespace, 0);
    let recorder = Recorder::start(&namespace, "ct.%s", &["--silence", "1"]);
    let said = |words: &str| recorder.log().lines().filter(|line| line.contains(words)).count();
    wait_until("the silence to be told", || said("WARN no event was heard for") == 1);
    assert!(recorder.log().contains("though the kernel's table holds 1 flow; "), "{}", recorder.log());
    set_events(&namespace, 1);
    make_flows(&namespace, 1..2, false);
    wait_until("the end of the silence to be told", || said("events are heard again, after") == 1);
    wait_until("the next silence to be told", || said("WARN no event was heard for") == 2);
    assert!(recorder.log().contains("holds 2 flows"), "{}", recorder.log());
}

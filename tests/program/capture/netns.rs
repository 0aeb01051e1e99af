//! One recorder for all network namespaces that have an id in its own.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use ctrecorder_format::header::split;
use ctrecorder_format::{Closing, Header, Segment};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::capture::recorder::{Recorder, end_flows, make_flows, text};
use crate::capture::refusals::program_for_all;
use crate::lab::{Namespace, Process, wait_for, wait_until};
use crate::program::{self, Answer, answer, ctrecorder};

/// The recorder's own namespace, and two others that have the ids 3 and 7 there and report all of their flows.
struct Host {
    own: Namespace,
    three: Namespace,
    seven: Namespace,
}

impl Host {
    fn new() -> Self {
        let host = Self { own: Namespace::new("own"), three: Namespace::new("three"), seven: Namespace::new("seven") };
        for (other, id) in [(&host.three, 3), (&host.seven, 7)] {
            host.own.name_netns(other, id);
            report_flows(other);
        }
        host
    }

    const fn all(&self) -> [&Namespace; 3] {
        [&self.own, &self.three, &self.seven]
    }

    /// The same flows, tuple by tuple, begin everywhere, and may end.
    fn make_flows(&self, numbers: Range<u32>, end: bool) {
        self.all().into_iter().for_each(|namespace| make_flows(namespace, numbers.clone(), end));
    }

    /// Starts a recorder of all of them, and waits until it has read the tables of all.
    fn record(&self, pattern: &str, arguments: &[&str]) -> Recorder {
        let recorder = Recorder::start(&self.own, pattern, &[&["--all-netns"], arguments].concat());
        wait_until("all tables to be read", || recorder.log().matches(" alive").count() == 3);
        recorder
    }
}

/// Events are on, whoever listens.
pub fn report_flows(namespace: &Namespace) {
    // The setting is there once connection tracking is.
    make_flows(namespace, 900..901, true);
    namespace.sysctl("netfilter/nf_conntrack_events", 1);
}

/// A list with these arguments.
pub fn list(recorder: &Recorder, arguments: &[&str]) -> Vec<String> {
    let listed = answer(ctrecorder().args(["list", "-H"]).args(arguments).arg(recorder.directory()));
    assert_eq!(listed.status, 0, "{}", listed.stderr);
    listed.stdout.lines().map(str::to_owned).collect()
}

pub fn header(path: &PathBuf) -> Header {
    Segment::open(&fs::read(path).unwrap()).unwrap().header().unwrap().clone()
}

/// The inode number of a namespace.
fn inode(namespace: &Namespace) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(format!("/run/netns/{}", namespace.name())).unwrap().ino()
}

fn who(recorder: &Recorder, endpoint: SocketAddr, arguments: &[&str]) -> Answer {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    // The recorder may not have written all of this moment yet.
    let at = format!("@{}.{:09}", now.as_secs(), now.subsec_nanos());
    let mut who = ctrecorder();
    who.args(["who", &endpoint.to_string(), "--at", &at, "--slack", "0s", "--proto", "tcp", "-o", "json"])
        .args(arguments);
    answer(who.arg(recorder.directory()))
}

pub fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {}", answer.stderr))
}

/// The public endpoint of the flow with this number.
pub fn public(number: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::from([203, 0, 113, 0]), 1024 + number as u16)
}

#[test]
fn each_namespace_has_a_journal_and_the_same_tuples_in_two_are_two_flows() {
    let host = Host::new();
    let mut recorder = host.record("all.%s.ct", &[]);
    host.make_flows(0..20, true);
    recorder.wait_for_records(3 * 40);
    recorder.stop();
    let segments = recorder.segments();
    let mut recorded: Vec<_> = segments.iter().map(|path| header(path).namespace).map(split).collect();
    recorded.sort_unstable_by_key(|(_, id)| *id);
    let inode = |namespace| inode(namespace) as u32;
    let expected = [(inode(&host.own), None), (inode(&host.three), Some(3)), (inode(&host.seven), Some(7))];
    assert_eq!(recorded, expected);
    assert_eq!(segments.iter().filter(|path| path.to_string_lossy().contains(".netns-3.")).count(), 1);
    assert_eq!(recorder.test().status, 0);

    let of = |arguments: &[&str]| list(&recorder, arguments).len();
    assert_eq!(["own", "3", "7"].map(|id| of(&["--netns", id])), [40, 40, 40]);
    for command in ["list", "coverage", "who 203.0.113.0:1024 --at @1"] {
        let none = answer(ctrecorder().args(command.split(' ')).args(["--netns", "4"]).arg(recorder.directory()));
        assert!(none.status == 2 && none.stdout.is_empty(), "{command}: {}", none.stdout);
        assert!(
            none.stderr.contains(
                "no file of network namespace 4; there are those of the recorder's own network namespace, network \
                 namespace 3, network namespace 7"
            ),
            "{}",
            none.stderr
        );
    }
    let events = list(&recorder, &[]);
    assert_eq!(events.iter().filter(|line| line.ends_with(" [netns 3]")).count(), 40);
    assert_eq!(events.iter().filter(|line| line.ends_with(" [netns 7]")).count(), 40);
    let flows = list(&recorder, &["-s"]);
    assert_eq!(flows.len(), 60);
    assert!(flows.iter().all(|line| !line.contains("-          -")), "{flows:#?}");
    for number in 0..20 {
        for mark in ["", " [netns 3]", " [netns 7]"] {
            let line = format!("{}{mark}", text(number));
            assert_eq!(flows.iter().filter(|flow| flow.ends_with(&line)).count(), 1, "{line}");
        }
    }
    let conntrack = list(&recorder, &["-o", "conntrack"]);
    assert_eq!(conntrack.iter().filter(|line| line.ends_with(" netns=3")).count(), 40);
    let objects = list(&recorder, &["-s", "-o", "json"]);
    let ids = objects.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["ctrecorder"]["netns"].clone());
    assert_eq!(ids.filter(|id| *id == 7).count(), 20);
    let rows = list(&recorder, &["-o", "csv"]);
    assert!(rows[0].ends_with(",host,netns"), "{}", rows[0]);
    assert_eq!(rows.iter().filter(|row| row.ends_with(",7")).count(), 40);
    assert!(!list(&recorder, &["-o", "csv", "--netns", "own"])[0].contains("netns"));
}

#[test]
fn flows_squeezed_into_a_directory_stay_in_their_namespaces_and_one_file_of_several_is_refused() {
    let host = Host::new();
    let mut recorder = host.record("all.%s.ct", &[]);
    host.make_flows(0..20, true);
    recorder.wait_for_records(3 * 40);
    recorder.stop();
    let squeezed = TempDir::new().unwrap();
    let into = |output: &std::path::Path, arguments: &[&str]| {
        answer(ctrecorder().arg("squeeze").args(arguments).arg("-o").arg(output).arg(recorder.directory()))
    };
    let refused = into(&squeezed.path().join("one.ct"), &[]);
    assert_eq!(refused.status, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("network namespace with the id"), "{}", refused.stderr);
    assert_eq!(into(&squeezed.path().join("three.ct"), &["--netns", "3"]).status, 0);
    let flows = answer(ctrecorder().args(["list", "-H"]).arg(squeezed.path().join("three.ct")));
    assert_eq!(flows.stdout.lines().filter(|line| line.ends_with(" [netns 3]")).count(), 20, "{}", flows.stdout);
    let directory = TempDir::new().unwrap();
    let made = into(&directory.path().join("flows/"), &[]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    let flows = answer(ctrecorder().args(["list", "-H", "-s"]).arg(directory.path().join("flows")));
    assert_eq!(flows.stdout.lines().count(), 60, "{}", flows.stdout);
    let exported = answer(
        ctrecorder().args(["export", "--to", "csv", "-o"]).arg(directory.path().join("csv")).arg(recorder.directory()),
    );
    assert_eq!(exported.status, 2, "{}", exported.stderr);
    assert!(exported.stderr.contains("--netns"), "{}", exported.stderr);
}

#[test]
fn what_was_alive_before_is_told_by_each_keyframe_and_who_answers_for_each_namespace() {
    let host = Host::new();
    make_flows(&host.three, 0..5, false);
    make_flows(&host.seven, 3..8, false);
    let mut recorder = host.record("all.%s.ct", &[]);
    make_flows(&host.own, 8..9, false);
    recorder.wait_for_records(11);
    recorder.outlive_first_second();
    recorder.signal(Signal::SIGHUP);
    let segments = recorder.wait_for_segments(6);
    assert!(segments.iter().all(|path| path.extension().is_some_and(|suffix| suffix == "ct")));
    wait_until("all tables to be read again", || {
        let ids = ["own", "3", "7"];
        let counts = ids.map(|id| answer(ctrecorder().args(["list", "-H", "--netns", id]).arg(recorder.directory())));
        counts.iter().all(|answer| answer.status == 0)
            && recorder.segments().iter().all(|path| {
                use ctrecorder_format::Cause;
                crate::capture::recorder::notes(path).iter().any(|note| note.cause() == Some(Cause::TableRead))
            })
    });
    let moment = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    // All of that moment is in the files once a later event is.
    make_flows(&host.own, 10..11, true);
    make_flows(&host.three, 10..11, true);
    make_flows(&host.seven, 10..11, true);
    wait_until("the last events", || list(&recorder, &[]).iter().filter(|line| line.contains(&text(10))).count() == 6);
    recorder.stop();
    let ask = |number: u32, arguments: &[&str]| {
        let at = format!("@{}.{:09}", moment.as_secs(), moment.subsec_nanos());
        let mut who = ctrecorder();
        who.args(["who", &public(number).to_string(), "--at", &at, "--slack", "0s", "--proto", "tcp", "-o", "json"])
            .args(arguments);
        json(&answer(who.arg(recorder.directory())))
    };
    let (only_three, both, nobody) = (ask(0, &[]), ask(3, &[]), ask(11, &[]));
    assert_eq!(only_three["verdict"], "UNIQUE", "{only_three}");
    assert_eq!((&only_three["flows"][0]["netns"], only_three["flows"].as_array().unwrap().len()), (&Value::from(3), 1));
    // The same inside address in both: the flows are of two namespaces all the same.
    let ids: Vec<_> = both["flows"].as_array().unwrap().iter().map(|flow| flow["netns"].as_u64()).collect();
    assert!(ids.len() == 2 && ids.contains(&Some(3)) && ids.contains(&Some(7)), "{both}");
    assert_eq!(both["verdict"], "AMBIGUOUS", "{both}");
    assert_eq!(nobody["verdict"], "NONE", "{nobody}");
    assert_eq!(ask(7, &["--netns", "3"])["verdict"], "NONE");
    assert_eq!(ask(7, &["--netns", "7"])["verdict"], "UNIQUE");
    let coverage = |arguments: &[&str]| answer(ctrecorder().arg("coverage").args(arguments).arg(recorder.directory()));
    assert_eq!(coverage(&["--netns", "7"]).status, 0);
    assert_eq!(coverage(&[]).status, 2);
}

#[test]
fn a_namespace_that_gets_an_id_later_is_heard_and_one_that_ends_is_let_go() {
    let own = Namespace::new("own");
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns"]);
    let late = Namespace::new("late");
    report_flows(&late);
    own.name_netns(&late, 5);
    wait_until("it to be recorded", || recorder.log().matches(" alive").count() == 2);
    make_flows(&late, 0..10, false);
    wait_until("its flows", || list(&recorder, &["--netns", "5"]).len() == 10);
    // Nothing of the recorder keeps it alive.
    drop(late);
    let path = recorder.segments().into_iter().find(|path| path.to_string_lossy().contains(".netns-5.")).unwrap();
    let closing = wait_for("its journal to be closed", || {
        let bytes = fs::read(&path).unwrap();
        Segment::open(&bytes).unwrap().footer().map(|footer| footer.totals.closing)
    });
    assert_eq!(closing, Closing::Stopped);
    // Its flows ended with it. The next one under that id has a journal of its own, and its flows are none of those.
    let next = Namespace::new("next");
    report_flows(&next);
    own.name_netns(&next, 5);
    wait_until("the next one to be recorded", || recorder.log().matches(" alive").count() == 3);
    make_flows(&next, 0..10, true);
    wait_until("its flows", || list(&recorder, &["--netns", "5"]).len() == 40);
    recorder.stop();
    assert_eq!(list(&recorder, &["-s", "--netns", "5"]).len(), 20);
    assert_eq!(recorder.test().status, 0);
}

#[test]
fn a_namespace_that_reports_nothing_is_not_recorded_until_it_does() {
    let (own, other) = (Namespace::new("own"), Namespace::new("silent"));
    own.name_netns(&other, 4);
    make_flows(&other, 0..5, false);
    other.sysctl("netfilter/nf_conntrack_events", 0);
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns"]);
    wait_until("a warning", || recorder.log().contains("netns{id=4}: not recorded"));
    assert!(recorder.log().contains("sysctl -w net.netfilter.nf_conntrack_events=1"), "{}", recorder.log());
    assert_eq!(recorder.segments().len(), 1);
    other.sysctl("netfilter/nf_conntrack_events", 1);
    make_flows(&other, 10..11, false);
    wait_until("all that is alive", || recorder.segments().len() == 2 && list(&recorder, &["--netns", "4"]).len() == 6);
    recorder.stop();
}

/// With 2, the default, the kernel reports what begins while somebody listens, since Linux 6.3 in whichever namespace.
#[test]
fn a_namespace_as_it_is_made_is_recorded_from_its_first_flow_on() {
    let (own, other) = (Namespace::new("own"), Namespace::new("new"));
    own.name_netns(&other, 4);
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns", "--poll", "1"]);
    wait_until("both tables to be read", || recorder.log().matches(" alive").count() == 2);
    make_flows(&other, 0..5, true);
    wait_until("all of its flows", || list(&recorder, &["--netns", "4"]).len() == 10);
    recorder.stop();
    assert_eq!(list(&recorder, &["-s", "--netns", "4"]).len(), 5);
    let header = recorder.segments().iter().map(header).find(|header| header.netns() == Some(4)).unwrap();
    assert_eq!(header.filters, "");
}

#[test]
fn set_sysctls_has_each_namespace_report_its_flows() {
    let (own, other) = (Namespace::new("own"), Namespace::new("set"));
    own.name_netns(&other, 4);
    make_flows(&other, 0..5, false);
    other.sysctl("netfilter/nf_conntrack_events", 0);
    make_flows(&other, 5..10, false);
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns", "--set-sysctls", "--poll", "1"]);
    wait_until("both tables to be read", || recorder.log().matches(" alive").count() == 2);
    make_flows(&other, 10..15, true);
    wait_until("all of its flows", || list(&recorder, &["--netns", "4"]).len() == 20);
    // Those that began with 0 end in silence, and are looked for.
    end_flows(&other, 5..10);
    wait_until("ends that nobody heard", || list(&recorder, &["--netns", "4"]).len() == 25);
    let ends = list(&recorder, &["--netns", "4"]);
    assert_eq!(ends.iter().filter(|line| line.contains("[ended after")).count(), 5, "{ends:#?}");
    recorder.stop();
}

#[test]
fn the_recorders_own_namespace_stays_its_own_if_it_has_an_id_in_itself() {
    let own = Namespace::new("own");
    own.name_netns(&own, 9);
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns"]);
    make_flows(&own, 0..10, true);
    wait_until("its flows", || list(&recorder, &["--netns", "own"]).len() == 20);
    assert_eq!(recorder.segments().len(), 1);
    recorder.stop();
}

#[test]
fn without_a_way_in_what_is_heard_is_recorded_and_who_does_not_say_none() {
    use std::os::unix::fs::chown;
    let host = Host::new();
    make_flows(&host.three, 0..5, false);
    let directory = TempDir::new().unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    chown(directory.path(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    let arguments = ["--all-netns", "-U", "nobody"];
    let mut recorder = Recorder::start_in(directory, &host.own, "all.%s.ct", &arguments);
    make_flows(&host.three, 10..20, false);
    // The file of a namespace is begun when something of it is heard.
    let netns = |path: &PathBuf| Segment::open(&fs::read(path).ok()?).ok()?.header().ok()?.netns();
    wait_until("a file of it", || recorder.segments().iter().any(|path| netns(path) == Some(3)));
    wait_until("what is heard", || list(&recorder, &["--netns", "3"]).len() == 10);
    assert!(recorder.log().contains("netns{id=3}: no way into this network namespace"), "{}", recorder.log());
    // There is nothing in the way of a sandbox.
    assert!(recorder.log().contains("system calls are left"), "{}", recorder.log());
    let status = fs::read_to_string(format!("/proc/{}/status", recorder.id())).unwrap();
    assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
    recorder.stop();
    let header = recorder.segments().iter().map(header).find(|header| header.netns() == Some(3)).unwrap();
    assert_eq!(split(header.namespace), (inode(&host.three) as u32, Some(3)));
    assert!(header.filters.contains("nf_conntrack_events"), "{}", header.filters);
    // One that was alive before, of which nothing is known.
    assert_eq!(json(&who(&recorder, public(1), &["--netns", "3"]))["verdict"], "UNKNOWN");
}

#[test]
fn without_cap_net_broadcast_the_start_is_refused_and_says_what_is_missing() {
    let (own, directory) = (Namespace::new("own"), TempDir::new().unwrap());
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_broadcast", "--inh-caps", "-net_broadcast", program::PATH]);
    command.args(["capture", "-F", "--all-netns", "-f"]).arg(directory.path().join("ct"));
    let refused = own.enter(|| command.output().unwrap());
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("setcap cap_net_admin,cap_net_broadcast+ep"), "{stderr}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn what_is_said_without_any_capability_helps_and_who_has_no_more_than_that_is_in_a_sandbox() {
    let (host, (directory, program)) = (Host::new(), program_for_all());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(&program);
    command
        .args(["capture", "-F", "--all-netns", "--protocol", "all", "--file"])
        .arg(directory.path().join("all.%s.ct"));
    let refused = |command: &mut Command| {
        let output = host.own.enter(|| command.output().unwrap());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(5), 1), "{stderr}");
        stderr
    };
    let stderr = refused(&mut command);
    let (_, grant) = stderr.trim().split_once("grant them to the program: ").unwrap_or_else(|| panic!("{stderr}"));
    assert!(grant.ends_with(program.to_str().unwrap()), "{grant}");
    assert!(Command::new("sh").args(["-c", grant]).status().unwrap().success());
    let mut recorder = Process::start(&host.own, &mut command);
    wait_until("the recorder to run", || recorder.stderr().contains(" alive"));
    let status = fs::read_to_string(format!("/proc/{}/status", recorder.id())).unwrap();
    for line in ["CapPrm:\t0000000000001000", "CapEff:\t0000000000001000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(&format!("\n{line}\n")), "{status}");
    }
    assert!(!recorder.stderr().contains("no sandbox"), "{}", recorder.stderr());
    recorder.signal(Signal::SIGTERM);
    assert!(recorder.wait().success());

    // What does nothing there is not proposed.
    assert!(Command::new("setcap").arg("-r").arg(&program).status().unwrap().success());
    let mut contained = Command::new("setpriv");
    contained.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"]).arg(&program);
    contained.args(["capture", "-F", "--all-netns", "--file"]).arg(directory.path().join("again"));
    let stderr = refused(&mut contained);
    assert!(
        stderr.contains("AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BROADCAST") && !stderr.contains("setcap"),
        "{stderr}"
    );
}

#[test]
fn doctor_proposes_one_command_for_both_capabilities() {
    let (own, (_directory, program)) = (Namespace::new("own"), program_for_all());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(&program);
    let output = own.enter(|| command.args(["doctor", "--all-netns", "-o", "json"]).output().unwrap());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mend = format!("setcap cap_net_admin,cap_net_broadcast+ep {}", program.display());
    for name in ["capability", "netns"] {
        let finding = found["findings"].as_array().unwrap().iter().find(|finding| finding["name"] == name).unwrap();
        assert_eq!(finding["mend"], mend.as_str(), "{finding}");
        assert!(!finding["found"].as_str().unwrap().contains("setcap"), "{finding}");
    }
}

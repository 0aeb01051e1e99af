//! `--metrics`: what Prometheus is told, and what nobody who asks can do to the recorder.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::libc;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::capture::recorder::{Recorder, make_flows};
use crate::capture::refusals::without_sockets;
use crate::lab::{Namespace, wait_for, wait_until};
use crate::program::{answer, ctrecorder};

const PATTERN: &str = "ct.%s";

/// Where the recorder says that it can be asked.
pub(super) fn address(recorder: &Recorder) -> SocketAddr {
    let log = recorder.log();
    let (_, rest) = log.split_once("metrics at http://").expect("it says so before anything else");
    rest.split_once("/metrics").unwrap().0.parse().unwrap()
}

fn connect(namespace: &Namespace, address: SocketAddr) -> TcpStream {
    namespace.enter(|| TcpStream::connect(address)).unwrap()
}

/// What is answered to a request, as far as it comes.
fn ask(namespace: &Namespace, address: SocketAddr, request: &str) -> String {
    let mut stream = connect(namespace, address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The page of metrics.
fn page(namespace: &Namespace, address: SocketAddr) -> String {
    let answer = ask(namespace, address, "GET /metrics HTTP/1.1\r\nHost: router\r\n\r\n");
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    page.to_owned()
}

/// Each sample by its name with labels.
fn samples(page: &str) -> BTreeMap<&str, f64> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').map(|(name, value)| (name, value.parse().unwrap())).unwrap()).collect()
}

/// Runs promtool, with this on its standard input; returns what it complains of.
fn promtool(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("promtool");
    let piped = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("promtool, of Debian's package prometheus");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said
}

pub(super) fn wait_for_sample(namespace: &Namespace, address: SocketAddr, name: &str, value: f64) -> String {
    wait_for(name, || Some(page(namespace, address)).filter(|page| samples(page)[name] == value))
}

#[test]
fn the_room_is_told_also_while_the_directory_of_the_moment_is_not_there() {
    let (namespace, directory) = (Namespace::new("metrics-room"), TempDir::new().unwrap());
    // The name of a year without one: no test runs into the next.
    let year = directory.path().join("20");
    std::fs::create_dir(&year).unwrap();
    let mut recorder = Recorder::start_in(directory, &namespace, "%C/ct.%s", &["--metrics", "127.0.0.1:0"]);
    std::fs::rename(&year, recorder.directory().join("aside")).unwrap();
    let page = page(&namespace, address(&recorder));
    assert!(samples(&page)["ctrecorder_disk_free_bytes"] > 0.0, "{page}");
    recorder.stop();
}

#[test]
fn the_metrics_are_what_was_recorded_and_promtool_finds_no_fault_in_them() {
    let namespace = Namespace::new("metrics");
    let arguments = ["--metrics", "127.0.0.1:0", "-B", "70000", "-U", "nobody", "-G", "root"];
    let directory = TempDir::new().unwrap();
    std::os::unix::fs::chown(directory.path(), Some(65_534), None).unwrap();
    let mut recorder = Recorder::start_in(directory, &namespace, PATTERN, &arguments);
    let address = address(&recorder);
    make_flows(&namespace, 0..300, false);
    make_flows(&namespace, 1000..1200, true);
    let starts = "ctrecorder_events_total{kind=\"start\",protocol=\"tcp\"}";
    wait_for_sample(&namespace, address, starts, 500.0);
    recorder.wait_for_records(700);
    let page = wait_for_sample(&namespace, address, "ctrecorder_flows_alive", 300.0);
    assert_eq!(promtool(&["check", "metrics"], &page), "");
    let samples = samples(&page);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    for (name, value) in [
        ("ctrecorder_events_total{kind=\"end\",protocol=\"tcp\"}", 200.0),
        ("ctrecorder_events_total{kind=\"start\",protocol=\"udp\"}", 0.0),
        ("ctrecorder_events_lost_total{place=\"kernel\"}", 0.0),
        ("ctrecorder_gaps_total{cause=\"queue full\"}", 0.0),
        ("ctrecorder_queue_capacity_events", 70_000.0),
        ("ctrecorder_queue_events", 0.0),
        ("ctrecorder_segments_total", 1.0),
        ("ctrecorder_segments_removed_total", 0.0),
        ("ctrecorder_removals_failed_total", 0.0),
        ("ctrecorder_resyncs_total", 1.0),
        ("ctrecorder_table_flows", 300.0),
        ("ctrecorder_disk_refusing", 0.0),
    ] {
        assert_eq!(samples[name], value, "{name}");
    }
    for name in
        ["ctrecorder_start_time_seconds", "ctrecorder_segment_start_time_seconds", "ctrecorder_last_event_time_seconds"]
    {
        assert!((samples[name] - now).abs() < 600.0, "{name}: {} and it is {now}", samples[name]);
    }
    for name in ["ctrecorder_blocks_total", "ctrecorder_table_max_flows", "ctrecorder_disk_free_bytes"] {
        assert!(samples[name] > 0.0, "{name}");
    }
    let length = recorder.segments()[0].metadata().unwrap().len() as f64;
    assert!(samples["ctrecorder_written_bytes_total"] <= length, "the header is not counted");
    assert!(page.contains(concat!("ctrecorder_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n")));

    recorder.signal(Signal::SIGUSR1);
    wait_until("statistics", || recorder.log().contains("received 500 starts, 200 ends"));
    recorder.stop();
}

#[test]
fn what_was_lost_and_what_was_removed_is_counted() {
    let namespace = Namespace::new("metrics-lost");
    let arguments = ["--metrics", "[::1]:0", "-B", "10", "--max-age", "1s"];
    let mut recorder = Recorder::start(&namespace, PATTERN, &arguments);
    let address = address(&recorder);
    assert!(address.is_ipv6());
    make_flows(&namespace, 0..2000, true);
    let lost = |page: &str| samples(page)["ctrecorder_events_lost_total{place=\"queue\"}"];
    let text = wait_for("a loss", || Some(page(&namespace, address)).filter(|page| lost(page) > 0.0));
    wait_until("the gap", || samples(&page(&namespace, address))["ctrecorder_gaps_total{cause=\"queue full\"}"] > 0.0);
    assert!(lost(&text) < 4000.0);
    recorder.outlive_first_second();
    recorder.signal(Signal::SIGHUP);
    let page = wait_for_sample(&namespace, address, "ctrecorder_segments_removed_total", 1.0);
    assert!(samples(&page)["ctrecorder_removed_bytes_total"] > 0.0);
    assert_eq!(samples(&page)["ctrecorder_segments_total"], 2.0);
    recorder.stop();
}

#[test]
fn a_port_that_is_taken_is_a_clear_error_and_leaves_no_file() {
    let namespace = Namespace::new("metrics-port");
    let taken = namespace.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = TempDir::new().unwrap();
    let segment = directory.path().join("ct");
    let start = |metrics: &str| {
        namespace.enter(|| answer(ctrecorder().args(["capture", "-F", "--metrics", metrics, "-f"]).arg(&segment)))
    };
    let refused = start(&address);
    assert_eq!(refused.status, 5);
    assert!(refused.stderr.contains(&format!("--metrics {address}: Address already in use")), "{}", refused.stderr);
    assert!(refused.stderr.contains("choose another port"), "{}", refused.stderr);
    let elsewhere = start("192.0.2.1:9100");
    assert!(elsewhere.status == 5 && elsewhere.stderr.contains("--metrics 192.0.2.1:9100: "), "{}", elsewhere.stderr);
    assert!(!segment.exists());
    for nonsense in ["9100", "localhost:9100", "::1:9100", "127.0.0.1:70000"] {
        assert_eq!(start(nonsense).status, 2, "{nonsense}");
    }
}

#[test]
fn those_who_ask_slowly_or_for_nothing_keep_nobody_waiting_for_good() {
    let namespace = Namespace::new("metrics-slow");
    let mut recorder = Recorder::start(&namespace, PATTERN, &["--metrics", "127.0.0.1:0"]);
    let address = address(&recorder);
    // More than are answered at once, none of which ever says what it wants.
    let silent: Vec<_> = (0..40).map(|_| connect(&namespace, address)).collect();
    make_flows(&namespace, 0..100, true);
    recorder.wait_for_records(200);
    let page = page(&namespace, address);
    assert_eq!(samples(&page)["ctrecorder_events_total{kind=\"end\",protocol=\"tcp\"}"], 100.0);
    assert!(ask(&namespace, address, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    // The first of them made room; the last would have to wait for nobody either.
    let mut first = &silent[0];
    let gone = first.read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(gone, Ok(0) | Err(std::io::ErrorKind::ConnectionReset)), "{gone:?}");
    drop(silent);
    // Who goes on sending behind a question is left, too.
    let mut endless = connect(&namespace, address);
    endless.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    wait_until("it to be left", || endless.write_all(&[b'x'; 4096]).is_err());
    let _open = connect(&namespace, address);
    recorder.stop();
}

#[test]
fn the_alert_rules_and_the_dashboard_ask_for_metrics_that_are_there() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let rules = examples.join("prometheus-rules.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()], "");
    promtool(&["test", "rules", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/capture/alerts.yml")], "");
    let namespace = Namespace::new("metrics-names");
    let recorder = Recorder::start(&namespace, PATTERN, &["--metrics", "127.0.0.1:0"]);
    let page = page(&namespace, address(&recorder));
    let known: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let dashboard = std::fs::read_to_string(examples.join("grafana.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let rules = std::fs::read_to_string(&rules).unwrap();
    let is_part = |character: char| character == '_' || character.is_ascii_alphanumeric();
    let named = |text: &str| -> Vec<String> {
        text.split(|character| !is_part(character))
            .filter(|word| word.starts_with("ctrecorder_"))
            .map(str::to_owned)
            .collect()
    };
    for text in [&rules, &dashboard, &manual] {
        assert!(!named(text).is_empty());
        named(text).iter().for_each(|name| assert!(known.contains(&name.as_str()), "{name} is no metric"));
    }
    for name in known {
        assert!(manual.contains(&format!("`{name}")), "the manual does not tell of {name}");
        assert!(rules.contains(name), "no alert asks for {name}");
    }
}

#[test]
fn a_unit_that_leaves_the_internet_out_is_told_what_opens_it() {
    let (namespace, directory) = (Namespace::new("metrics-refused"), TempDir::new().unwrap());
    let mut command = Command::new(crate::program::PATH);
    command.args(["capture", "-F", "--metrics", "127.0.0.1:0", "--file"]).arg(directory.path().join("ct"));
    let command = without_sockets(&mut command, libc::AF_INET, libc::EAFNOSUPPORT);
    let output = namespace.enter(|| command.output().unwrap());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(
        stderr.contains("RestrictAddressFamilies= of the unit leaves it out: install the drop-in metrics.conf"),
        "{stderr}"
    );
}

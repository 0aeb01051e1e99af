//! What keeps retention from harm: a file that cannot be removed, and a limit that would take nearly everything at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use ctrecorder_format::header::namespace as namespace_number;
use ctrecorder_format::{Closing, Header, Segment, Writer};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::Value;

use crate::capture::metrics::{address, wait_for_sample};
use crate::capture::neighbours::wait_for_another_second;
use crate::capture::recorder::Recorder;
use crate::lab::{Namespace, Process, wait_until};
use crate::program::{Answer, answer, ctrecorder};

const PATTERN: &str = "ct.%s";
const NS: u64 = 1_000_000_000;

/// A file that something is mounted over, itself: even root cannot remove it, whatever the file system.
struct Pinned<'p>(&'p Path);

impl<'p> Pinned<'p> {
    fn new(path: &'p Path) -> Self {
        mount(Some(path), path, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        Self(path)
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn what_cannot_be_removed_is_said_once_and_counted_and_keeps_nothing_else() {
    let namespace = Namespace::new("pinned");
    let mut recorder = Recorder::start(&namespace, PATTERN, &["--max-age", "1s", "--metrics", "127.0.0.1:0"]);
    let first = recorder.segments()[0].clone();
    let pinned = Pinned::new(&first);
    recorder.begin_new_segment();
    wait_for_sample(&namespace, address(&recorder), "ctrecorder_removals_failed_total", 1.0);
    let second = recorder.segments()[1].clone();
    recorder.begin_new_segment();
    recorder.wait_until_removed(1);
    assert!(first.exists() && !second.exists());
    wait_for_sample(&namespace, address(&recorder), "ctrecorder_removals_failed_total", 2.0);
    assert_eq!(recorder.log().matches("cannot be removed").count(), 1, "{}", recorder.log());

    // As soon as it can be, it is.
    drop(pinned);
    recorder.begin_new_segment();
    recorder.wait_until_removed(3);
    recorder.stop();
    assert!(!first.exists());
    let begun = first.extension().unwrap().to_str().unwrap();
    let lines = recorder.coverage(&["--since", &format!("@{begun}")]);
    assert!(lines.contains("removed by retention") && !lines.contains("segment missing"), "{lines}");
}

/// Puts a segment of an hour beside one of a recorder's, as this would have written it so many hours ago.
fn put_old(recorder: &Recorder, stem: &str, hours_ago: u64) -> PathBuf {
    let own = recorder.segments().pop().unwrap();
    let header = Segment::open(&fs::read(own).unwrap()).unwrap().header().unwrap().clone();
    put(recorder, stem, hours_ago * 3600, header)
}

/// The same with this header, so many seconds ago.
fn put(recorder: &Recorder, stem: &str, seconds_ago: u64, header: Header) -> PathBuf {
    let begun = UNIX_EPOCH.elapsed().unwrap().as_secs() - seconds_ago;
    let path = recorder.directory().join(format!("{stem}.{begun}"));
    let header = Header { created: begun * NS, recorder_started: begun * NS, segment_number: 0, ..header };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    writer.finish(Closing::Stopped, (begun + 3600) * NS).unwrap();
    writer.write_out().unwrap();
    fs::write(&path, writer.output()).unwrap();
    path
}

/// Has a recorder believe that its machine's clock is synchronised, as is the premise of removing anything for its age.
fn with_synchronised_clock(namespace: &Namespace, recorder: &Recorder) -> Process {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "trace=adjtimex,clock_adjtime", "-e", "inject=adjtimex,clock_adjtime:retval=0"]);
    let strace = Process::start(namespace, strace.args(["-p", &recorder.id().to_string()]));
    wait_until("strace to follow", || strace.stderr().contains("attached"));
    strace
}

#[test]
fn a_limit_that_would_take_nearly_everything_takes_it_slowly_and_says_so() {
    let namespace = Namespace::new("slowly");
    let mut recorder = Recorder::start(&namespace, PATTERN, &[]);
    recorder.stop();
    let own = recorder.segments().pop().unwrap();
    let old: Vec<_> = (0..40).map(|number| put_old(&recorder, "ct", 2000 - 10 * number)).collect();
    wait_for_another_second(&own);
    let mut recorder = recorder.start_again(&namespace, PATTERN, &["--max-age", "30d"]);
    let _strace = with_synchronised_clock(&namespace, &recorder);
    recorder.begin_new_segment();
    recorder.wait_until_removed(1);
    let log = recorder.log();
    assert!(
        log.contains("files are older than --max-age allows: they go slowly, 1 a minute; a file named HOLD"),
        "{log}"
    );
    recorder.stop();
    let gone = old.iter().take_while(|path| !path.exists()).count();
    // One a minute: the test takes a few at most.
    assert!((1..10).contains(&gone), "{gone}: {}", recorder.log());
    assert!(old[gone..].iter().all(|path| path.exists()), "the oldest go first");
    assert_eq!(recorder.log().matches("they go slowly").count(), 1, "{}", recorder.log());
}

/// Where many journals are written, or segments are short, more grow too old in a minute than a 256th of all, and none may stay.
#[test]
fn what_grows_too_old_in_a_minute_goes_in_that_minute_however_many_they_are() {
    const DAYS: u64 = 30;
    let namespace = Namespace::new("many");
    let mut recorder = Recorder::start(&namespace, PATTERN, &[]);
    recorder.stop();
    let own = recorder.segments().pop().unwrap();
    let header = Segment::open(&fs::read(&own).unwrap()).unwrap().header().unwrap().clone();
    wait_for_another_second(&own);
    let mut recorder = recorder.start_again(&namespace, PATTERN, &["--max-age", &format!("{DAYS}d")]);
    let _strace = with_synchronised_clock(&namespace, &recorder);
    // They go two minutes before they are too old, and are put there just before it is looked.
    let due = DAYS * 86_400 - 120;
    let segments = (1..=5).flat_map(|id| (1..=15).map(move |second| (id, second)));
    let old: Vec<_> = segments
        .map(|(id, second)| {
            let header = Header { namespace: namespace_number(7, Some(id)), ..header.clone() };
            put(&recorder, &format!("ct.netns-{id}"), due + second, header)
        })
        .collect();
    recorder.begin_new_segment();
    // More than go at once.
    recorder.wait_until_removed(old.len());
    assert!(!recorder.log().contains("they go slowly"), "{}", recorder.log());
    recorder.stop();
    assert!(own.exists() && !old.iter().any(|path| path.exists()), "{}", recorder.log());
}

#[test]
fn files_that_no_limit_reaches_since_the_pattern_was_changed_are_counted() {
    let namespace = Namespace::new("left-behind");
    let mut recorder = Recorder::start(&namespace, "new.%s", &[]);
    recorder.stop();
    let old = [2000, 1000].map(|hours_ago| put_old(&recorder, "old", hours_ago));
    wait_for_another_second(&recorder.directory().join(recorder.segments()[0].file_name().unwrap()));
    let mut recorder = recorder.start_again(&namespace, "new.%s", &["--max-age", "30d"]);
    let told = "2 files of this machine's journals, the oldest begun ";
    wait_until("the start to tell", || recorder.log().contains(told));
    recorder.stop();
    assert!(old.iter().all(|path| path.exists()));

    // doctor is asked about the recorder of a configuration.
    let config = recorder.directory().join("config.toml");
    let pattern = recorder.directory().join("new.%s");
    let of = |limits: &str| {
        fs::write(&config, format!("[capture]\nfile = {pattern:?}\n{limits}")).unwrap();
        let mut doctor = ctrecorder();
        namespace.enter(|| answer(doctor.args(["doctor", "-o", "json", "--config"]).arg(&config)))
    };
    let limited = findings(&of("max-age = \"30d\"\n"));
    let left = limited.iter().find(|finding| text(finding).starts_with(told)).unwrap_or_else(|| panic!("{limited:#?}"));
    assert_eq!((&left["name"], &left["values"]["left_behind"]), (&"files".into(), &2.into()));
    let unlimited = findings(&of(""));
    assert!(
        !unlimited.iter().any(|finding| text(finding).starts_with(told)),
        "nothing is ever removed: {unlimited:#?}"
    );
    let sized = findings(&of("max-size = \"1M\"\n"));
    let words = "enough for the 1.0 MiB that the limits keep at most";
    assert!(sized.iter().any(|finding| finding["name"] == "space" && text(finding).contains(words)), "{sized:#?}");
    fs::remove_file(&config).unwrap();

    let mut coverage = ctrecorder();
    let coverage = answer(coverage.args(["coverage", "--retention", "30d"]).arg(recorder.directory()));
    assert_eq!(coverage.status, 1, "{coverage:?}");
    assert!(coverage.stdout.contains("\n2 of 4 files tell of what was before"), "{}", coverage.stdout);
}

/// What doctor found.
fn findings(told: &Answer) -> Vec<Value> {
    let json: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"));
    json["findings"].as_array().unwrap().clone()
}

fn text(finding: &Value) -> &str {
    finding["found"].as_str().unwrap()
}

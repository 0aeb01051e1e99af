//! What a recorder of several network namespaces removes: of all their journals together, those of namespaces that are gone included.

use crate::capture::recorder::{Recorder, make_flows};
use crate::lab::{Namespace, wait_until};
use crate::program::{answer, ctrecorder};

const PATTERN: &str = "ct.%s";

/// Another network namespace, under this id in `own`, that reports all of its flows.
fn another(own: &Namespace, id: u32) -> Namespace {
    let other = Namespace::new("other");
    // The setting is there once connection tracking is.
    make_flows(&other, 900..901, true);
    other.sysctl("netfilter/nf_conntrack_events", 1);
    own.name_netns(&other, id);
    other
}

/// A recorder of so many network namespaces, its own among them, once it has read all of their tables.
fn record(own: &Namespace, count: usize, arguments: &[&str]) -> Recorder {
    let recorder = Recorder::start(own, PATTERN, &[&["--all-netns"], arguments].concat());
    wait_until("all tables to be read", || recorder.log().matches("flows are alive").count() >= count);
    recorder
}

#[test]
fn what_is_older_than_asked_for_is_told_of_one_network_namespace() {
    let own = Namespace::new("own");
    let _other = another(&own, 3);
    let mut recorder = record(&own, 2, &[]);
    recorder.outlive_first_second();
    recorder.stop();
    let older = |arguments: &[&str]| {
        let mut command = ctrecorder();
        answer(command.args(["coverage", "--retention", "1s"]).args(arguments).arg(recorder.directory())).stdout
    };
    assert!(older(&[]).contains("2 of 2 files"), "{}", older(&[]));
    for (id, is_three) in [("3", true), ("own", false)] {
        let older = older(&["--netns", id]);
        assert!(older.contains("1 of 1 files") && older.contains(".netns-3.") == is_three, "{older}");
    }
}

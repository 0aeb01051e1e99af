//! A network namespace that ends, and another one that is given its id.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use ctrecorder_format::Cause;
use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;
use tempfile::TempDir;

use super::netns::{header, json, list, public, report_flows};
use crate::capture::recorder::{Recorder, make_flows, notes, text};
use crate::lab::{Namespace, wait_until};
use crate::program::{answer, ctrecorder};

/// A namespace that reports its flows, under the id 3.
fn three(own: &Namespace) -> Namespace {
    let three = Namespace::new("three");
    report_flows(&three);
    own.name_netns(&three, 3);
    three
}

/// The recorder of all of them, once it has recorded five flows of the one with the id 3, which are open.
fn record(own: &Namespace, three: &Namespace, arguments: &[&str]) -> Recorder {
    record_in(TempDir::new().unwrap(), own, three, arguments)
}

fn record_in(directory: TempDir, own: &Namespace, three: &Namespace, arguments: &[&str]) -> Recorder {
    let arguments = [&["--all-netns"], arguments].concat();
    let recorder = Recorder::start_in(directory, own, "all.%s.ct", &arguments);
    wait_until("it to be recorded", || recorder.log().contains("netns{id=3}"));
    make_flows(three, 0..5, false);
    wait_until("its flows", || list(&recorder, &["--netns", "3"]).len() >= 5);
    recorder
}

/// Has the namespace end, and waits until the kernel has taken its id back.
fn end(own: &Namespace, three: Namespace) {
    drop(three);
    wait_until("its id to be free", || {
        let ids = own.run(Command::new("ip").args(["netns", "list-id"]));
        !ids.lines().any(|line| line.starts_with("nsid 3 ") || line == "nsid 3")
    });
}

/// The files of this id, in the order in which they were begun.
fn files(recorder: &Recorder) -> Vec<PathBuf> {
    let mut paths = recorder.segments();
    paths.retain(|path| path.to_string_lossy().contains(".netns-3"));
    paths.sort_by_key(|path| header(path).created);
    paths
}

/// A moment of which all is in the files when this returns.
fn outlive_a_moment(recorder: &Recorder, namespace: &Namespace) -> Duration {
    let moment = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    make_flows(namespace, 20..21, true);
    wait_until("the last event", || list(recorder, &["--netns", "3"]).iter().any(|line| line.contains(&text(20))));
    moment
}

/// The verdict on who had the public endpoint of the flow with this number at a moment, by the files of the id 3.
fn who(recorder: &Recorder, number: u32, moment: Duration) -> Value {
    let at = format!("@{}.{:09}", moment.as_secs(), moment.subsec_nanos());
    let mut who = ctrecorder();
    who.args(["who", &public(number).to_string(), "--at", &at, "--slack", "0s", "--proto", "tcp", "-o", "json"]);
    json(&answer(who.args(["--netns", "3"]).arg(recorder.directory())))["verdict"].clone()
}

fn list_of(path: &PathBuf) -> String {
    answer(ctrecorder().args(["list", "-H"]).arg(path)).stdout
}

/// That the first file tells of the first namespace and of its end alone, the last one of all that is alive in its successor, and
/// that nobody takes a flow of the first one for one of that.
fn assert_apart(recorder: &Recorder, moment: Duration) {
    let files = files(recorder);
    let (first, last) = (list_of(&files[0]), list_of(files.last().unwrap()));
    for number in 10..17 {
        assert!(!first.contains(&text(number)), "{first}");
        assert!(last.contains(&text(number)), "{last}");
    }
    for number in 0..5 {
        assert!(!last.contains(&text(number)), "{last}");
    }
    assert_eq!(who(recorder, 0, moment), "NONE");
    assert_eq!(who(recorder, 12, moment), "UNIQUE");
    assert_eq!(answer(ctrecorder().args(["coverage", "--netns", "3"]).arg(recorder.directory())).status, 1);
    assert_eq!(recorder.test().status, 0);
}

/// That the file tells that the namespace ended, and its five flows with it.
fn assert_ended(path: &PathBuf) {
    let notes = notes(path);
    let gone = notes.iter().find(|note| note.cause() == Some(Cause::NamespaceGone)).expect("a note");
    assert_eq!(gone.value.get(), 5);
    // As precisely as that was heard: a second at the most.
    let ended = notes.iter().find(|note| note.cause() == Some(Cause::TableRead) && note.to == gone.to).expect("a note");
    assert!(ended.from.get() > header(path).created, "{ended:?}");
    assert_eq!(list_of(path).matches("[ended after").count(), 5, "{}", list_of(path));
}

/// The namespace that comes in the place of another one while the recorder is stopped, which goes on with it and reads its table.
fn replaced(own: &Namespace, first: Namespace, recorder: &Recorder) -> Namespace {
    end(own, first);
    let second = three(own);
    make_flows(&second, 10..17, false);
    recorder.signal(Signal::SIGCONT);
    wait_until("its successor's table to be read", || recorder.log().contains("7 flows are alive"));
    second
}

#[test]
fn what_comes_of_a_namespace_that_was_given_the_id_of_another_one_is_not_filed_with_that() {
    let own = Namespace::new("own");
    let first = three(&own);
    let mut recorder = record(&own, &first, &[]);
    recorder.signal(Signal::SIGSTOP);
    let second = replaced(&own, first, &recorder);
    let moment = outlive_a_moment(&recorder, &second);
    recorder.stop();
    assert_ended(&files(&recorder)[0]);
    // What had been heard by then is of either.
    assert_eq!(
        files(&recorder).iter().map(|path| header(path).namespace as u32 == 0).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_apart(&recorder, moment);
    assert!(recorder.log().contains("the network namespace has ended, and with it 5 flows"), "{}", recorder.log());
}

#[test]
fn flows_end_with_their_namespace_also_where_nothing_can_be_asked_there() {
    use std::os::unix::fs::chown;
    let own = Namespace::new("own");
    let first = three(&own);
    let directory = TempDir::new().unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    chown(directory.path(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    let mut recorder = record_in(directory, &own, &first, &["-U", "nobody"]);
    end(&own, first);
    wait_until("its end to be told", || recorder.log().contains("has ended, and with it 5 flows"));
    let second = three(&own);
    make_flows(&second, 10..17, false);
    wait_until("its flows", || list(&recorder, &["--netns", "3"]).iter().any(|line| line.contains(&text(16))));
    let moment = outlive_a_moment(&recorder, &second);
    recorder.stop();
    assert_eq!([who(&recorder, 0, moment), who(&recorder, 12, moment)], ["UNKNOWN", "UNIQUE"]);
    let squeezed = list(&recorder, &["--netns", "3", "-s"]);
    let first: Vec<_> =
        (0..5).flat_map(|number| squeezed.iter().filter(move |line| line.contains(&text(number)))).collect();
    assert!(first.len() == 5 && first.iter().all(|line| !line.contains("-          -")), "{squeezed:#?}");
}

#[test]
fn between_two_namespaces_of_one_id_coverage_says_that_there_was_none() {
    let own = Namespace::new("own");
    let first = three(&own);
    let mut recorder = record(&own, &first, &[]);
    end(&own, first);
    wait_until("its end to be told", || recorder.log().contains("has ended, and with it 5 flows"));
    let second = three(&own);
    wait_until("its successor to be recorded", || recorder.log().matches(" alive").count() == 3);
    make_flows(&second, 10..17, false);
    wait_until("its flows", || list(&recorder, &["--netns", "3"]).iter().any(|line| line.contains(&text(16))));
    let moment = outlive_a_moment(&recorder, &second);
    recorder.stop();
    let coverage = answer(ctrecorder().args(["coverage", "--netns", "3"]).arg(recorder.directory()));
    assert!(coverage.stdout.contains("network namespace gone"), "{}", coverage.stdout);
    assert!(!coverage.stdout.contains("recorder not running"), "{}", coverage.stdout);
    assert_apart(&recorder, moment);
}

/// Has the news of namespaces find hardly any room.
fn narrow_news(recorder: &Recorder) {
    let id = recorder.id() as libc::pid_t;
    let descriptor = |result: libc::c_long| {
        assert!(result >= 0, "{}", io::Error::last_os_error());
        // SAFETY: the calls below return a file descriptor that nobody else owns, or an error.
        unsafe { OwnedFd::from_raw_fd(result as i32) }
    };
    // SAFETY: it takes numbers alone.
    let process = descriptor(unsafe { libc::syscall(libc::SYS_pidfd_open, id, 0) });
    for entry in fs::read_dir(format!("/proc/{id}/fd")).unwrap() {
        let path = entry.unwrap().path();
        if !fs::read_link(&path).unwrap().to_string_lossy().starts_with("socket:") {
            continue;
        }
        let number: i32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        // SAFETY: likewise.
        let socket = descriptor(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) });
        if is_of_routes(&socket) {
            setsockopt(&socket, sockopt::RcvBuf, &0).unwrap();
        }
    }
}

fn is_of_routes(socket: &OwnedFd) -> bool {
    let number = |option| {
        let (mut value, mut length) = (-1_i32, 4);
        // SAFETY: the value has the four bytes that the kernel may write.
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw mut value).cast(), &mut length) };
        value
    };
    (number(libc::SO_DOMAIN), number(libc::SO_PROTOCOL)) == (libc::AF_NETLINK, libc::NETLINK_ROUTE)
}

#[test]
fn where_news_of_namespaces_were_lost_nothing_is_filed_with_what_was_known() {
    let own = Namespace::new("own");
    let others: Vec<_> = (0..6).map(|_| Namespace::new("other")).collect();
    let first = three(&own);
    let mut recorder = record(&own, &first, &[]);
    narrow_news(&recorder);
    recorder.signal(Signal::SIGSTOP);
    others.iter().zip(10..).for_each(|(other, id)| own.name_netns(other, id));
    let second = replaced(&own, first, &recorder);
    let moment = outlive_a_moment(&recorder, &second);
    recorder.stop();
    assert!(recorder.log().contains("news of network namespaces were lost"), "{}", recorder.log());
    assert_apart(&recorder, moment);
}

#[test]
fn where_news_were_lost_a_namespace_that_is_gone_has_no_recording_and_another_one_under_its_id_has_its_own() {
    let own = Namespace::new("own");
    let others: Vec<_> = (0..6).map(|_| Namespace::new("other")).collect();
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns"]);
    narrow_news(&recorder);
    recorder.signal(Signal::SIGSTOP);
    others.iter().zip(10..).for_each(|(other, id)| own.name_netns(other, id));
    let first = three(&own);
    make_flows(&first, 0..5, false);
    end(&own, first);
    recorder.signal(Signal::SIGCONT);
    wait_until("its flows", || recorder.list().iter().any(|line| line.contains(&text(4))));
    wait_until("its journal to be closed", || recorder.log().contains("has ended, and with it 5 flows"));
    let second = three(&own);
    make_flows(&second, 10..17, false);
    wait_until("its flows", || recorder.list().iter().any(|line| line.contains(&text(16))));
    let moment = outlive_a_moment(&recorder, &second);
    recorder.stop();
    assert!(recorder.log().contains("news of network namespaces were lost"), "{}", recorder.log());
    assert_apart(&recorder, moment);
}

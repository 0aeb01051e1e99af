//! Starts that cannot be: one clear line, and the right exit status.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::lab::Namespace;
use crate::program::{self, Answer, answer, ctrecorder};

/// Runs `ctrecorder -C -F -f SEGMENT` with these arguments in a namespace of its own; nothing may be left behind.
fn refused(arguments: &[&str]) -> Answer {
    let (namespace, directory) = (Namespace::new("refusal"), TempDir::new().unwrap());
    let segment = directory.path().join("ct");
    let answer = namespace.enter(|| answer(ctrecorder().args(["capture", "-F", "-f"]).arg(segment).args(arguments)));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{arguments:?} left a file behind");
    answer
}

#[test]
fn arguments_that_make_no_sense_are_usage_errors_that_name_them() {
    for (arguments, words) in [
        (&["-t", "abc"][..], "abc"),
        (&["-t", "-5"], "-5"),
        (&["-p", "tcp,nonsense"], "nonsense"),
        (&["-p", "256"], "256"),
        (&["--family", "ipx"], "ipx"),
        (&["-b", "0"], "0"),
        (&["-B", "0"], "0"),
        (&["-t", "60"], "gives the same name"),
    ] {
        let answer = refused(arguments);
        assert_eq!(answer.status, 2, "{arguments:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(words), "{arguments:?}: {}", answer.stderr);
    }
}

#[test]
fn the_classic_spelling_says_1_for_usage() {
    let classic = answer(ctrecorder().args(["-C", "-F", "-f", "/tmp/never", "-t", "abc"]));
    assert_eq!(classic.status, 1, "{}", classic.stderr);
    assert!(classic.stderr.contains("abc"), "{}", classic.stderr);
    assert_eq!(answer(ctrecorder().args(["-C", "-F"])).status, 1);
}

#[test]
fn unknown_users_and_groups_are_named() {
    for (arguments, words) in
        [(&["-U", "no-such-user"][..], "no-such-user: no such user"), (&["-G", "no-such-group"], "no-such-group: no such group")]
    {
        let answer = refused(arguments);
        assert_eq!(answer.status, 5);
        assert!(answer.stderr.contains(words), "{}", answer.stderr);
    }
}

#[test]
fn without_permission_it_says_what_to_do() {
    let (namespace, directory) = (Namespace::new("nobody"), TempDir::new().unwrap());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", program::PATH, "-C", "-F", "-f"]);
    command.arg(directory.path().join("ct"));
    let output = namespace.enter(|| command.output().unwrap());
    assert_eq!(output.status.code(), Some(5));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("CAP_NET_ADMIN") && stderr.contains("root"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

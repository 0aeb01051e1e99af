//! `doctor` about what is in the directory of the files: another recorder, and files in the way.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::capture::doctor::{Examined, pattern_in};
use crate::capture::recorder::Recorder;
use crate::capture::refusals::program_for_all;
use crate::lab::Namespace;

#[test]
fn another_recorder_is_told_of_and_so_are_files_in_the_way() {
    let namespace = Namespace::new("occupied");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    let (pattern, path) = (pattern_in(recorder.directory()), recorder.segments().pop().unwrap());
    let of = |pattern: &str| Examined::of(&namespace, &["-f", pattern]);
    of(&pattern).expect("recorder", "ok", &format!("{}: a recorder is writing this file", path.display()));
    // Within its first second the pattern still gives that file's name.
    recorder.outlive_first_second();
    recorder.stop();
    of(&pattern).expect("recorder", "ok", "none is at work");
    of(&pattern).expect("files", "ok", "");

    let fixed = path.to_str().unwrap();
    of(fixed).expect("files", "cost", "exists, and is never overwritten");
    fs::write(&path, "CTNL").unwrap();
    of(&pattern).expect("files", "warning", "until when it was recorded is taken from the segment before it");
}

/// A journal is not for everybody's eyes, and doctor may be run by anybody.
#[test]
fn who_may_not_look_is_not_told_that_no_recorder_is_at_work() {
    let (namespace, (program, copy)) = (Namespace::new("shut"), program_for_all());
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    let (directory, pattern) = (recorder.directory().to_path_buf(), pattern_in(recorder.directory()));
    let segment = recorder.segments().pop().unwrap();
    let by_nobody = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(&copy);
        Examined::by(&namespace, command.args(["doctor", "-o", "json", "-f", &pattern]))
    };
    let set_mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    // As it is by the unit's UMask; of a directory only names may be known, or none; and of a file only its name.
    for (mode_of_directory, mode_of_file, shut) in
        [(0o750, 0o640, &directory), (0o744, 0o644, &directory), (0o755, 0o600, &segment)]
    {
        set_mode(&directory, mode_of_directory);
        set_mode(&segment, mode_of_file);
        let found = by_nobody();
        let said = format!("whether one is at work cannot be told: {} may not be read here", shut.display());
        found.expect("recorder", "warning", &said);
        assert!(!found.says("none is in the way"), "{found:?}");
    }
    set_mode(&segment, 0o644);
    by_nobody().expect("recorder", "ok", "a recorder is writing this file");
    recorder.stop();
    by_nobody().expect("recorder", "ok", "none is at work");
    drop(program);
}

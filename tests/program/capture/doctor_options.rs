//! `doctor` about the options of a recorder: as whom, with which limits and which buffer.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use nix::unistd::{Group, User};
use tempfile::TempDir;

use crate::capture::doctor::Examined;
use crate::capture::recorder::Recorder;
use crate::lab::Namespace;

fn nobody() -> u32 {
    User::from_name("nobody").unwrap().expect("Debian has a user nobody").uid.as_raw()
}

/// A directory that others may pass, and the pattern for files in another one in it.
fn nested() -> (TempDir, String) {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let pattern = directory.path().join("ct/ct.%s").to_str().unwrap().to_owned();
    (directory, pattern)
}

#[test]
fn a_group_counts_as_it_does_for_the_recorder() {
    let (namespace, (directory, pattern)) = (Namespace::new("of-group"), nested());
    let games = Group::from_name("games").unwrap().expect("Debian has a group games").gid.as_raw();
    let inside = directory.path().join("ct");
    fs::create_dir(&inside).unwrap();
    chown(&inside, None, Some(games)).unwrap();
    fs::set_permissions(&inside, Permissions::from_mode(0o770)).unwrap();
    let of = |arguments: &[&str]| Examined::of(&namespace, &[&["-f", &pattern, "-U", "nobody"], arguments].concat());
    of(&[]).expect("directory", "cost", "user nobody may not create files there");
    of(&["-G", "games"]).expect("directory", "ok", "user nobody may create files there");
    let unknown = of(&["-G", "no-such-group"]);
    unknown.expect("directory", "cost", "no-such-group: no such group");
    assert_eq!(unknown.find("directory")["mend"], "groupadd --system no-such-group");

    let config = directory.path().join("config.toml");
    let text = format!(
        "[capture]\nfile = {pattern:?}\nuser = \"nobody\"\ngroup = \"games\"\nsocket-buffer = 1000\nmax-size = \"1K\"\n"
    );
    fs::write(&config, text).unwrap();
    let configured = Examined::of(&namespace, &["--config", config.to_str().unwrap()]);
    configured.expect("directory", "ok", "user nobody may create files there");
    assert_eq!(configured.find("buffer")["values"]["wanted_bytes"], 1_024_000);
    configured.expect("options", "cost", "smaller than one file");

    let mut recorder = Recorder::start_in(directory, &namespace, "ct/ct.%s", &["-U", "nobody", "-G", "games"]);
    recorder.stop();
    assert!(!recorder.log().contains("WARN directory: "), "{}", recorder.log());
}

#[test]
fn options_with_which_a_recorder_refuses_to_start_cost_records() {
    let (namespace, directory) = (Namespace::new("options"), TempDir::new().unwrap());
    let pattern = directory.path().join("ct.%Y%m%d-%H").to_str().unwrap().to_owned();
    for (arguments, words) in [
        (&["--max-size", "50"][..], "--max-size: less than 1 MiB"),
        (&["--min-free", "900000T"], "every closed file would be removed"),
        (&["--max-age", "1h", "--rotate", "60"], "--max-age must be longer than --rotate (60 min)"),
        (&["--rotate", "30"], "come to the same name"),
    ] {
        let found = Examined::of(&namespace, &[&["-f", pattern.as_str()], arguments].concat());
        found.expect("options", "cost", words);
        assert!(!found.find("space")["found"].as_str().unwrap().contains("limits"), "{found:?}");
    }
}

#[test]
fn a_user_that_there_is_not_is_to_be_made_before_the_directory() {
    let (namespace, (_directory, pattern)) = (Namespace::new("no-user"), nested());
    let found = Examined::of(&namespace, &["-f", &pattern, "-U", "no-such-user"]);
    found.expect("directory", "cost", "no-such-user: no such user");
    assert_eq!(found.find("directory")["mend"], "useradd --system --no-create-home no-such-user");
}

#[test]
fn what_shuts_a_user_out_is_opened_be_it_a_directory_above_or_the_owners_own() {
    let (namespace, (directory, pattern)) = (Namespace::new("shut-out"), nested());
    let inside = directory.path().join("ct");
    fs::create_dir(&inside).unwrap();
    chown(&inside, Some(nobody()), None).unwrap();
    let of = || Examined::of(&namespace, &["-f", &pattern, "-U", "nobody"]);
    for shut in [directory.path(), &inside] {
        fs::set_permissions(shut, Permissions::from_mode(0o400)).unwrap();
        let found = of();
        found.expect("directory", "cost", "user nobody may not create files there");
        found.mend(&namespace, "directory");
        of().expect("directory", "ok", "user nobody may create files there");
    }
}

#[test]
fn roots_powers_do_not_count_for_root_by_name_nor_for_another_group() {
    let (namespace, (directory, pattern)) = (Namespace::new("root-by-name"), nested());
    let inside = directory.path().join("ct");
    fs::create_dir(&inside).unwrap();
    chown(&inside, Some(nobody()), None).unwrap();
    fs::set_permissions(&inside, Permissions::from_mode(0o755)).unwrap();
    for arguments in [["-U", "root"], ["-G", "games"]] {
        let found = Examined::of(&namespace, &[&["-f", pattern.as_str()], &arguments[..]].concat());
        found.expect("directory", "cost", "may not create files there");
    }
}

//! Options from the environment and from a file, beside those that are typed.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Answer, answer, ctrecorder};

/// A file of settings in a directory of its own.
struct Settings {
    directory: TempDir,
}

impl Settings {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ct.toml"), text).unwrap();
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("ct.toml")
    }

    /// Runs the program with this file and these variables.
    fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Answer {
        let mut command = ctrecorder();
        answer(command.envs(variables.iter().copied()).env("CTRECORDER_CONFIG", self.path()).args(arguments))
    }

    /// What is said against this file, at its place in it.
    fn refusal(&self) -> String {
        let answer = self.run(&[], &["config"]);
        assert_eq!((answer.status, answer.stdout.as_str()), (2, ""), "{}", answer.stderr);
        let begin = format!("ctrecorder: {}:", self.path().display());
        answer.stderr.strip_prefix(&begin).unwrap_or_else(|| panic!("{}", answer.stderr)).trim_end().to_owned()
    }

    /// Value and origin of an option, as `config -o json` tells them of a command line.
    fn in_force(&self, variables: &[(&str, &str)], line: &[&str], option: &str) -> (Value, String) {
        let answer = self.run(variables, &[&["config", "-o", "json"], line].concat());
        assert_eq!(answer.status, 0, "{}", answer.stderr);
        let told: Value = serde_json::from_str(&answer.stdout).unwrap();
        let settings = told["commands"][line[0]].as_array().unwrap();
        let setting = settings.iter().find(|setting| setting["option"] == option).unwrap();
        (setting["value"].clone(), setting["origin"].as_str().unwrap().to_owned())
    }
}

fn golden() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v3/example.ct").display().to_string()
}

#[test]
fn what_is_typed_goes_before_the_environment_that_before_the_file_and_that_before_the_default() {
    let settings = Settings::new("[capture]\nrotate = 1\n");
    let variables = [("CTRECORDER_CAPTURE_ROTATE", "2")];
    let typed = ["capture", "--rotate", "3"];
    for (variables, line, value, origin) in [
        (&variables[..], &typed[..], 3, "command-line"),
        (&variables, &["capture"], 2, "environment"),
        (&[], &typed, 3, "command-line"),
        (&[], &["capture"], 1, "file"),
    ] {
        assert_eq!(settings.in_force(variables, line, "rotate"), (value.into(), origin.into()));
    }
    assert_eq!(Settings::new("").in_force(&[], &["capture"], "rotate"), (0.into(), "default".into()));
}

#[test]
fn commands_do_what_is_set_elsewhere() {
    let path = golden();
    let typed = answer(ctrecorder().args(["list", "-H", "--squeezed", "-p", "443", "-o", "json", &path]));
    assert!(typed.status == 0 && !typed.stdout.is_empty(), "{}", typed.stderr);
    let settings = Settings::new("[list]\nno-header = true\nsqueezed = true\nport = [443]\n");
    assert_eq!(settings.run(&[("CTRECORDER_LIST_OUTPUT", "json")], &["list", &path]), typed);
}

#[test]
fn what_has_to_be_given_may_be_given_elsewhere() {
    let settings = Settings::new("");
    let directory = settings.directory.path().join("export");
    let missing = settings.run(&[("CTRECORDER_EXPORT_TO", "csv")], &["export", &golden()]);
    assert_eq!(missing.status, 2);
    assert!(
        missing.stderr.contains("--output") && missing.stderr.contains("CTRECORDER_EXPORT_TO"),
        "{}",
        missing.stderr
    );
    let variables = [("CTRECORDER_EXPORT_OUTPUT", directory.to_str().unwrap()), ("CTRECORDER_EXPORT_TO", "csv")];
    let answer = settings.run(&variables, &["export", &golden()]);
    assert_eq!(answer.status, 0, "{}", answer.stderr);
    assert!(directory.is_dir());
}

#[test]
fn a_flag_is_taken_back_on_the_command_line_and_by_a_variable() {
    let settings = Settings::new("[list]\nno-header = true\n");
    let without = settings.run(&[], &["list", &golden()]);
    for (variables, arguments) in
        [(&[][..], &["list", "--no-header=false"][..]), (&[("CTRECORDER_LIST_NO_HEADER", "no")], &["list"])]
    {
        let with = settings.run(variables, &[arguments, &[&golden()]].concat());
        assert_eq!((with.status, &with.stdout), (0, &without.stdout));
        assert!(with.stderr.contains(".hostname") && without.stderr.is_empty(), "{}", with.stderr);
    }
}

#[test]
fn a_repeated_option_is_a_list_in_the_file_and_lines_in_a_variable() {
    let settings = Settings::new("[list]\nport = [80, \"1024:2047\"]\nproto = \"tcp\"\nzone = []\n");
    for (variables, option, value) in [
        (&[][..], "port", serde_json::json!([80, "1024:2047"])),
        (&[("CTRECORDER_LIST_PORT", "443\n8080\n")], "port", serde_json::json!([443, 8080])),
        (&[], "proto", serde_json::json!(["tcp"])),
        (&[], "zone", Value::Null),
    ] {
        assert_eq!(settings.in_force(variables, &["list"], option).0, value, "{option}");
    }
    let (value, origin) = settings.in_force(&[], &["list", "-p", "22"], "port");
    assert_eq!((value, origin.as_str()), (serde_json::json!([22]), "command-line"), "it takes the place of all others");
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_place() {
    for (text, told) in [
        ("[capture]\nrotat = 5\n", "2:1: capture has no option rotat: did you mean \"rotate\"?"),
        ("[capture]\npid_file = \"/x\"\n", "2:1: capture has no option pid_file: did you mean \"pid-file\"?"),
        ("\n[captur]\n", "2:2: there is no command captur: did you mean \"capture\"?"),
        ("rotate = 5\n", "1:1: rotate stands in no table: write it below [capture] or [doctor]"),
        (
            "tz = \"UTC\"\n",
            "1:1: tz stands in no table: write it below [list] or [header] or [squeeze] or [coverage] or [who]",
        ),
        ("capture = 5\n", "1:1: capture is to be a table: [capture], and its options below"),
        ("[capture]\nrotate = 5\nrotate = 6\n", "3:1: duplicate key"),
        ("[capture]\nrotate = \n", "2:10: string values must be quoted, expected literal string"),
        ("[capture]\n\"ü\" = 1\n  sync = \"nonne\"\n", "2:1: capture has no option ü"),
        ("[capture]\nrotate = true\n", "2:10: rotate: a string or a number is expected, not true or false"),
        ("[capture]\nrotate = [5]\n", "2:10: rotate: one value is expected, not a list"),
        ("[capture]\nforeground = \"yes\"\n", "2:14: foreground: true or false is expected, not a string"),
        ("[list]\nport = [[1]]\n", "2:8: port: a string or a number is expected, not a list"),
        ("[capture]\nfile = \"\"\n", "2:1: file is empty: leave it out where it is not to be set"),
        (
            "[capture]\nrotate = \"often\"\n",
            "2:1: invalid value 'often' for '--rotate <MINUTES>': a whole number of minutes is wanted, without a unit, such as 60",
        ),
        ("[capture]\nconfig = \"x\"\n", "2:1: capture has no option config"),
        ("[capture]\nhelp = true\n", "2:1: capture has no option help"),
    ] {
        assert_eq!(Settings::new(text).refusal(), told, "{text}");
    }
    assert_eq!(Settings::new(b"[capture]\nuser = \"\xfc\"\n").refusal(), "2:9: not UTF-8, which TOML is");
}

#[test]
fn all_of_a_file_is_looked_at_whatever_command_it_is_read_for() {
    let answer = Settings::new("[capture]\nrotat = 5\n").run(&[], &["list", &golden()]);
    assert_eq!((answer.status, answer.stdout.as_str()), (2, ""));
    assert!(answer.stderr.contains(":2:1: capture has no option rotat"), "{}", answer.stderr);
}

#[test]
fn help_and_the_version_are_there_whatever_the_file_says() {
    let settings = Settings::new("nonsense");
    for arguments in [&["--version"][..], &["help"], &["list", "--help"], &["help", "capture"]] {
        let answer = settings.run(&[], arguments);
        assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(!answer.stdout.contains("BOOL"), "a flag has no value in the help: {}", answer.stdout);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().to_str().unwrap();
    for (file, told) in [
        (path.to_owned(), "a directory, where a file is expected"),
        (format!("{path}/none.toml"), "No such file"),
        ("/dev/zero".into(), "larger than 1 MiB"),
    ] {
        let answer = answer(ctrecorder().args(["config", "--config", &file]));
        assert_eq!((answer.status, answer.stdout.as_str()), (5, ""), "{file}");
        assert!(answer.stderr.contains(&file) && answer.stderr.contains(told), "{}", answer.stderr);
    }
}

#[test]
fn what_is_wrong_in_the_environment_is_told_with_its_name() {
    let settings = Settings::new("");
    for (variable, value, told) in [
        (
            "CTRECORDER_CAPTURE_PID_FIEL",
            "x",
            "capture has no such option: did you mean \"CTRECORDER_CAPTURE_PID_FILE\"?",
        ),
        ("CTRECORDER_CAPTURE_QUEUE", "0", "invalid value '0' for '--queue <ENTRIES>'"),
        ("CTRECORDER_CAPTURE_FOREGROUND", "perhaps", "true or false is expected, not \"perhaps\""),
    ] {
        let answer = settings.run(&[(variable, value)], &["config"]);
        assert_eq!((answer.status, answer.stdout.as_str()), (2, ""), "{variable}");
        assert!(answer.stderr.starts_with(&format!("ctrecorder: {variable}: {told}")), "{}", answer.stderr);
    }
}

#[test]
fn an_empty_variable_is_none_and_one_that_names_no_command_is_told_and_passed_over() {
    let settings = Settings::new("");
    let empty = [("CTRECORDER_CAPTURE_ROTATE", ""), ("CTRECORDER_NOTHING", "")];
    assert_eq!(settings.in_force(&empty, &["capture"], "rotate").1, "default");
    let answer =
        settings.run(&[("CTRECORDER_ROTATE", "5"), ("CTRECORDER_PORT_80_TCP", "tcp://10.0.0.1:80")], &["config"]);
    assert_eq!(answer.status, 0);
    let told = "ctrecorder: CTRECORDER_PORT_80_TCP is passed over: it names no command\n\
                ctrecorder: CTRECORDER_ROTATE is passed over: it names no command: did you mean \"CTRECORDER_CAPTURE_ROTATE\" or \"CTRECORDER_DOCTOR_ROTATE\"?\n";
    assert_eq!(answer.stderr, told);
}

#[test]
fn of_options_that_contradict_each_other_the_stronger_one_holds() {
    let settings = Settings::new("[list]\nfollow = true\n");
    let place = format!("{}:2:1", settings.path().display());
    for (variables, line, rival) in [
        (&[][..], &["config", "list", "--squeezed"][..], "--squeezed"),
        (&[("CTRECORDER_LIST_SQUEEZED", "1")], &["config", "list"], "squeezed (CTRECORDER_LIST_SQUEEZED)"),
    ] {
        let answer = settings.run(variables, line);
        assert_eq!(answer.status, 0, "{}", answer.stderr);
        let told = format!("follow = false  # default\n# follow is without effect beside {rival}: {place}\n");
        assert!(answer.stdout.contains(&told), "{}", answer.stdout);
    }
    assert_eq!(settings.run(&[], &["list", "--squeezed", &golden()]).status, 0);
    let both = settings.run(&[], &["list", "--follow", "--squeezed", &golden()]);
    assert_eq!(both.status, 2);
    assert!(both.stderr.contains("'--follow' cannot be used with '--squeezed'"), "{}", both.stderr);
    let taken_back = settings.in_force(&[], &["list", "--squeezed=false"], "follow");
    assert_eq!(taken_back, (true.into(), "file".into()), "a flag that is taken back contradicts nothing");
}

#[test]
fn of_options_that_contradict_each_other_in_one_file_both_places_are_told() {
    let settings = Settings::new("[list]\nfollow = true\nsqueezed = true\n");
    let answer = settings.run(&[], &["list", &golden()]);
    let path = settings.path().display().to_string();
    let told = format!("ctrecorder: {path}:3:1: squeezed does not go with follow ({path}:2:1)\n");
    assert_eq!((answer.status, answer.stderr), (2, told));
}

#[test]
fn wrong_usage_tells_what_was_not_typed() {
    let settings = Settings::new("[squeeze]\nremove = true\n");
    let answer = settings.run(&[], &["squeeze", "-o", "none.ct", &golden()]);
    assert_eq!(answer.status, 2);
    let told = format!("--remove is from {}:2:1\n", settings.path().display());
    assert!(answer.stderr.ends_with(&told), "{}", answer.stderr);
}

#[test]
fn doctor_takes_what_is_set_for_the_recorder_unless_it_has_its_own() {
    let settings = Settings::new("[capture]\nfile = \"/a/%H.ct\"\naccounting = true\n[doctor]\nfile = \"/b/%H.ct\"\n");
    assert_eq!(settings.in_force(&[], &["doctor"], "file"), ("/b/%H.ct".into(), "file".into()));
    assert_eq!(settings.in_force(&[], &["doctor"], "accounting"), (true.into(), "file".into()));
    let nowhere = Settings::new("[capture]\nuser = \"nobody\"\n");
    assert_eq!(nowhere.in_force(&[], &["doctor"], "user").1, "default", "what it may do is asked of a file");
    assert_eq!(nowhere.in_force(&[], &["doctor", "-f", "/a/%H.ct"], "user"), ("nobody".into(), "file".into()));
}

#[test]
fn doctor_looks_at_what_it_can_where_whom_it_asks_about_is_set_and_no_file() {
    let told = Settings::new("[doctor]\nuser = \"nobody\"\n").run(&[], &["doctor"]);
    assert!([0, 1].contains(&told.status) && told.stdout.contains(" conntrack "), "{told:?}");
}

#[test]
fn what_config_shows_is_a_file_that_says_the_same() {
    let strange = "C:\\a \"b\" \t\u{7f}\u{1b} ü # %H.ct";
    let variables = [("CTRECORDER_CAPTURE_FILE", strange), ("CTRECORDER_LIST_PORT", "1\n2:3")];
    let shown = Settings::new("[capture]\nnice = -5\nforeground = true\n").run(&variables, &["config"]);
    assert_eq!((shown.status, shown.stderr.as_str()), (0, ""));
    let again = Settings::new(&shown.stdout).run(&[], &["config"]);
    let values = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split("  # ").next().unwrap().into())
            .collect()
    };
    assert_eq!(values(&again.stdout), values(&shown.stdout));
    assert!(
        shown.stdout.contains("nice = -5  # ") && shown.stdout.contains("port = [1, \"2:3\"]  # CTRECORDER_LIST_PORT")
    );
}

#[test]
fn config_shows_the_command_line_that_it_is_given() {
    let settings = Settings::new("");
    let answer = settings.run(&[], &["config", "capture", "--rotate", "often"]);
    assert_eq!(answer.status, 2);
    assert!(answer.stderr.contains("invalid value 'often'"), "{}", answer.stderr);
    let answer = settings.run(&[], &["config", "capture", "--accounting=maybe"]);
    assert!(answer.status == 2 && answer.stderr.contains("'maybe' for '--accounting"), "{}", answer.stderr);
    let answer = settings.run(&[], &["config", "captur"]);
    assert_eq!(
        (answer.status, answer.stderr.as_str()),
        (2, "ctrecorder: there is no command captur: did you mean \"capture\"?\n")
    );
    assert_eq!(settings.in_force(&[], &["capture", "-F"], "foreground"), (true.into(), "command-line".into()));
}

#[test]
fn the_classic_spelling_takes_nothing_from_elsewhere() {
    let settings = Settings::new("[list]\noutput = \"json\"\n");
    let variables = [("CTRECORDER_LIST_SQUEEZED", "true"), ("CTRECORDER_LIST_NONSENSE", "true")];
    let plain = answer(ctrecorder().args(["-L", "-f", &golden()]));
    assert_eq!(settings.run(&variables, &["-L", "-f", &golden()]), plain);
}

#[test]
fn the_configuration_that_packages_bring_changes_nothing_and_all_that_it_proposes_is_understood() {
    let text = include_str!("../../examples/ctrecorder.toml");
    let (brought, none) = (Settings::new(text).run(&[], &["config"]), Settings::new("").run(&[], &["config"]));
    let settings = |answer: &Answer| answer.stdout.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(settings(&brought), settings(&none));
    let is_option = |line: &&str| line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
    let proposed = |line: &str| line.strip_prefix("# ").filter(is_option).unwrap_or(line).to_owned() + "\n";
    let taken = Settings::new(text.lines().map(proposed).collect::<String>());
    assert_eq!(taken.in_force(&[], &["doctor"], "user"), ("ctrecorder".into(), "file".into()));
    assert_eq!(taken.in_force(&[], &["who"], "tz"), ("UTC".into(), "file".into()));
}

#[test]
fn root_obeys_no_file_that_somebody_else_may_write() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    use std::os::unix::fs::{PermissionsExt, chown};
    let settings = Settings::new("[capture]\nrotate = 5\n");
    let set = |user: u32, mode: u32| {
        chown(settings.path(), Some(user), None).unwrap();
        fs::set_permissions(settings.path(), fs::Permissions::from_mode(mode)).unwrap();
        settings.run(&[], &["config", "capture"])
    };
    for (user, mode, told) in [
        (1, 0o644, "it is user 1's, and root obeys only what is root's own: chown root it"),
        (0, 0o664, "others than root may write to it (mode 0664), so root does not obey it: chmod go-w it"),
        (0, 0o602, "others than root may write to it (mode 0602), so root does not obey it: chmod go-w it"),
    ] {
        let refused = set(user, mode);
        let told = format!("ctrecorder: {}: {told}\n", settings.path().display());
        assert_eq!((refused.status, refused.stderr), (5, told));
    }
    assert_eq!(set(0, 0o644).status, 0);
    assert_eq!(answer(ctrecorder().args(["config", "--config", "/dev/null"])).status, 0);
}

#[test]
fn limits_of_the_file_are_warned_of_where_a_pattern_is_typed_and_none_takes_them_back() {
    let settings = Settings::new("[capture]\nmax-age = \"1d\"\nmax-size = \"none\"\n");
    let pattern = settings.directory.path().join("no/such/ct");
    let start = ["capture", "-F", "--file", pattern.to_str().unwrap()];
    let told = format!(
        "ctrecorder: --file was typed, and max-age of {}:2:1 holds for it: files that fit it are removed; --max-age none takes \
         it back\n",
        settings.path().display()
    );
    let started = settings.run(&[], &start);
    assert!(started.status == 5 && started.stderr.starts_with(&told), "{}", started.stderr);
    let without = settings.run(&[], &[&start[..], &["--max-age", "none"]].concat());
    assert!(without.status == 5 && !without.stderr.contains("max-age"), "{}", without.stderr);

    let settings = Settings::new("[capture]\nmax-age = \"0s\"\nmin-free = \"1000000T\"\nmax-size = 1\n");
    assert_eq!(settings.run(&[], &start).status, 2, "no limit makes sense");
    let none = ["--max-age", "none", "--max-size", "none", "--min-free", "none"];
    assert_eq!(settings.run(&[], &[&start[..], &none].concat()).status, 5, "none is left");
}

//! The formats of `list`, held against files that are kept, and read by others.

use std::path::{Path, PathBuf};

use super::sample::{BEGIN, Segment, golden, header, run, v4};
use crate::program::{Answer, answer, ctrecorder};
use ctrecorder_format::{Content, Header, Kind};

const FORMATS: [(&str, &str); 4] = [("classic", "txt"), ("conntrack", "conntrack"), ("json", "json"), ("csv", "csv")];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Asserts that the file, listed with these arguments, gives in every format what stands in tests/data/outputs.
fn assert_lists(arguments: &[&str], file: &str, expected: &str) {
    for (format, suffix) in FORMATS {
        let Answer { status, stdout, .. } =
            answer(ctrecorder().args(["list", "-H", "-o", format]).args(arguments).arg(data(file)));
        assert_eq!(status, 0);
        let kept = std::fs::read_to_string(data(&format!("outputs/{expected}.{suffix}"))).unwrap();
        for (own, kept) in stdout.lines().zip(kept.lines()) {
            assert_eq!(own, kept, "{expected}.{suffix}");
        }
        assert!(stdout == kept, "{expected}.{suffix}: another number of lines, or other ends of lines");
    }
}

#[test]
fn every_protocol_and_kind_has_its_lines() {
    assert_lists(&[], "v3/protocols.ct", "protocols");
}

#[test]
fn squeezed_lists_have_a_line_for_each_flow() {
    assert_lists(&["-s"], "v3/protocols.ct", "protocols.squeezed");
}

#[test]
fn what_was_found_and_not_heard_has_its_lines() {
    assert_lists(&[], "v3/accounted.ct", "accounted");
}

#[test]
fn destination_nat_and_counters_have_their_place() {
    assert_lists(&[], "v3/with-counters.ct", "with-counters");
}

#[test]
fn flows_of_squeezed_files_have_their_lines() {
    assert_lists(&[], "v3/squeezed.ct", "squeezed");
}

#[test]
fn files_of_version_2_have_their_lines() {
    assert_lists(&["-p", "57212"], "v2/udp.ct", "udp");
}

/// Everything in tests/data/outputs, by the suffix of its files.
fn kept(suffix: &str) -> String {
    let names = ["protocols", "protocols.squeezed", "accounted", "with-counters", "squeezed", "udp"];
    names.iter().map(|name| std::fs::read_to_string(data(&format!("outputs/{name}.{suffix}"))).unwrap()).collect()
}

/// Every example in docs/outputs.md was written by the program.
#[test]
fn the_examples_of_the_manual_are_real() {
    let manual = include_str!("../../../docs/outputs.md");
    let mut examples = 0;
    for (_, suffix) in FORMATS {
        let kept = kept(suffix);
        for block in manual.split(&format!("```{suffix}\n")).skip(1) {
            for line in block.split("```").next().unwrap().lines() {
                assert!(kept.lines().any(|own| own == line), "{line}");
                examples += 1;
            }
        }
    }
    assert_eq!(examples, 13);
}

/// Every name that is written is in a table of docs/outputs.md.
#[test]
fn every_name_is_documented() {
    fn names(path: &str, value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
        match value.as_object() {
            Some(fields) => {
                let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                fields.iter().for_each(|(name, value)| names(&join(name), value, found));
            }
            None => drop(found.insert(path.to_owned())),
        }
    }
    let mut found = std::collections::BTreeSet::new();
    for line in kept("json").lines() {
        names("", &serde_json::from_str(line).unwrap(), &mut found);
    }
    assert_eq!(found.len(), 42, "{found:#?}");
    found.extend(kept("csv").lines().next().unwrap().split(',').map(str::to_owned));
    let manual = include_str!("../../../docs/outputs.md");
    let rows: String = manual.lines().filter(|line| line.starts_with("| `")).collect();
    for name in found {
        assert!(rows.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn classic_is_what_is_written_unless_told_otherwise() {
    let file = golden("tcp.ct").into_os_string();
    let plain = run(["list".into(), "-H".into(), file.clone()]);
    assert_eq!(run(["list".into(), "-H".into(), "-o".into(), "classic".into(), file]), plain);
}

/// The list of the C program in the time zone of Warsaw, made elsewhere.
#[test]
fn a_time_zone_by_name_wins_over_the_environments() {
    let expected = std::fs::read_to_string(golden("udp.list.warsaw.txt")).unwrap();
    for (own, option) in [("UTC", "Europe/Warsaw"), ("America/New_York", "Europe/Warsaw")] {
        let mut command = ctrecorder();
        let listed = answer(command.env("TZ", own).args(["list", "--tz", option]).arg(golden("udp.ct")));
        assert_eq!((listed.status, &listed.stdout), (0, &expected));
        // The header shows times, too.
        let local = answer(ctrecorder().env("TZ", option).arg("header").arg(golden("udp.ct")));
        assert_eq!(listed.stderr, local.stdout);
    }
    let refused = run(["list".into(), "--tz".into(), "Mars/Base".into(), golden("udp.ct").into_os_string()]);
    assert_eq!((refused.status, refused.stdout.as_str()), (2, ""));
    assert!(
        refused.stderr.contains("Mars/Base is no time zone: say a name such as Europe/Warsaw, or UTC"),
        "{}",
        refused.stderr
    );
}

/// What other programs read does not depend on where it is written.
#[test]
fn formats_for_programs_know_one_time_zone() {
    for format in ["conntrack", "json", "csv"] {
        let listed = |zone: &str| {
            answer(ctrecorder().env("TZ", zone).args(["list", "-H", "-o", format]).arg(data("v3/accounted.ct")))
        };
        assert_eq!(listed("Asia/Kathmandu").stdout, listed("UTC").stdout);
    }
}

#[test]
fn an_empty_list_of_csv_has_its_names() {
    let listed = run(["list".into(), "-Ho".into(), "csv".into(), data("v3/empty.ct").into_os_string()]);
    assert!(listed.stdout.starts_with("time,kind,start,") && listed.stdout.ends_with(",host\r\n"), "{}", listed.stdout);
    assert_eq!(listed.stdout.lines().count(), 1);
    let listed = run(["list".into(), "-Ho".into(), "json".into(), data("v3/empty.ct").into_os_string()]);
    assert_eq!(listed.stdout, "");
}

/// Start and end of one flow in the files of two hosts: nobody can say whose it was.
#[test]
fn a_host_is_named_where_it_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, host: &str, kind, second| {
        let header = Header { host: host.into(), created: BEGIN + second, ..header(second, None) };
        let path = directory.path().join(name);
        std::fs::write(&path, Segment::new(&header).push(&v4(kind, 1, second)).stopped()).unwrap();
        path
    };
    assert_eq!(header(0, None).content, Content::Events);
    let first = write("1.ct", "nat1", Kind::Start, 1);
    let [same, other] = [("2.ct", "nat1"), ("3.ct", "nat2")].map(|(name, host)| write(name, host, Kind::End, 2));
    let hosts = |arguments: &[&str], files: [&PathBuf; 2]| {
        let listed = answer(ctrecorder().args(["list", "-Ho", "json"]).args(arguments).args(files));
        assert_eq!(listed.status, 0, "{}", listed.stderr);
        let host = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["observer"]["hostname"].as_str().unwrap_or("-").to_owned()
        };
        listed.stdout.lines().map(host).collect::<Vec<_>>()
    };
    assert_eq!(hosts(&[], [&first, &same]), ["nat1", "nat1"]);
    assert_eq!(hosts(&[], [&first, &other]), ["nat1", "nat2"]);
    assert_eq!(hosts(&["-s"], [&first, &same]), ["nat1"]);
    assert_eq!(hosts(&["-s"], [&first, &other]), ["-"]);
}

/// The classic spelling has no such options, and says so as before.
#[test]
fn the_classic_spelling_knows_no_formats() {
    for option in [["-o", "json"], ["--tz", "UTC"]] {
        let mut command = ctrecorder();
        let refused = answer(command.args(["-L", "-f"]).arg(golden("tcp.ct")).args(option));
        assert_eq!((refused.status, refused.stdout.as_str()), (1, ""), "{option:?}");
    }
}

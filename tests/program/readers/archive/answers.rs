//! An archive gives the answers that its journal gives.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::journal::{BEGIN_S, export, journal, lines};
use crate::readers::sample::run;

/// The squeezed form of a journal, in one file.
fn squeezed(journal: &Path) -> TempDir {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("flows.ct");
    let words = ["squeeze".as_ref(), "-o".as_ref(), file.as_os_str(), journal.as_os_str()];
    run(words);
    directory
}

/// Questions to `list`: filters of every kind, by what some flow of the journal has.
fn filters(flows: &[Value]) -> Vec<Vec<String>> {
    let mut asked =
        vec![vec![], vec!["--nat".into()], vec!["--proto".into(), "udp".into()], vec!["-i".into(), "::/0".into()]];
    for flow in flows.iter().step_by(flows.len() / 6 + 1) {
        let text = |names: [&str; 2]| flow[names[0]][names[1]].as_str().map(str::to_owned).unwrap_or_default();
        let number = |names: [&str; 2]| flow[names[0]][names[1]].to_string();
        let (source, server) = (text(["source", "ip"]), text(["destination", "ip"]));
        let (port, server_port) = (number(["source", "port"]), number(["destination", "port"]));
        let time = flow["@timestamp"].as_str().unwrap().to_owned();
        let endpoint =
            |ip: &str, port: &str| if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
        asked.extend([
            vec!["-i".into(), source.clone()],
            vec!["-i".into(), source.clone(), "-p".into(), port.clone()],
            vec!["--endpoint".into(), endpoint(&server, &server_port)],
            vec!["--endpoint".into(), endpoint(&source, &port), "--at".into(), time.clone()],
            vec!["--orig-src".into(), source.clone(), "--orig-port-src".into(), port.clone()],
            vec!["--reply-src".into(), server.clone(), "--since".into(), time.clone()],
            vec!["--until".into(), time, "--min-duration".into(), "1s".into()],
            vec!["--where".into(), format!("(post src ip {source} or dst port {server_port}) and not proto icmp")],
        ]);
    }
    asked
}

#[test]
fn an_archive_lists_the_flows_of_its_journal() {
    for (seed, further) in [(1, &[][..]), (2, &["--partition"][..])] {
        let journal = journal(seed, 3_000, 2.0);
        let (_around, archive, exported) = export(journal.path(), further);
        // One of its files may be cut off in the middle of a block.
        assert!(!exported.stderr.contains("not exported") && exported.stdout.is_empty(), "{}", exported.stderr);
        let flows: Vec<Value> =
            lines(&archive, &["list", "-Ho", "json"]).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(flows.len() > 2_000, "{} flows", flows.len());
        let mut found = 0;
        for filter in filters(&flows) {
            let words = |first: &[&'static str]| -> Vec<String> {
                first.iter().map(|word| (*word).to_owned()).chain(filter.iter().cloned()).collect()
            };
            let (of_archive, of_journal) = (words(&["list", "-Ho", "json"]), words(&["list", "-sHo", "json"]));
            let said =
                |words: &[String], path: &Path| lines(path, &words.iter().map(String::as_str).collect::<Vec<_>>());
            let (archived, recorded) = (said(&of_archive, &archive), said(&of_journal, journal.path()));
            assert_eq!(archived, recorded, "seed {seed}, {filter:?}");
            found += usize::from(!archived.is_empty());
        }
        assert!(found > 30, "{found} questions found something");
    }
}

#[test]
fn an_archive_covers_what_its_journal_does() {
    for (seed, further) in [(1, &[][..]), (3, &["--partition"][..])] {
        let journal = journal(seed, 3_000, 0.5);
        let (_around, archive, _) = export(journal.path(), further);
        let covers = |path: &Path| run(["coverage".as_ref(), "-o".as_ref(), "json".as_ref(), path.as_os_str()]);
        let (archived, squeezed) = (covers(&archive), covers(squeezed(journal.path()).path()));
        assert_eq!((archived.status, &archived.stdout), (squeezed.status, &squeezed.stdout), "seed {seed}");
        let gaps = serde_json::from_str::<Value>(&archived.stdout).unwrap()["gaps"].as_array().unwrap().len();
        assert!(gaps >= 3, "{}", archived.stdout);
    }
}

/// Questions to `who`: endpoints that flows have, at times within their lives and around.
fn questions(flows: &[Value]) -> String {
    let mut asked = String::new();
    for (number, flow) in flows.iter().step_by(7).enumerate() {
        let side = if number % 3 == 0 { "destination" } else { "source" };
        let end = flow[side].get("nat").filter(|nat| nat.get("ip").is_some()).unwrap_or(&flow[side]);
        let (Some(ip), Some(port)) = (end["ip"].as_str(), end["port"].as_u64()) else { continue };
        let second = BEGIN_S + (number as u64 * 37) % 1_500;
        let time = flow["event"]["start"].as_str().map_or(format!("@{second}"), str::to_owned);
        let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        asked += &format!("{ip}:{port} {time}\n{ip}:{port} @{second}\n");
    }
    asked
}

/// The answers to questions, a line each.
pub fn who(path: &Path, questions: &str) -> Vec<Value> {
    let words = ["who".as_ref(), "-".as_ref(), "--slack".as_ref(), "1s".as_ref(), path.as_os_str()];
    let mut command = crate::program::ctrecorder();
    let said = crate::program::answer(command.args::<_, &OsStr>(words).write_stdin(questions));
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_archive_knows_who_had_an_endpoint() {
    for (seed, further) in [(4, &[][..]), (5, &["--partition"][..])] {
        let journal = journal(seed, 3_000, 2.0);
        let (_around, archive, _) = export(journal.path(), further);
        let flows: Vec<Value> =
            lines(&archive, &["list", "-Ho", "json"]).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let questions = questions(&flows);
        let (archived, recorded) = (who(&archive, &questions), who(journal.path(), &questions));
        let kept = who(squeezed(journal.path()).path(), &questions);
        assert_eq!((archived.len(), recorded.len()), (questions.lines().count(), kept.len()));
        let mut unique = 0;
        for ((archived, recorded), squeezed) in archived.iter().zip(&recorded).zip(&kept) {
            // What the journal alone knows, of clocks that were set and tables that were read, a squeezed one does not know.
            let as_recorded = archived["flows"] == recorded["flows"] && archived["verdict"] == recorded["verdict"];
            assert!(as_recorded || archived == squeezed, "{archived}\n{recorded}\n{squeezed}");
            unique += usize::from(archived["verdict"] == "UNIQUE");
        }
        assert!(unique > 100, "{unique} of {}", archived.len());
    }
}

#[test]
fn every_kind_of_record_goes_through_an_archive() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let names = [
        "v3/every-protocol.ct",
        "v3/protocols.ct",
        "v3/accounted.ct",
        "v3/with-counters.ct",
        "v3/squeezed.ct",
        "v2/tcp.ct",
        "v2/udp.combined.ct",
    ];
    for name in names {
        let file = data.join(name);
        for further in [&[][..], &["--partition"]] {
            let (_around, archive, exported) = export(&file, further);
            assert_eq!(exported.status, 0, "{name}: {}", exported.stderr);
            for format in ["json", "csv", "conntrack", "classic"] {
                let listed = |path: &Path| lines(path, &["list", "-sHo", format]);
                assert_eq!(listed(&archive), listed(&file), "{name} as {format}");
            }
            let tested = run(["test".as_ref(), archive.as_os_str()]);
            assert_eq!(tested.status, 0, "{name}: {}", tested.stdout);
        }
    }
}

#[test]
fn an_archive_is_exported_and_squeezed_again() {
    let journal = journal(6, 1_000, 2.0);
    let (_around, archive, _) = export(journal.path(), &["--partition"]);
    let (_around_too, again, exported) = export(&archive, &[]);
    assert_eq!(exported.status, 0, "{}", exported.stderr);
    let listed = |path: &Path| lines(path, &["list", "-Ho", "json"]);
    assert_eq!(listed(&again), listed(&archive));
    assert_eq!(listed(squeezed(&archive).path()), listed(&archive));
}

#[test]
fn ids_can_be_left_out_and_nothing_else_is() {
    let journal = journal(7, 500, 2.0);
    let (_around, archive, _) = export(journal.path(), &[]);
    let (_around_too, without, _) = export(journal.path(), &["--without-ids"]);
    let listed = |path: &Path| lines(path, &["list", "-Ho", "csv"]);
    let id = 28;
    let blank = |line: &String| {
        let mut fields: Vec<_> = line.split(',').collect();
        fields[id] = "";
        fields.join(",")
    };
    let mut expected: Vec<_> = listed(&archive).iter().map(blank).collect();
    expected.sort();
    let mut left: Vec<_> = listed(&without).iter().map(blank).collect();
    left.sort();
    assert_eq!(left, expected);
    assert!(
        listed(&without)
            .iter()
            .filter(|line| !line.starts_with("time,"))
            .all(|line| line.split(',').nth(id) == Some(""))
    );
}

#[test]
fn archives_of_earlier_versions_of_this_program_are_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let archive = data.join("archive/every-protocol.parquet");
    let listed = lines(&archive, &["list", "-Ho", "json"]);
    assert!(listed.len() > 10);
    assert_eq!(listed, lines(&data.join("v3/every-protocol.ct"), &["list", "-sHo", "json"]));
    let tested = run(["test".as_ref(), archive.as_os_str()]);
    assert_eq!(tested.status, 0, "{}", tested.stdout);
}

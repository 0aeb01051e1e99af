//! Flows that were found in the kernel's table after events were lost: an archive knows of them what its journal does.

use std::fs;
use std::path::Path;

use chrono::DateTime;
use ctrecorder_format::record::flags::RECOVERED;
use ctrecorder_format::{Cause, Kind, Note};
use serde_json::Value;
use tempfile::TempDir;

use super::answers::who;
use super::journal::{export, files, journal, lines};
use crate::readers::coverage;
use crate::readers::found::{flagged, note, overrun};
use crate::readers::sample::{BEGIN, NS, Segment, header, run, v4};

/// A segment with a gap, behind which a flow was found that had ended before the table was read.
fn ended_at_once() -> Vec<u8> {
    Segment::new(&header(0, None))
        .note(&Note::at(BEGIN, Cause::Started))
        .note(&note(0, 12, 0, Cause::TableRead))
        .note(&note(20, 25, 1, Cause::KernelOverrun))
        .push(&flagged(v4(Kind::Start, 1, 27), RECOVERED))
        .push(&v4(Kind::End, 1, 28))
        .note(&note(26, 30, 0, Cause::TableRead))
        .stopped()
}

/// Questions about the flows that were found: when they were, and before that.
fn questions(journal: &Path) -> String {
    let listed = lines(journal, &["list", "-sHo", "json"]);
    let flows = listed.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut asked = String::new();
    for flow in flows.filter(|flow| flow["ctrecorder"]["recovered"] == true) {
        let end = Some(&flow["source"]["nat"]).filter(|nat| nat.get("ip").is_some()).unwrap_or(&flow["source"]);
        let (Some(ip), Some(port)) = (end["ip"].as_str(), end["port"].as_u64()) else { continue };
        let Some(start) = flow["event"]["start"].as_str() else { continue };
        let found = DateTime::parse_from_rfc3339(start).unwrap().timestamp();
        let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        asked.extend([0, 3, 30, 60, 100, 300].map(|before| format!("{ip}:{port} @{}\n", found - before)));
    }
    asked
}

/// What is known of flows, whichever file it comes from: a line for each question.
fn answers(path: &Path, questions: &str) -> String {
    let known = |answer: Value| format!("{} {}\n", answer["verdict"], answer["flows"]);
    let answers = who(path, questions).into_iter().map(known);
    questions.lines().zip(answers).map(|(question, answer)| format!("{question} {answer}")).collect()
}

/// Before which moment none of them began, the reading tells that comes behind them, and may come behind their ends.
#[test]
fn after_an_overrun_an_archive_answers_as_its_journal() {
    let [first, second] = &overrun()[0];
    for segments in [vec![("0", &first[..]), ("1", &second[..])], vec![("0", &ended_at_once()[..])]] {
        let recorded = coverage::journal(&segments);
        let questions: String = [1, 2, 7]
            .iter()
            .flat_map(|port| (0..40).map(move |second| format!("203.0.113.1:{port} @{}\n", BEGIN / NS + second)))
            .collect();
        let known = answers(recorded.path(), &questions);
        assert!(known.contains("\"began_after\":\""), "{known}");
        let (_around, archive, _) = export(recorded.path(), &[]);
        assert_eq!(answers(&archive, &questions), known);
        let squeezed = TempDir::new().unwrap();
        let into = squeezed.path().join("squeezed/");
        run(["squeeze".as_ref(), "-o".as_ref(), into.as_os_str(), recorded.path().as_os_str()]);
        assert_eq!(answers(&into, &questions), known);
        let (_around, archive, _) = export(&into, &[]);
        assert_eq!(answers(&archive, &questions), known);
    }
}

#[test]
fn what_squeezed_segments_leave_open_is_exported_once() {
    let journal = journal(5, 3_000, 2.0);
    let questions = questions(journal.path());
    let around = TempDir::new().unwrap();
    let squeezed = around.path().join("squeezed");
    fs::create_dir(&squeezed).unwrap();
    run(["squeeze".as_ref(), "-o".as_ref(), squeezed.as_os_str(), journal.path().as_os_str()]);
    let (_around, archive, _) = export(&squeezed, &[]);
    assert_eq!(answers(&archive, &questions), answers(&squeezed, &questions));
    let listed = |path: &Path, how| lines(path, &["list", how, "json"]);
    assert_eq!(listed(&archive, "-Ho"), listed(journal.path(), "-sHo"));
    // Nobody reads on where an archive ends: it leaves nothing open.
    let (_, bytes) = files(&archive).swap_remove(0);
    let text = Cause::LeftOpen.text().as_bytes();
    assert!(!bytes.windows(text.len()).any(|window| window == text));
}

//! What a journal says of itself, held against what was made.

use std::path::Path;

use serde_json::Value;

use crate::program::{answer, ctrecorder};

/// The sum of a journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Starts, those included that were found and not heard.
    pub starts: usize,
    /// Ends, likewise.
    pub ends: usize,
    /// Flows that were open when the journal began.
    pub opens: usize,
    /// How many of the starts were found.
    pub starts_found: usize,
    /// How many of the ends were found.
    pub ends_found: usize,
    /// Cause and number of lost events of each gap.
    pub gaps: Vec<(String, Option<u64>)>,
}

impl Account {
    /// Of the journal in this directory.
    pub fn of(directory: &Path) -> Self {
        let listed = answer(ctrecorder().args(["list", "-H"]).arg(directory));
        assert_eq!(listed.status, 0, "{}", listed.stderr);
        let mut account = Self { gaps: gaps(directory), ..Self::default() };
        for line in listed.stdout.lines() {
            match &line[27..28] {
                "S" => account.starts += 1,
                "E" => account.ends += 1,
                "O" => account.opens += 1,
                other => panic!("{other}: {line}"),
            }
            // What repeats a start that was found is marked, too.
            account.starts_found += usize::from(&line[27..28] == "S" && line.ends_with("[recovered]"));
            account.ends_found += usize::from(line.contains("[ended "));
        }
        account
    }

    /// Events that are recorded or counted as lost.
    pub fn events(&self) -> usize {
        self.starts + self.ends + self.lost()
    }

    /// Events lost, all together.
    pub fn lost(&self) -> usize {
        let lost = self.gaps.iter().map(|(cause, lost)| lost.unwrap_or_else(|| panic!("{cause}: number not known")));
        lost.sum::<u64>() as usize
    }
}

/// Cause and number of lost events of each gap that `ctrecorder coverage` tells.
fn gaps(directory: &Path) -> Vec<(String, Option<u64>)> {
    let covered = answer(ctrecorder().args(["coverage", "-o", "json"]).arg(directory));
    let json: Value = serde_json::from_str(&covered.stdout).unwrap_or_else(|error| panic!("{error}: {covered:?}"));
    let gaps = json["gaps"].as_array().unwrap();
    assert_eq!(covered.status, i32::from(!gaps.is_empty()), "{covered:?}");
    gaps.iter().map(|gap| (gap["cause"].as_str().unwrap().to_owned(), gap["lost"].as_u64())).collect()
}

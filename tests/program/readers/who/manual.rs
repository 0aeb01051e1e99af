//! What the manual shows is what the program does.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::journal::{directory, page, passive, segment};
use crate::program::PATH;

/// The examples of a page: each a command line, with `$` before it, and what it prints.
fn examples(page: &str) -> Vec<(String, String)> {
    let mut examples: Vec<(String, String)> = Vec::new();
    let mut within = false;
    for line in page.lines() {
        let code = line.strip_prefix("    ").or_else(|| line.is_empty().then_some(""));
        match code.map(|code| (code.strip_prefix("$ "), code)) {
            Some((Some(command), _)) => {
                examples.push((command.to_owned(), String::new()));
                within = true;
            }
            Some((None, "")) => within = false,
            Some((None, code)) if within => examples.last_mut().unwrap().1 += &format!("{code}\n"),
            Some(_) => {}
            None => within = false,
        }
    }
    examples
}

fn assert_shown_is_done(name: &str) -> usize {
    let journal = directory(&[("20270115-0800.ct", segment())]);
    let pair = directory(&[("nat1.ct", segment()), ("nat2.ct", passive())]);
    let text = fs::read_to_string(page(name)).unwrap();
    let examples = examples(&text);
    for (command, shown) in &examples {
        let paths = [("/var/log/ct", &journal), ("/var/log/pair", &pair)];
        let asked = paths.iter().fold(command.clone(), |command, (shown, meant)| {
            command.replace(shown, &meant.path().display().to_string())
        });
        let tools = Path::new(PATH).parent().unwrap().display().to_string();
        let mut shell = Command::new("sh");
        shell.args(["-c", &asked]).env("TZ", "UTC").env("PATH", format!("{tools}:/usr/bin:/bin"));
        let output = shell.output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        match serde_json::from_str::<Value>(shown) {
            Ok(shown) => assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), shown, "{name}: {command}"),
            Err(_) => assert_eq!(stdout, *shown, "{name}: {command}\n{stdout}"),
        }
    }
    examples.len()
}

#[test]
fn the_examples_of_the_manual_are_true() {
    assert!(assert_shown_is_done("docs/who.md") >= 6);
}

#[test]
fn the_example_of_the_readme_is_true() {
    assert!(assert_shown_is_done("README.md") >= 1);
}

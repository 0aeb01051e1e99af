//! What is set in the file for one thing, and does harm to another one that is typed.

use clap::Command;

use super::definition;
use super::entry::Place;
use super::settle::{Settled, Typed};

/// Options that are about what another option names.
struct Meant {
    command: &'static str,
    about: &'static str,
    options: &'static [&'static str],
    /// The value that takes such an option back.
    nothing: &'static str,
    /// What comes of them.
    harm: &'static str,
}

/// Limits are for the journal of the file: that of a pattern which was typed may be somebody's evidence.
const MEANT: [Meant; 1] = [Meant {
    command: "capture",
    about: "file",
    options: &["max-age", "max-size", "min-free"],
    nothing: "none",
    harm: "files that fit it are removed",
}];

/// A line for each option of the file that holds for what was typed.
pub fn warnings(program: &Command, typed: &Typed, settled: &Settled<'_>) -> Vec<String> {
    let Some(command) = program.find_subcommand(&typed.command) else { return Vec::new() };
    let is_typed = |name| definition::option(command, name).is_some_and(|option| typed.has(option));
    let meant = MEANT.iter().filter(|meant| meant.command == typed.command && is_typed(meant.about));
    meant.flat_map(|meant| meant.warnings(settled)).collect()
}

impl Meant {
    fn warnings(&self, settled: &Settled<'_>) -> impl Iterator<Item = String> {
        let of_file = settled.held.iter().filter(|entry| matches!(entry.place, Place::File { .. }));
        let holding = of_file.filter(|entry| {
            self.options.contains(&entry.option.as_str()) && !entry.values.iter().all(|value| value == self.nothing)
        });
        holding.map(|entry| {
            let Self { about, nothing, harm, .. } = self;
            let (option, place) = (&entry.option, &entry.place);
            format!(
                "--{about} was typed, and {option} of {place} holds for it: {harm}; --{option} {nothing} takes it back"
            )
        })
    }
}

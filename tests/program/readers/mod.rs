//! The commands that read, run on files: those of the C program, and segments written here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archive;
mod bad_input;
mod copies;
mod coverage;
mod coverage_clock;
mod coverage_damage;
mod filter;
mod filtered;
mod found;
mod golden;
mod journal;
mod netns;
mod outputs;
mod parts;
mod retention;
mod sample;
mod squeeze;
mod squeezed_beside;
mod squeezed_damage;
mod squeezed_directory;
mod squeezed_faults;
mod squeezed_filter;
mod squeezed_gone;
mod squeezed_headless;
mod squeezed_place;
mod squeezed_turned;
mod synthetic;
mod test;
mod who;

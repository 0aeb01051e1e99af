//! `cargo bench`: what the program does millions of times. A part of it: `cargo bench -- scan`.
//!
//! Figures are those of one machine and one day: compare before and after on the same one (criterion remembers the last run).
//! Whole questions, beside `dd` and others' programs, are measured by tests/bench/run.

#![allow(clippy::expect_used, clippy::panic, reason = "for developers only")]

mod parse;
mod print;
mod sample;
mod scan;
mod write;

criterion::criterion_group!(benches, parse::parse, write::write, scan::scan, print::print);
criterion::criterion_main!(benches);

//! `ctrecorder export`, and the archives that it writes as the other commands read them.
#![cfg(feature = "archive")]

mod answers;
mod faults;
mod found;
mod grown;
mod interrupted;
mod journal;
mod manual;
mod parts;
mod texts;

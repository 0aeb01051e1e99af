//! `ctrecorder export`, and the archives that it writes as the other commands read them.
#![cfg(feature = "archive")]

mod added;
mod answers;
mod beside;
mod faults;
mod found;
mod grown;
mod interrupted;
mod journal;
mod killed;
mod manual;
mod missing;
mod parts;
mod texts;

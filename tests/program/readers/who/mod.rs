//! `ctrecorder who`, on files.

mod answers;
mod bad_input;
mod batch;
mod journal;
mod manual;
mod truth;

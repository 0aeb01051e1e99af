//! `ctrecorder who`, on files.

mod answers;
mod bad_input;
mod batch;
mod bounds;
mod corners;
mod journal;
mod manual;
mod recorders;
mod truth;

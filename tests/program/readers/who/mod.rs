//! `ctrecorder who`, on files.

mod answers;
mod bad_input;
mod batch;
mod bounds;
mod corners;
mod doubts;
mod forms;
mod journal;
mod manual;
mod paths;
mod recorders;
mod restarts;
mod sure;
mod truth;
mod turned;
mod turned_unheard;
mod uptime;
mod words;

//! The recorder on a real kernel's events.

mod background;
mod crash;
mod disk_full;
mod privileges;
mod recorder;
mod recording;
mod refusals;
mod rotation;
mod signals;

//! The recorder on a real kernel's events.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod account;
mod background;
mod clock;
mod crash;
mod disk_full;
mod doctor;
mod doctor_options;
mod follow;
mod keyframe;
mod killed;
mod metrics;
mod neighbours;
mod netns;
mod netns_limits;
mod netns_replaced;
mod netns_routers;
mod outputs;
mod overrun;
mod privileges;
mod recorder;
mod recording;
mod refusals;
mod removed;
mod retention;
mod retention_guards;
mod retention_netns;
mod rotation;
mod sandbox;
mod service;
mod settings;
mod signals;
mod stderr;
mod sync;
mod syslog;
mod who;

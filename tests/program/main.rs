//! The whole program, from outside: its binary run on files, and on a real kernel's events.
//!
//! One binary for all of them, so that the program is linked once. The tests run in parallel and in any order:
//! each has temporary directories and network namespaces of its own.

/// The recorder on a real kernel's events.
#[cfg(all(target_os = "linux", feature = "capture"))]
mod capture;
mod configuration;
/// The network laboratory. The tests that use it need Linux, root and the packages that tests/run installs.
#[cfg(all(target_os = "linux", feature = "capture"))]
mod lab;
#[cfg(all(target_os = "linux", feature = "capture"))]
mod lab_works;
mod program;
mod readers;
#[cfg(all(target_os = "linux", feature = "capture"))]
mod small_disk;
/// The units of systemd.
#[cfg(all(target_os = "linux", feature = "capture"))]
mod systemd;

//! ctrecorder: records the NAT translations of a Linux router and answers questions about them.

pub mod archive;
#[cfg(all(target_os = "linux", feature = "capture"))]
pub mod capture;
pub mod cli;
mod counted;
#[cfg(all(target_os = "linux", feature = "capture"))]
pub mod doctor;
mod file;
mod hint;
mod hold;
pub mod journal;
pub mod netlink;
pub mod output;
pub mod protocol;
pub mod query;
#[cfg(test)]
mod sample;
#[cfg(all(target_os = "linux", feature = "capture"))]
mod shell;

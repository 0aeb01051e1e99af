//! ctrecorder: records the NAT translations of a Linux router and answers questions about them.

pub mod cli;
pub mod journal;
pub mod output;
pub mod protocol;
pub mod query;
#[cfg(test)]
mod sample;

//! The `ctrecorder` program.

fn main() {}

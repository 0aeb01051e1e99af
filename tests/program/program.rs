//! Running the program under test to its end.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use assert_cmd::Command;

/// The program's binary, as cargo built it for these tests.
pub const PATH: &str = env!("CARGO_BIN_EXE_ctrecorder");

/// What a run of the program left behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The exit status.
    pub status: i32,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

/// The program, waiting for its arguments, in UTC unless the test sets another `TZ`.
///
/// It is killed, and the test fails, if it has not ended after a minute: no answer takes that long.
pub fn ctrecorder() -> Command {
    let mut command = Command::new(PATH);
    command
        .env("TZ", "UTC")
        .env_remove("RUST_BACKTRACE")
        .timeout(Duration::from_secs(60));
    command
}

/// Runs `command` to its end. Panics if a signal ended it, or if it wrote something other than UTF-8.
///
///     answer(ctrecorder().env("TZ", "Europe/Berlin").args(["list", "-f"]).arg(&segment))
pub fn answer(command: &mut Command) -> Answer {
    let output = command.output().expect("the program was built");
    Answer {
        status: output
            .status
            .code()
            .unwrap_or_else(|| panic!("{command:?}: ended by {}", output.status)),
        stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
    }
}

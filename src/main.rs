//! The `ctrecorder` program.

fn main() -> std::process::ExitCode {
    ctrecorder::cli::main(std::env::args_os())
}

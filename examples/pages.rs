//! `cargo run --example pages -- DIRECTORY`: writes the man pages and the completions of bash, zsh and fish, from the same
//! definition as the program's help.
//!
//! An example rather than a command: whoever runs the program need not carry what writes them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Command;
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

const NAME: &str = "ctrecorder";
const SOURCE: &str = concat!("ctrecorder ", env!("CARGO_PKG_VERSION"));

/// How an apostrophe is told apart from a quotation mark, as `clap_mangen` begins each section.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// What the main page says beyond the help: what the program reads, and where more is said.
const MORE: &str = r#".SH FILES
.TP
.I /etc/ctrecorder/ctrecorder.toml
Options, in a table for each command; see \fBctrecorder\-config\fR(1).
.SH ENVIRONMENT
.TP
.BI CTRECORDER_ COMMAND _ OPTION
An option of a command, in capitals, with _ for \-; see \fBctrecorder\-config\fR(1).
.TP
.B CTRECORDER_CONFIG
The file of options, in place of the one above.
.TP
.B TZ
The time zone of times that name none.
"#;

fn main() -> Result<()> {
    let directory: PathBuf = std::env::args_os().nth(1).context("say where to: pages DIRECTORY")?.into();
    let program = ctrecorder::cli::definition().version(env!("CARGO_PKG_VERSION"));
    pages(&program, &directory.join("man")).context("man pages")?;
    completions(program, &directory.join("completions")).context("completions")
}

/// A page of the program, and one of each command.
fn pages(program: &Command, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    let mut program = program.clone().disable_help_subcommand(true);
    // From here on commands know the options that all of them have.
    program.build();
    let commands: Vec<_> = program.get_subcommands().map(|command| page_name(command.get_name())).collect();
    page(&program, directory, &(MORE.to_owned() + &see_also(commands.iter().map(String::as_str))))?;
    for command in program.get_subcommands() {
        page(command, directory, &see_also([NAME]))?;
    }
    Ok(())
}

/// The name of a command's page.
fn page_name(command: &str) -> String {
    format!("{NAME}-{command}")
}

/// Writes one page, with more behind it.
fn page(command: &Command, directory: &Path, more: &str) -> Result<()> {
    let name = match command.get_name() {
        NAME => NAME.to_owned(),
        command => page_name(command),
    };
    let man = Man::new(command.clone());
    let mut body = Vec::new();
    man.render_name_section(&mut body)?;
    // The usage says what has to be there; a list of all options is what comes next anyway.
    write!(body, ".SH SYNOPSIS\n{}", escaped(&usage(command)))?;
    man.render_description_section(&mut body)?;
    man.render_options_section(&mut body)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut body)?;
    }
    if let Some(exit_status) = command.get_after_help() {
        write!(body, ".SH \"EXIT STATUS\"\n{}", escaped(&exit_status.to_string()))?;
    }
    // No date: the same source makes the same page.
    let title = format!(".TH {} 1 \"\" \"{SOURCE}\" \"ctrecorder manual\"\n", name.to_uppercase());
    let page = title + APOSTROPHE + &tidied(&String::from_utf8(body)?) + more;
    let path = directory.join(format!("{name}.1"));
    fs::write(&path, page).with_context(|| path.display().to_string())
}

/// A command's usage without the word in front.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    usage.trim_start_matches("Usage: ").trim().to_owned()
}

/// A text that says to roff what it says to a reader.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\*(Aq");
    text.lines().map(|line| if line.starts_with('.') { format!("\\&{line}") } else { line.to_owned() } + "\n").collect()
}

/// A page without what `mandoc -Tlint` complains of: sections that each begin with the apostrophe's definition, and space by
/// empty lines.
fn tidied(body: &str) -> String {
    let body = body.replace(APOSTROPHE, "").replace(".br\n\n.br\n", ".sp\n");
    body.lines().map(|line| if line.is_empty() { ".PP" } else { line.trim_end() }.to_owned() + "\n").collect()
}

/// The section that names other pages.
fn see_also<'p>(pages: impl IntoIterator<Item = &'p str>) -> String {
    let pages: Vec<_> = pages.into_iter().map(|page| format!("\\fB{}\\fR(1)", page.replace('-', "\\-"))).collect();
    format!(".SH \"SEE ALSO\"\n{}\n", pages.join(",\n"))
}

fn completions(mut program: Command, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut program, NAME, directory)?;
    }
    Ok(())
}

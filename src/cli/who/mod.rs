//! `ctrecorder who`: who had a public address and port at a time?

mod batch;
mod line;

use std::collections::HashSet;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;
use ctrecorder_format::NS_PER_SECOND;

use super::coverage::now;
use super::of_netns::OfNetns;
use super::{Misuse, Report, Status, Threads, written};
use crate::journal::{Error, Journal, Shown};
use crate::output::who;
use crate::protocol::Protocols;
use crate::query::who::{Answer, Asked, Peer, Question, Terms, Verdict, Why, ask};
use crate::query::{Clock, ClockZone, parse_duration, parse_zone};

/// Say who had a public address and port at a time
///
/// Names the inside host of every flow that had the endpoint then, by source or destination NAT or by itself. The first word of
/// the answer is UNIQUE, AMBIGUOUS (several inside addresses fit; mostly --peer decides), NONE, or UNKNOWN (nobody is found, but
/// something may be missing). Then come the flows, what was recorded around the time, and whether the answer would have been
/// another one with another slack or in another time zone.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// The public endpoint, 203.0.113.6:36782 or [2001:db8::1]:443; of ICMP, the id in place of the port. Or - for questions
    /// on standard input, each a line of ADDRESS:PORT TIME [PEER], each answered by a line of JSON
    #[arg(value_name = "ADDRESS:PORT")]
    endpoint: String,

    /// Segments, files of the C program, or directories of them, of any recorders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The time: 2026-11-20T14:13:20Z, or 2026-11-20 15:13:20 with a zone behind it or with --tz, the date of an e-mail or
    /// of a web server's log, @ and the seconds since 1970, or 5 minutes ago
    #[arg(long, value_name = "TIME")]
    at: Option<String>,

    /// So much the time may be wrong, either way
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = parse_duration, allow_hyphen_values = true)]
    slack: u64,

    /// Of these protocols: names or numbers with commas between. Without it, any that has ports
    #[arg(long, value_name = "PROTOCOL")]
    proto: Option<Protocols>,

    /// The remote side, if the complaint names it
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    peer: Option<String>,

    /// Times without a zone are of this one, as Europe/Warsaw or +01:00, and those of the text are shown in it, rather than in UTC
    #[arg(long, value_name = "ZONE", value_parser = parse_zone, allow_hyphen_values = true)]
    tz: Option<ClockZone>,

    /// Show every flow and every gap. Without it, text shows the 20 that are nearest to the time, and says how many more there
    /// are
    #[arg(long)]
    all: bool,

    /// How the answer is written; lines of questions are always answered in json
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,

    #[command(flatten)]
    of_netns: OfNetns,

    #[command(flatten)]
    threads: Threads,
}

const AFTER_HELP: &str = "\
Exit status: 0 UNIQUE; 1 NONE; 3 AMBIGUOUS; 4 UNKNOWN; 2 wrong usage; 5 no file could be read, or one could not or is damaged \
and the answer is another one than UNKNOWN. Of questions on standard input: 0 all were answered; 2 some made no sense.";

/// In ns: no clock is so wrong without being wrong by days.
const DAY: u64 = 86_400 * NS_PER_SECOND;

const LONG_SLACK: &str =
    "warning: the slack is longer than a day: all that had the endpoint within it are candidates, and each gap counts";

const TO_COME: &str = "warning: that time is still to come, by the clock of this machine: is its date right?";

/// A form of the answer.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for a person
    Text,
    /// One object, times in UTC
    Json,
}

/// Answers what the arguments ask.
pub fn run(arguments: Arguments) -> anyhow::Result<Status> {
    let Arguments { endpoint, paths, at, slack, proto, peer, tz, all, output, of_netns, threads } = arguments;
    refuse_port_apart(peer.as_deref(), &paths)?;
    let terms = Terms { clock: Clock::new(tz), slack, protocols: proto };
    let mut desk = Desk::new(paths, of_netns, threads.number());
    if slack > DAY {
        desk.report.line(LONG_SLACK);
    }
    if endpoint == "-" {
        if at.is_some() || peer.is_some() || all || output == Some(Format::Text) {
            bail!(Misuse(
                "questions on standard input have their own --at and --peer, and are answered in json".into()
            ));
        }
        return batch::run(&terms, &mut desk);
    }
    let Some(at) = at else {
        bail!(Misuse("say --at TIME, as --at 2026-11-20T14:13:20Z".into()));
    };
    let question =
        Question::parse(&endpoint, &at, peer.as_deref(), &terms).map_err(|error| Misuse(error.to_string()))?;
    let answer = desk.ask(std::slice::from_ref(&question))?.answer(question);
    if is_to_come(&answer, now()) {
        desk.report.line(TO_COME);
    }
    if output == Some(Format::Json) {
        warn(&answer, &desk.report);
    }
    let text = match output {
        Some(Format::Json) => who::json(&answer, None)? + "\n",
        Some(Format::Text) | None => who::text(&answer, tz.unwrap_or(ClockZone::UTC), all),
    };
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(status(&answer, desk.report.status()))
}

/// Refuses a port that stands apart from the peer's address, where it is taken for a path.
fn refuse_port_apart(peer: Option<&str>, paths: &[PathBuf]) -> Result<(), Misuse> {
    let Some(Peer { address, port: None }) = peer.and_then(|peer| Peer::parse(peer).ok()) else { return Ok(()) };
    let port = |path: &PathBuf| path.to_str()?.parse::<u16>().ok();
    match paths.iter().filter(|path| !path.exists()).find_map(port) {
        Some(port) => {
            let meant = Peer { address, port: Some(port) };
            Err(Misuse(format!("{port}: there is no such file; a port stands behind its address: --peer {meant}")))
        }
        None => Ok(()),
    }
}

/// How the program ends that gave this answer, and whose reading ended so.
fn status(answer: &Answer, reading: Status) -> Status {
    // That no file could be read says nothing of the time: it is the question that failed.
    let is_read = answer.finding.doubts.iter().all(|doubt| doubt.why != Why::NoFile);
    match (answer.finding.verdict, reading) {
        (Verdict::Unknown, _) if is_read => Status::Unknown,
        (Verdict::Unknown, _) => Status::Failed,
        (_, Status::Failed) => Status::Failed,
        (Verdict::Unique, _) => Status::Done,
        (Verdict::Ambiguous, _) => Status::Ambiguous,
        (Verdict::None, _) => Status::No,
    }
}

/// Whether what was asked for was all after this moment, and no file tells of it: a recorder's clock may have been ahead.
fn is_to_come(answer: &Answer, now: u64) -> bool {
    let from = answer.question.window().from;
    let told_to = answer.around.iter().filter_map(|around| around.given).map(|given| given.to).max();
    from > now && told_to.is_some_and(|told| told < from)
}

/// Says that there may be more than what was found.
fn warn(answer: &Answer, report: &Report) {
    let finding = &answer.finding;
    if !finding.insides.is_empty() && !finding.doubts.is_empty() {
        report.line(format_args!("warning: further flows may be missing: {}", answer.reasons().join("; ")));
    }
}

/// Where questions are answered: the files that are asked, and what was said of them.
struct Desk {
    paths: Vec<PathBuf>,
    of_netns: OfNetns,
    threads: NonZeroUsize,
    /// The files, and what could not be found, where one of them is a pipe, which can be read only once.
    kept: Option<(Journal, Vec<Error>)>,
    report: Report,
    /// What was said already.
    said: HashSet<String>,
}

impl Desk {
    fn new(paths: Vec<PathBuf>, of_netns: OfNetns, threads: NonZeroUsize) -> Self {
        Self { paths, of_netns, threads, kept: None, report: Report::new(0, false), said: HashSet::new() }
    }

    /// Reads what questions need of the files as they are now, for all together.
    fn ask(&mut self, questions: &[Question]) -> Result<Asked, Misuse> {
        let (journal, unfound) = match self.kept.take() {
            Some(kept) => kept,
            None => self.find()?,
        };
        let asked = ask(&journal, questions, &unfound, self.threads);
        if self.paths.iter().any(|path| path.exists() && !path.is_file() && !path.is_dir()) {
            self.kept = Some((journal, unfound));
        }
        for failure in &asked.failures {
            self.fail(failure.to_string());
        }
        for path in &asked.shapeless {
            self.fail(format!("{}: neither its header nor a block is whole", Shown(path)));
        }
        for (path, damage) in &asked.damage {
            self.fail(format!("{}: {damage}", Shown(path)));
        }
        Ok(asked)
    }

    /// The files as they are now, and what could not be found.
    fn find(&mut self) -> Result<(Journal, Vec<Error>), Misuse> {
        let mut failures = Vec::new();
        let mut repeats = Vec::new();
        let journal = Journal::find(&self.paths, |error| failures.push(error));
        let journal = self.of_netns.of(journal, |error| failures.push(error))?;
        let journal = journal.told_once(|repeat| repeats.push(repeat.to_string()));
        for repeat in repeats {
            self.remark(repeat);
        }
        for failure in &failures {
            self.fail(failure.to_string());
        }
        Ok((journal, failures))
    }

    /// Says something that is no failure, once.
    fn remark(&mut self, what: String) {
        if !self.said.contains(&what) {
            self.report.line(&what);
            self.said.insert(what);
        }
    }

    /// Says that something failed, once.
    fn fail(&mut self, what: String) {
        if !self.said.contains(&what) {
            self.report.failure(&what);
            self.said.insert(what);
        }
    }
}

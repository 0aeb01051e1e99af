//! `ctrecorder who -`: questions on standard input, a line each.

use std::io::{self, BufRead, BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use super::line::parse;
use super::{Desk, Status, written};
use crate::output::who;
use crate::query::who::{Asked, Terms};

/// Lines are gathered until so long none came, so that one question at a time is answered at once, and thousands by one
/// pass through the journal.
const SILENCE: Duration = Duration::from_millis(20);

/// The first of them does not wait for longer than this.
const PATIENCE: Duration = Duration::from_millis(500);

/// So many lines are answered at once at most.
const BATCH_MAX: usize = 100_000;

/// A line is no longer than this, with its end: no question is.
const LINE_MAX_BYTES: u64 = 4096;

/// A line as it was read, or what is wrong with it, with its number from 1.
type Line = (u64, io::Result<Result<String, &'static str>>);

/// Answers the questions on standard input, in their order.
pub(super) fn run(terms: &Terms, desk: &mut Desk) -> anyhow::Result<Status> {
    let (sender, lines) = sync_channel::<Line>(BATCH_MAX);
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        for line in (1..).zip(std::iter::from_fn(|| next(&mut input).transpose())) {
            let failed = line.1.is_err();
            // Who hears no more has failed, and says so itself.
            if sender.send(line).is_err() || failed {
                break;
            }
        }
    });
    let mut all_made_sense = true;
    while let Some(batch) = gather(&lines) {
        let terms = Terms { clock: terms.clock.at_present(), ..terms.clone() };
        let answered = answer(batch, &terms, desk)?;
        let (ControlFlow::Continue(make_sense) | ControlFlow::Break(make_sense)) = answered;
        all_made_sense &= make_sense;
        if answered.is_break() {
            break;
        }
    }
    Ok(if all_made_sense { desk.report.status() } else { Status::Usage })
}

/// The next line; `None` at the end. Of one that is too long the rest is passed over.
fn next(input: &mut impl BufRead) -> io::Result<Option<Result<String, &'static str>>> {
    let mut line = Vec::new();
    if input.take(LINE_MAX_BYTES).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() as u64 == LINE_MAX_BYTES && !line.ends_with(b"\n") {
        input.skip_until(b'\n')?;
        return Ok(Some(Err("this line is longer than 4096 bytes")));
    }
    Ok(Some(String::from_utf8(line).map_err(|_| "this line is no text in UTF-8")))
}

/// The lines that came together; `None` at the end.
fn gather(lines: &Receiver<Line>) -> Option<Vec<Line>> {
    let mut batch = vec![lines.recv().ok()?];
    let end = Instant::now() + PATIENCE;
    while batch.len() < BATCH_MAX {
        match lines.recv_timeout(SILENCE.min(end.saturating_duration_since(Instant::now()))) {
            Ok(line) => batch.push(line),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Some(batch)
}

/// Answers the lines that came together. Returns whether all of them made sense, as a reason to stop if nobody reads answers any more.
fn answer(batch: Vec<Line>, terms: &Terms, desk: &mut Desk) -> anyhow::Result<ControlFlow<bool, bool>> {
    let mut lines = Vec::new();
    for (number, line) in batch {
        match line.context("standard input")? {
            Ok(line) => {
                // Some editors begin a file with a byte order mark.
                let line = if number == 1 { line.strip_prefix('\u{feff}').unwrap_or(&line) } else { &line };
                let wrong = |error| Wrong { error, line: number, question: Some(line.trim().to_owned()) };
                lines.extend(parse(line, terms).map(|question| (number, question.map_err(wrong))));
            }
            Err(error) => lines.push((number, Err(Wrong { error: error.to_owned(), line: number, question: None }))),
        }
    }
    let questions: Vec<_> = lines.iter().filter_map(|(_, line)| line.as_ref().ok().cloned()).collect();
    let asked = if questions.is_empty() { Asked::default() } else { desk.ask(&questions)? };
    let make_sense = questions.len() == lines.len();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut write = |(number, line)| -> io::Result<()> {
        let text = match line {
            Ok(question) => who::json(&asked.answer(question), Some(number))?,
            Err(wrong) => serde_json::to_string(&wrong)?,
        };
        writeln!(out, "{text}")
    };
    let done = lines.into_iter().try_for_each(&mut write).and_then(|()| out.flush());
    let is_read = done.is_ok();
    written(done)?;
    Ok(if is_read { ControlFlow::Continue(make_sense) } else { ControlFlow::Break(make_sense) })
}

/// What is wrong with a line.
#[derive(Serialize)]
struct Wrong {
    error: String,
    line: u64,
    /// As it stands there, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<String>,
}

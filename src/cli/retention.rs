//! `ctrecorder coverage --retention`: is anything older than it may be?

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::coverage::{Format, now};
use super::of_netns::OfNetns;
use super::{Report, Status, written};
use crate::counted::counted;
use crate::journal::{Journal, Shown};
use crate::output::Zone;
use crate::output::time::Times;
use crate::query::coverage::{Look, Reading};
use crate::query::time::utc;

/// A file that tells of something too old.
struct Older<'j> {
    path: &'j Path,
    /// The least time of anything in it, ns since the epoch; 0 if that cannot be told.
    from: u64,
}

/// Names the files that tell of what was before `age_ns` ago; the exit status is 1 if there are any.
pub(super) fn run(
    (paths, of_netns): (&[PathBuf], OfNetns),
    age_ns: u64,
    format: Format,
    zone: &Zone,
    out: &mut impl Write,
) -> anyhow::Result<Status> {
    let now = now();
    let before = now.saturating_sub(age_ns);
    let mut failures = Vec::new();
    // Every file counts, also one that tells only what others do.
    let journal = Journal::find(paths, |error| failures.push(error));
    let journal = of_netns.of(journal, |error| failures.push(error))?;
    let mut report = Report::new(journal.length(), true).in_zone(zone.clone());
    failures.into_iter().for_each(|failure| report.failure(failure));
    let (mut reading, mut files) = (Reading::default(), Vec::new());
    for file in journal.files() {
        let added = file.open().and_then(|source| {
            let version = source.parse()?;
            let extent = reading.add(&source, &version, Look::Directory, &mut |_| {});
            report.passed(source.length());
            Ok((extent.is_some(), version.begun()))
        });
        match added {
            Ok((tells, begun)) => files.push((file.path(), tells, begun)),
            Err(error) => report.failure(error),
        }
    }
    let mut told = reading.begun(now).into_iter();
    let from = |(path, tells, begun): (_, bool, u64)| {
        // A flow that nobody saw begin is as old as what first told of it.
        let told = if tells { told.next().flatten() } else { None };
        Older { path, from: told.unwrap_or(begun) }
    };
    let older: Vec<_> = files.into_iter().map(from).filter(|file| file.from < before).collect();
    let text = match format {
        Format::Json => json(before, &older)? + "\n",
        Format::Text => text(before, &older, journal.files().len(), zone),
    };
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(match report.status() {
        Status::Done if !older.is_empty() => Status::No,
        status => status,
    })
}

fn text(before: u64, older: &[Older<'_>], files: usize, zone: &Zone) -> String {
    let mut times = Times::new(zone.clone());
    let mut text = String::new();
    for Older { path, from } in older {
        let since = if *from == 0 { "a time that it does not tell".into() } else { times.text(*from) };
        text += &format!("{}: tells of what was since {since}\n", Shown(path));
    }
    let (before, count) = (times.text(before), older.len());
    text + &match count {
        0 => format!("nothing in {} is from before {before}\n", counted(files, "file")),
        1 => format!("1 of {} tells of what was before {before}\n", counted(files, "file")),
        _ => format!("{count} of {files} files tell of what was before {before}\n"),
    }
}

#[derive(Serialize)]
struct Json {
    before: String,
    older: Vec<JsonOlder>,
}

#[derive(Serialize)]
struct JsonOlder {
    path: String,
    from: Option<String>,
}

fn json(before: u64, older: &[Older<'_>]) -> serde_json::Result<String> {
    let older = older.iter().map(|Older { path, from }| JsonOlder {
        path: path.to_string_lossy().into_owned(),
        from: (*from > 0).then(|| utc(*from)),
    });
    serde_json::to_string(&Json { before: utc(before), older: older.collect() })
}

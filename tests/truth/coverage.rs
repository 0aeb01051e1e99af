//! `coverage` says where the recorder truly heard, and of every gap why, and how much was lost in it.

use ctrecorder_format::NS_PER_SECOND;
use serde_json::Value;

use crate::answers::{moment, run};
use crate::kept::{File, Kept, Why};
use crate::rows::Row;
use crate::world::{Noted, Span, World};

mod turned;

/// A span of the wall clock in which something may be missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Why, in the program's words.
    pub cause: String,
    /// Its begin, ns since the epoch.
    pub from: u64,
    /// Its end.
    pub to: u64,
    /// How many events, where that is known.
    pub lost: Option<u64>,
}

const OVERRUN: &str = "socket buffer full";
const NOT_RUNNING: &str = "recorder not running";
const MISSING: &str = "segment missing";
const VERSION_2: &str = "not told by version 2";
const DAMAGED: &str = "damaged";
const NO_FILE: &str = "no file given";

/// What a clock was set over: it showed none of these times, and nothing was lost in them.
pub const SET_FORWARD: &str = "clock set forward";

/// A step that is not larger is none that a recorder would tell of.
pub const STEP_MIN: i64 = NS_PER_SECOND as i64;

/// What the program says.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// From when to when nothing is missing.
    pub spans: Vec<(u64, u64)>,
    /// And where something may be.
    pub gaps: Vec<Gap>,
}

/// Holds what is covered against what happened, and `also` what it is in another order of files.
pub fn check(world: &World, kept: &Kept, also: bool) {
    let told = ask(&[], [kept.directory.path()]);
    if also {
        assert_eq!(ask(&[], kept.paths().into_iter().rev()), told, "files in another order");
    }
    // Of a clock that was set back, the same times came twice: where a gap is, is then no question with one answer.
    if world.has_steps_back() {
        return turned::check(world, kept, &told);
    }
    check_damage(world, kept, &told);
    check_missing(world, kept);
    let (mut gaps, outer) = expected(world, kept);
    gaps.extend(told.gaps.iter().filter(|gap| gap.cause == DAMAGED).cloned());
    // Which of the reasons it is that nothing tells of a time, files of version 2 do not always say.
    let plain = |gaps: &[Gap]| joined(gaps, kept.has_version_2(), outer);
    assert_eq!(plain(&told.gaps), plain(&gaps), "gaps");
    assert_eq!(told.spans, left(&gaps, outer), "what is covered");
    let inner = (outer.0 + (outer.1 - outer.0) / 5, outer.1 - (outer.1 - outer.0) / 3);
    let wider = (outer.0.saturating_sub(NS_PER_SECOND), outer.1 + NS_PER_SECOND);
    check_within(kept, &gaps, outer, if also { inner } else { wider });
}

/// `test` misses a file between two that are left, of the same run or of others, and no other.
fn check_missing(world: &World, kept: &Kept) {
    // Files of version 2 are none of a chain, and one whose header is damaged may be any that seems to be missing.
    if kept.has_version_2() || kept.files.iter().any(|file| file.is_damaged) {
        return;
    }
    let is_missing = kept.files.windows(2).any(|pair| pair[1].index - pair[0].index > 1);
    let is_torn = kept.files.iter().any(|file| world.files[file.index].torn);
    let tested = run(["test"], [kept.directory.path()]);
    assert_eq!(tested.stdout.contains(" missing between "), is_missing, "{}", tested.stdout);
    assert_eq!(tested.status, i32::from(is_missing || is_torn), "{}", tested.stdout);
}

/// Asks for one span: outside of the journal is no cover.
fn check_within(kept: &Kept, gaps: &[Gap], outer: (u64, u64), asked: (u64, u64)) {
    let at = |ns: u64| format!("@{}.{:09}", ns / NS_PER_SECOND, ns % NS_PER_SECOND);
    let told = ask(&["--since".into(), at(asked.0), "--until".into(), at(asked.1)], [kept.directory.path()]);
    let outside = [(asked.0, outer.0), (outer.1, asked.1)];
    let outside = outside.into_iter().filter(|(from, to)| from < to);
    let outside = outside.map(|(from, to)| Gap { cause: String::new(), from, to, lost: None });
    let gaps: Vec<_> = gaps.iter().cloned().chain(outside).collect();
    assert_eq!(told.spans, left(&gaps, asked), "what is covered of {asked:?}");
}

/// Asks the program.
pub fn ask<B: AsRef<std::ffi::OsStr>>(options: &[String], paths: impl IntoIterator<Item = B>) -> Told {
    let words = ["coverage", "-o", "json"].iter().map(|word| (*word).to_owned()).chain(options.iter().cloned());
    let answer = run(words, paths);
    let told: Value = serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}"));
    let time = |value: &Value| moment(value.as_str().unwrap());
    let list = |name: &str| told[name].as_array().unwrap().clone();
    let spans = list("spans").iter().map(|span| (time(&span["from"]), time(&span["to"]))).collect();
    let gaps = list("gaps").into_iter().map(|gap| Gap {
        cause: gap["cause"].as_str().unwrap().to_owned(),
        from: time(&gap["from"]),
        to: time(&gap["to"]),
        lost: gap["lost"].as_u64(),
    });
    let gaps: Vec<_> = gaps.collect();
    assert_eq!(answer.status, i32::from(!gaps.is_empty()), "{answer:?}");
    Told { spans, gaps }
}

/// What is damaged is told: where, and how many events. Only blocks whose header was damaged are missed.
fn check_damage(world: &World, kept: &Kept, told: &Told) {
    let gaps: Vec<_> = told.gaps.iter().filter(|gap| gap.cause == DAMAGED).collect();
    let lost: Vec<_> = kept.lost.iter().filter(|(_, why)| *why == Why::Damaged(true)).map(|(row, _)| row).collect();
    for row in &lost {
        let at = world.clock.shows(row.at);
        assert!(gaps.iter().any(|gap| gap.from <= at && at <= gap.to), "{row:?} was lost, and not told: {told:?}");
    }
    if lost.iter().all(|row| !world.files[row.file].torn) {
        let told: Option<u64> = gaps.iter().map(|gap| gap.lost).sum();
        assert_eq!(told, Some(lost.len() as u64), "records lost to damage");
    }
    // Of a block of IPv6 nobody knows whether what is missing before it was the other half of its batch.
    let is_within = |gap: &Gap, row: &Row| {
        let at = world.clock.shows(row.at);
        gap.from < at && at < gap.to && !row.says.is_ipv6() && lost.iter().all(|lost| !lost.says.is_ipv6())
    };
    // Damage at the end of one file and at the begin of the next is one gap, with the moment between them in it.
    let is_between = |row: &Row| {
        let is_of = |file: usize| lost.iter().any(|lost| lost.file == file);
        row.at == world.files[row.file].span.from && row.file > 0 && is_of(row.file - 1) && is_of(row.file)
    };
    for gap in gaps {
        assert!(
            !kept.rows.iter().any(|row| is_within(gap, row) && !is_between(row)),
            "{gap:?} holds what was not damaged"
        );
    }
}

/// The gaps but those of damage, and from when to when the journal tells.
pub fn expected(world: &World, kept: &Kept) -> (Vec<Gap>, (u64, u64)) {
    let spans: Vec<_> = kept.files.iter().map(|file| told_by(world, kept, file)).collect();
    let outer = spans.iter().fold((u64::MAX, 0), |outer, span| (outer.0.min(span.0), outer.1.max(span.1)));
    let mut gaps: Vec<_> = world.deaf.iter().filter_map(|deaf| overrun(world, kept, *deaf)).collect();
    gaps.extend((1..world.runs.len()).filter_map(|run| absence(world, kept, run)));
    // A file of version 2 that was begun then seems to have been by less than a microsecond earlier.
    let of_version_2 = kept.files.iter().zip(&spans).filter(|(file, _)| file.is_version_2);
    let of_version_2: Vec<_> = of_version_2.map(|(_, span)| *span).collect();
    for gap in world.noted().into_iter().filter_map(|noted| set_over(world, kept, noted)) {
        let shown = without(&of_version_2, (gap.from, gap.to));
        gaps.extend(shown.into_iter().map(|(from, to)| Gap { from, to, ..gap.clone() }));
    }
    let known: Vec<_> = gaps.iter().filter(|gap| gap.cause == NOT_RUNNING).map(|gap| (gap.from, gap.to)).collect();
    let known: Vec<_> = known.into_iter().chain(spans.iter().copied()).collect();
    for (files, spans) in kept.files.windows(2).zip(spans.windows(2)) {
        let hole = (spans[0].1, spans[1].0);
        let pieces = without(&known, hole);
        gaps.extend(pieces.into_iter().map(|(from, to)| {
            let cause = between(world, &files[0], &files[1], (from == hole.0, to == hole.1)).to_owned();
            Gap { cause, from, to, lost: None }
        }));
    }
    (gaps, outer)
}

/// The span of which a file tells.
pub fn told_by(world: &World, kept: &Kept, file: &File) -> (u64, u64) {
    let made = world.files[file.index];
    let (from, shows) = (world.clock.shows(made.span.from), |at| world.clock.shows(at));
    // The heads of blocks tell of time, also where what stands behind them is damaged.
    let damaged = kept.lost.iter().filter(|(_, why)| *why == Why::Damaged(false)).map(|(row, _)| row);
    let rows = kept.rows.iter().chain(damaged).filter(|row| row.file == file.index);
    if file.is_version_2 {
        let from = from / 1_000 * 1_000;
        let last = rows.max_by_key(|row| row.at).map_or(from, |row| row.says.time());
        (from.min(last), from.max(last))
    } else if made.torn {
        // Of one that was torn, its last block or note; if that is half of a batch, what was whole before.
        let is_torn = kept.lost.iter().any(|(row, why)| *why == Why::Torn && row.file == file.index);
        let last = rows.map(|row| row.at).chain(notes(world, made.run)).filter(|at| made.span.holds(*at)).max();
        let last = last.map_or(from, shows);
        (from, if is_torn { solid(world, made.run).clamp(from.min(last), last) } else { last })
    } else {
        (from, shows(made.span.to.min(world.last)))
    }
}

/// When a run wrote notes.
fn notes(world: &World, run: usize) -> impl Iterator<Item = u64> {
    let span = world.runs[run].span;
    let noted = world.noted().into_iter().map(|noted| noted.at).filter(move |at| span.holds(*at));
    world.readings(run).into_iter().chain(noted)
}

/// The gap of an overrun. It is told of when the kernel has room again.
fn overrun(world: &World, kept: &Kept, deaf: Span) -> Option<Gap> {
    let teller = world.files.iter().position(|file| file.span.holds(deaf.to))?;
    kept.file(teller).filter(|file| !file.is_version_2)?;
    let starts = world.flows.iter().filter(|flow| deaf.holds(flow.start)).count();
    let ends = world.flows.iter().filter(|flow| deaf.holds(flow.end) && flow.end <= world.last).count();
    let is_found = |row: &&Row| row.says.is_found() && deaf.from < row.at && row.at <= deaf.to;
    let found = crate::rows::rows(world).iter().filter(is_found).count();
    let lost = (starts + ends - found) as u64;
    let (from, to) = (world.clock.shows(deaf.from), world.clock.shows(deaf.to));
    (starts + ends > 0).then(|| Gap { cause: OVERRUN.into(), from, to, lost: Some(lost) })
}

/// The times that a clock was set over, as the file tells that was written then.
fn set_over(world: &World, kept: &Kept, Noted { at, by, file, .. }: Noted) -> Option<Gap> {
    kept.file(file).filter(|file| !file.is_version_2)?;
    let to = world.clock.shows(at);
    let from = to.saturating_add_signed(-by);
    (by > STEP_MIN).then(|| Gap { cause: SET_FORWARD.into(), from, to, lost: Some(0) })
}

/// The gap before a run, which its first file tells of.
fn absence(world: &World, kept: &Kept, run: usize) -> Option<Gap> {
    let first = world.files.iter().position(|file| file.run == run)?;
    kept.file(first).filter(|file| !file.is_version_2)?;
    let to = world.clock.shows(world.runs[run].span.from);
    Some(Gap { cause: NOT_RUNNING.into(), from: solid(world, run - 1).min(to), to, lost: None })
}

/// The time of the last thing that a run wrote for good.
pub fn solid(world: &World, run: usize) -> u64 {
    let ended = world.runs[run];
    if !ended.crashed {
        return world.clock.shows(ended.span.to);
    }
    let tick = last_tick(world, ended.span.to);
    let rows = crate::rows::rows(world);
    let written = rows.iter().filter(|row| world.files[row.file].run == run && row.at < tick).map(|row| row.at);
    world.clock.shows(written.chain(notes(world, run)).max().unwrap_or(ended.span.from))
}

/// When what had been gathered was last written before this time: a second after the first event since it was before.
fn last_tick(world: &World, before: u64) -> u64 {
    let mut events: Vec<_> = world.flows.iter().flat_map(|flow| [flow.start, flow.end]).collect();
    events.retain(|at| *at < before && world.is_heard(*at));
    events.sort_unstable();
    let (mut last, mut next) = (0, None);
    for at in events.into_iter().chain([before]) {
        if let Some(tick) = next.filter(|tick| *tick <= at) {
            (last, next) = (tick, None);
        }
        next.get_or_insert(at + NS_PER_SECOND);
    }
    last
}

/// Why nothing tells of a piece between two files; whether it begins with the end of the one, and ends with the begin of
/// the other.
fn between(world: &World, before: &File, after: &File, (follows, leads): (bool, bool)) -> &'static str {
    let (one, other) = (world.files[before.index], world.files[after.index]);
    // The first file of a run tells when the run before it ended, which may not be there at all.
    let is_behind_another = one.run + 1 < other.run && other.number == 0 && !leads;
    let is_seen = (one.went_on && follows) || (other.number > 0 && leads) || is_behind_another;
    match (before.is_version_2, one.run == other.run || is_seen) {
        (true, _) => VERSION_2,
        (_, true) => MISSING,
        _ => NOT_RUNNING,
    }
}

/// Gaps within a span, those of one cause that touch as one. All that nothing tells of has one cause if they are `alike`.
fn joined(gaps: &[Gap], alike: bool, (from, to): (u64, u64)) -> Vec<Gap> {
    let mut gaps = gaps.to_vec();
    for gap in &mut gaps {
        if alike && [NOT_RUNNING, MISSING, VERSION_2].contains(&&*gap.cause) {
            gap.cause = "absent".into();
        }
    }
    gaps.sort_unstable();
    gaps.dedup_by(|later, first| {
        let is_one = later.cause == first.cause && later.from <= first.to;
        if is_one {
            first.to = first.to.max(later.to);
            first.lost = first.lost.zip(later.lost).map(|(a, b)| a + b);
        }
        is_one
    });
    gaps.retain_mut(|gap| {
        let is_instant = gap.from == gap.to;
        (gap.from, gap.to) = (gap.from.max(from), gap.to.min(to));
        gap.from < gap.to || (is_instant && gap.from == gap.to)
    });
    gaps
}

/// What no gap touches.
fn left(gaps: &[Gap], outer: (u64, u64)) -> Vec<(u64, u64)> {
    without(&gaps.iter().map(|gap| (gap.from, gap.to)).collect::<Vec<_>>(), outer)
}

/// What is left of a span without these: looked at between each two of all times there are.
fn without(spans: &[(u64, u64)], (from, to): (u64, u64)) -> Vec<(u64, u64)> {
    let mut times: Vec<_> = spans.iter().flat_map(|span| [span.0, span.1]).chain([from, to]).collect();
    times.retain(|time| from <= *time && *time <= to);
    times.sort_unstable();
    times.dedup();
    let mut left: Vec<(u64, u64)> = Vec::new();
    for pair in times.windows(2).filter(|pair| !spans.iter().any(|span| span.0 <= pair[0] && pair[1] <= span.1)) {
        match left.last_mut().filter(|last| last.1 == pair[0]) {
            Some(last) if !spans.iter().any(|span| *span == (pair[0], pair[0])) => last.1 = pair[1],
            _ => left.push((pair[0], pair[1])),
        }
    }
    left
}

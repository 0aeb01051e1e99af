//! When flows were alive, and when they may have been for all that the records say.

use std::net::SocketAddr;

use ctrecorder_format::record::flags::{RECOVERED, START_FROM_KERNEL};
use ctrecorder_format::{Kind, Note};
use ctrecorder_synth::Flow;

use super::question::Seen;
use crate::found::{found, is_hidden};
use crate::kept::{Kept, Why};
use crate::pairs::gone;
use crate::rows::{Row, Says, endpoints};
use crate::world::{Span, World};

/// When a flow was alive.
#[derive(Clone, Debug)]
pub struct Life {
    endpoints: [SocketAddr; 4],
    protocol: u8,
    /// By the clock that is never set, both ends included.
    truly: (u64, u64),
    /// The same by the wall clock: a span for each time that it was set.
    shown: Vec<(u64, u64)>,
    /// The same as far as the records leave it possible; `None` if that clock was never set back.
    turned: Option<Vec<(u64, u64)>>,
    /// Whether its start was heard.
    pub is_begin_heard: bool,
    /// What its own records leave possible, by the wall clock.
    possible: (u64, u64),
    /// When another flow had its place, which the records of that tell.
    replaced_by: Option<u64>,
    /// Whether any record of it is left.
    pub is_recorded: bool,
    /// Whether its start and its end were heard, and are told; or it was alive when all ended.
    pub is_exact: bool,
    /// Its start and its end as they are told, 0 for what is not.
    pub times: (u64, u64),
}

impl Life {
    /// Whether it was alive at a moment of this window.
    pub fn was_alive(&self, window: (u64, u64)) -> bool {
        self.shown.iter().any(|shown| meets(*shown, window))
    }

    /// The same of what the clock showed within a span.
    pub fn was_alive_within(&self, world: &World, span: Span, window: (u64, u64)) -> bool {
        let (from, to) = (self.truly.0.max(span.from), self.truly.1.min(span.to.saturating_sub(1)));
        from <= to && shown(world, (from, to)).iter().any(|shown| meets(*shown, window))
    }

    /// Whether it may have been alive then, for all that is known.
    pub fn may_have_lived(&self, window: (u64, u64)) -> bool {
        // Of a time that a clock showed twice, which was set back, nobody can say which of the two it was; but of a start that was
        // heard, the order of records says it.
        match &self.turned {
            Some(turned) => !self.is_begin_heard || turned.iter().any(|span| meets(*span, window)),
            None => {
                let (from, to) = self.possible;
                meets((from, self.replaced_by.map_or(to, |begin| begin.max(from))), window)
            }
        }
    }

    /// The same where nothing tells which of the flows that had its place came behind it, if its begin is not told.
    pub fn may_have_lived_unordered(&self, window: (u64, u64)) -> bool {
        self.may_have_lived(window) || (self.times.0 == 0 && self.turned.is_none() && meets(self.possible, window))
    }

    /// Whether one of these may have been alive then, if nobody knows which start belongs to which end: nor then which of them it is
    /// whose end is not told.
    pub fn may_one_have_lived(lives: &[&Self], window: (u64, u64)) -> bool {
        let end = |life: &&Self| if life.times.1 == 0 { u64::MAX } else { life.possible.1 };
        let from = lives.iter().map(|life| life.possible.0).min();
        from.zip(lives.iter().map(end).max()).is_some_and(|all| meets(all, window))
    }

    /// Whether the clock was set while it was alive, or may have been, for it was found after a gap; and nobody can tell by its start whether
    /// the clock was set back before: it may have shown that before, and what was made of a journal does not tell between which records
    /// it began. `told_from` is when the clock may have begun to show the start of a flow.
    pub fn may_have_begun_before_a_step(&self, world: &World, told_from: u64) -> bool {
        let ((began, _), start) = (self.truly, self.shown.first().map_or(0, |shown| shown.0));
        let steps: Vec<_> =
            world.steps().filter(|(at, _)| *at <= began).map(|(at, by)| (world.clock.shows(at), by)).collect();
        let begins = [told_from].into_iter().chain(steps.iter().map(|(after, _)| *after));
        let mut before = begins.zip(steps.iter().map(|(after, by)| after.saturating_add_signed(-by)));
        (self.shown.len() > 1 || !self.is_begin_heard) && before.any(|span| meets(span, (start, start)))
    }

    /// The same of its end, which a clock may have shown again that was set back later.
    pub fn may_have_ended_behind_a_step(&self, world: &World) -> bool {
        let ((_, ended), end) = (self.truly, self.shown.last().map_or(0, |shown| shown.1));
        let mut later = world.steps().filter(|(at, by)| ended < *at && *by < 0);
        let may_show = |at: u64| world.clock.shows(at).saturating_sub(Note::CLOCK_STEP_NOTICED_NS) <= end;
        (self.shown.len() > 1 || !self.is_begin_heard) && later.any(|(at, _)| may_show(at))
    }

    /// When it truly began, by the clock that is never set.
    pub const fn began(&self) -> u64 {
        self.truly.0
    }

    /// Whether some of its life was in one of these spans.
    pub fn is_in(&self, spans: &[Span]) -> bool {
        spans.iter().any(|span| meets(self.truly, (span.from, span.to)))
    }

    /// The flow as it is seen from a public endpoint; `None` if that is not one of its.
    pub fn seen_from(&self, endpoint: SocketAddr) -> Option<Seen> {
        let [original_src, original_dst, reply_src, reply_dst] = self.endpoints;
        let protocol = self.protocol;
        if reply_dst == endpoint {
            // One that was not translated calls its peer by the name that it knows.
            let peer = if original_src == endpoint { original_dst } else { reply_src };
            return Some(Seen { inside: original_src, peer, protocol });
        }
        let peer = if reply_src == endpoint { reply_dst } else { original_src };
        (original_dst == endpoint).then_some(Seen { inside: reply_src, peer, protocol })
    }
}

fn meets(one: (u64, u64), other: (u64, u64)) -> bool {
    one.0 <= other.1 && other.0 <= one.1
}

/// The lives of all flows.
pub fn lives(world: &World, kept: &Kept) -> Vec<Life> {
    let mut rows: Vec<Vec<&Row>> = vec![Vec::new(); world.flows.len()];
    kept.rows.iter().for_each(|row| rows[row.flow].push(row));
    let mut lives: Vec<_> = (0..world.flows.len()).map(|flow| life(world, kept, flow, &rows[flow])).collect();
    succeed(&mut lives, &rows, world);
    lives
}

fn life(world: &World, kept: &Kept, number: usize, rows: &[&Row]) -> Life {
    let flow = &world.flows[number];
    let start = start(world, kept, rows);
    let end = rows.iter().find(|row| row.says.kind == Kind::End);
    let was_heard = |kind| rows.iter().any(|row| row.says.kind == kind && row.says.is_heard());
    let lives_on = flow.end > world.last && !kept.lost.iter().any(|(row, _)| row.flow == number);
    let truly = (flow.start, flow.end);
    let told = (start.map_or(0, |(_, told)| told), end.map_or(0, |end| end.says.end));
    Life {
        endpoints: endpoints(flow),
        protocol: flow.protocol,
        truly,
        shown: shown(world, truly),
        turned: world.has_steps_back().then(|| {
            let mut spans = turned(world, kept, flow.start, gone_by(world, kept, flow, rows));
            // The reading that found it gone may tell only that the clock had been set back since the one before, and the time of that.
            let last = spans.last_mut().zip(end.filter(|end| !end.says.is_heard()));
            last.into_iter().for_each(|((_, to), end)| *to = end.says.end.max(*to));
            spans
        }),
        is_begin_heard: was_heard(Kind::Start),
        possible: (start.map_or(0, |(least, _)| least), end.map_or(u64::MAX, |end| last(&end.says, end.says.end))),
        replaced_by: None,
        is_recorded: !rows.is_empty(),
        is_exact: was_heard(Kind::Start) && (was_heard(Kind::End) || lives_on) || rows.is_empty(),
        times: told,
    }
}

/// The last moment that a time of a record may stand for: of one in version 2, what is below the microsecond is cut off.
const fn last(says: &Says, time: u64) -> u64 {
    if says.id == 0 { time + 999 } else { time }
}

/// The earliest start that the records leave possible, and the one that they tell; `None` if they tell none.
fn start(world: &World, kept: &Kept, rows: &[&Row]) -> Option<(u64, u64)> {
    // Of several, that of the end is better where it is the kernel's: in version 2 it is cut off.
    let knows = |row: &&&Row| row.says.begin() != 0;
    let best = |row: &&&Row| row.says.kind == Kind::End && row.says.flags & START_FROM_KERNEL != 0;
    let Some(row) = rows.iter().filter(knows).find(best).or_else(|| rows.iter().find(knows)) else {
        // Which damage is known depends on who is asked for.
        let is_damaged = kept.files.iter().any(|file| file.is_damaged);
        let found = rows.first().filter(|_| !is_damaged).and_then(|first| found(world, kept, &[], first));
        return found.map(|(after, _)| (after, 0));
    };
    let told = row.says.start;
    if row.says.flags & RECOVERED == 0 || row.says.flags & START_FROM_KERNEL != 0 {
        return Some((told, told));
    }
    // Who only repeats it does not say how the table was read; nor does anybody if something is lost between it and the end of
    // the reading, which may have been another one's end.
    let mut lost = kept.lost.iter().filter(|(_, why)| matches!(why, Why::Damaged(_)));
    if row.says.kind != Kind::Start || lost.any(|(lost, _)| (lost.file, lost.at) == (row.file, row.at)) {
        return Some((0, told));
    }
    // It began after the table was read before, if that is told.
    let damaged: Vec<_> = kept.files.iter().filter(|file| file.is_damaged).map(|file| file.index).collect();
    let is_told = |at: &u64| {
        let file = world.files.iter().position(|file| file.span.holds(*at)).and_then(|index| kept.file(index));
        file.is_some_and(|file| !file.is_version_2 && !is_hidden(kept, &damaged, file.index, *at))
    };
    let readings = world.readings(world.files[row.file].run);
    let before = readings.into_iter().filter(|reading| *reading < row.at).filter(is_told).max();
    Some((before.map_or(0, |before| world.clock.shows(before)), told))
}

/// What the wall clock showed in a span.
fn shown(world: &World, (from, to): (u64, u64)) -> Vec<(u64, u64)> {
    let steps: Vec<_> = world.steps().map(|(at, _)| at).filter(|at| from < *at && *at <= to).collect();
    let begins = [from].into_iter().chain(steps.iter().copied());
    let ends = steps.iter().map(|at| at - 1).chain([to]);
    begins.zip(ends).map(|(from, to)| (world.clock.shows(from), world.clock.shows(to))).collect()
}

/// By when a flow was gone, for all that is told, by the clock that is never set; 2^64 - 1 if nothing is.
fn gone_by(world: &World, kept: &Kept, flow: &Flow, rows: &[&Row]) -> u64 {
    let damaged: Vec<_> = kept.files.iter().filter(|file| file.is_damaged).map(|file| file.index).collect();
    match rows.iter().find(|row| row.says.kind == Kind::End) {
        Some(end) if end.says.is_heard() => flow.end,
        Some(end) => end.at,
        None => rows.last().and_then(|last| gone(world, kept, &damaged, last)).unwrap_or(u64::MAX),
    }
}

/// What the wall clock may have shown in a span, for all that is told: a span for each time that it was set back. What it was set over counts.
fn turned(world: &World, kept: &Kept, from: u64, to: u64) -> Vec<(u64, u64)> {
    let (mut spans, mut begin) = (Vec::new(), world.clock.shows(from));
    for (at, _) in world.steps().filter(|(at, by)| from < *at && *at <= to && *by < 0) {
        let unknown = unknown_around(world, kept, at);
        spans.push((begin, world.clock.shows(at - 1).saturating_add(unknown)));
        begin = world.clock.shows(at).saturating_sub(unknown);
    }
    spans.push((begin, if to == u64::MAX { to } else { world.clock.shows(to) }));
    spans.into_iter().map(|(from, to)| (from.min(to), to.max(from))).collect()
}

/// For how long around a time at which the clock was set nobody knows when that was: until it was noticed, or as long as nobody recorded whose
/// files are left.
fn unknown_around(world: &World, kept: &Kept, at: u64) -> u64 {
    let is_noted = world.noted().iter().any(|noted| noted.set == at && kept.file(noted.file).is_some());
    let spans = || kept.files.iter().map(|file| world.files[file.index].span);
    let ended = spans().filter(|span| span.from < at).map(|span| span.to.min(at)).max().unwrap_or(at);
    let begun = spans().map(|span| span.from).filter(|from| at < *from).min().unwrap_or(at);
    if is_noted { Note::CLOCK_STEP_NOTICED_NS } else { Note::CLOCK_STEP_NOTICED_NS.max(begun - ended) }
}

/// Of a flow whose end nobody tells it is known that it was gone when another one had its place: the kernel's table has one
/// flow of a protocol and reply tuple.
fn succeed(lives: &mut [Life], rows: &[Vec<&Row>], world: &World) {
    for number in 0..lives.len() {
        if rows[number].iter().any(|row| row.says.kind == Kind::End) || world.has_steps_back() {
            continue;
        }
        let key = |life: &Life| (life.protocol, life.endpoints[2], life.endpoints[3]);
        let own = key(&lives[number]);
        let later = (number + 1..lives.len()).filter(|other| key(&lives[*other]) == own && !rows[*other].is_empty());
        let begins = later.filter_map(|other| rows[other].iter().map(|row| &row.says).find(|says| says.begin() != 0));
        let begin = begins.map(|says| last(says, says.start)).min();
        lives[number].replaced_by = begin;
    }
}

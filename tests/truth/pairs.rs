//! `list --squeezed` says of each flow what its records say together; squeezing a journal changes no answer, nor does exporting it.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ctrecorder_format::Kind;
use ctrecorder_format::record::flags::{END_AT_LATEST, RECOVERED, REPLY_SEEN, START_FROM_KERNEL};

use crate::answers::{listed, run};
use crate::ask::Ask;
use crate::coverage;
use crate::found::{found, is_hidden};
use crate::kept::{Kept, Why};
use crate::list::first_difference;
use crate::rows::{Row, Says};
use crate::world::World;

/// Holds the flows that are listed against what was written of them, and `also` those of its other forms.
pub fn check(world: &World, kept: &Kept, asks: &[Ask], also: bool) {
    let (_, told) = listed(["-s"], kept.paths());
    check_bounds(world, kept, &told);
    if also {
        forms(world, kept).iter().for_each(|form| check_form(world, kept, &told, form));
    }
    // Where the clock was set back, flows may begin after they end, and nothing says which time is to be believed.
    if world.has_steps_back() {
        return;
    }
    let damaged: Vec<_> = kept.files.iter().filter(|file| file.is_damaged).map(|file| file.index).collect();
    let all = expected(world, kept, &damaged);
    same("flows", &without_bounds(&told), &all);
    for ask in asks {
        let what: Vec<_> = ["-s".to_owned()].into_iter().chain(ask.options()).collect();
        let found = without_bounds(&listed(&what, kept.paths()).1);
        let is_wanted = |flow: &Says| ask.holds(flow);
        // Damage that could hide nothing of what was asked for need not be found: then readings behind it are believed.
        let hides = |file: &usize| {
            let mut lost = kept.lost.iter().filter(|(row, why)| matches!(why, Why::Damaged(_)) && row.file == *file);
            lost.any(|(row, _)| all.iter().any(|flow| flow.id == row.says.id && is_wanted(flow)))
        };
        let (must, may): (Vec<_>, Vec<_>) = damaged.iter().copied().partition(hides);
        let differences = crate::list::choices(&must, &may).map(|known| {
            let wanted = expected(world, kept, &known).into_iter().filter(is_wanted).collect::<Vec<_>>();
            difference(&found, &wanted)
        });
        if let Some(difference) = crate::list::all_differ(differences) {
            panic!("{}: {difference}", what.join(" "));
        }
    }
}

/// What has the flows of a journal in another form changes no answer.
fn check_form(world: &World, kept: &Kept, told: &[Says], Form { name, paths }: &Form) {
    // Nor does what was made part by part tell then which of them came first.
    if paths.len() > 1 && world.has_steps_back() {
        return;
    }
    let (_, again) = listed(["-s"], paths);
    // Where the clock was set back, two readings of the table may have ended at the same time.
    let plain = |flows: &[Says]| match paths.len() {
        1 if world.has_steps_back() => without_bounds(flows),
        1 => flows.to_vec(),
        // Since when an end may have been missed, a part knows less well, and not at all of a flow that was there at its begin when that
        // had begun.
        _ => without_bounds(flows).into_iter().map(of_part).collect(),
    };
    same(&format!("flows of the {name}"), &plain(&again), &plain(told));
    // Coverage reads no records: what is damaged in them, only who squeezes sees. Where the clock was set back, a squeezed file
    // covers what its last time leaves of it.
    if !world.has_steps_back() && !kept.files.iter().any(|file| file.is_damaged) {
        let (whole, once) = (coverage::ask(&[], kept.paths()), coverage::ask(&[], paths));
        // A file of version 2 seems to have begun by less than a microsecond earlier, and before the clock was set forward.
        let unit = if kept.has_version_2() { 1_000 } else { 1 };
        let [once, whole] = [once.spans, whole.spans]
            .map(|spans| spans.into_iter().map(|(from, to)| (from / unit, to / unit)).collect::<Vec<_>>());
        assert_eq!(once, whole, "coverage of the {name}");
    }
}

/// What parts tell of a flow as the whole journal does.
fn of_part(flow: Says) -> Says {
    let start = if flow.flags & RECOVERED == 0 { flow.start } else { 0 };
    Says { start, flags: flow.flags & !RECOVERED, ..flow }
}

/// Another form of a journal.
pub struct Form {
    /// What it is called.
    pub name: &'static str,
    /// Where it is.
    pub paths: Vec<PathBuf>,
}

/// The other forms of a journal: the one file that squeezing makes of it, and its archive; the same of its two halves, each made by
/// itself; and an archive that grew.
pub fn forms(world: &World, kept: &Kept) -> Vec<Form> {
    let form = |name, paths: Option<Vec<PathBuf>>| Some(Form { name, paths: paths? });
    let has_archives = cfg!(feature = "archive");
    // As long as it grows, the next file is missing, which seems to be an older one where the clock was set back by days.
    let grows = has_archives && !world.is_set_far_back();
    let forms = [
        form("squeezed journal", Some(vec![squeezed(kept)])),
        form("archive", has_archives.then(|| vec![made(kept, "export", ".archive")])),
        form("parts squeezed one by one", halves(kept, "squeeze", ".part")),
        form("parts exported one by one", has_archives.then(|| halves(kept, "export", ".archived")).flatten()),
        form("journal squeezed into a directory", into_directory(kept).map(|path| vec![path])),
        form("archive of several exports", grows.then(|| Some(vec![grown(kept)?])).flatten()),
    ];
    forms.into_iter().flatten().collect()
}

/// Whether nothing of what is left is damaged or of version 2: of such parts nobody knows which flows they leave open.
fn is_plain(kept: &Kept) -> bool {
    kept.files.iter().all(|file| !file.is_damaged && !file.is_version_2)
}

/// What a command makes of each half of the journal by itself. `None` if it has none.
fn halves(kept: &Kept, command: &str, name: &str) -> Option<Vec<PathBuf>> {
    let paths = kept.paths();
    if paths.len() < 2 || !is_plain(kept) {
        return None;
    }
    let (first, second) = paths.split_at(paths.len() / 2);
    let make = |half: &[PathBuf], number: u8| made_of(kept, command, &format!("{name}{number}"), half);
    Some(vec![make(first, 1), make(second, 2)])
}

/// The directory of squeezed files of a journal, made in one run or in two. `None` if something is missing or damaged, or more may be
/// written to the last file.
fn into_directory(kept: &Kept) -> Option<PathBuf> {
    let path = kept.directory.path().join(".directory");
    if path.exists() || !is_plain(kept) {
        return Some(path).filter(|path| path.exists());
    }
    let paths = kept.paths();
    let squeeze = |into: &Path, count: usize| {
        let mut named = into.to_path_buf().into_os_string();
        named.push("/");
        let answer = run(["squeeze".into(), "-o".into(), named], paths[..count].to_vec());
        assert_ne!(answer.status, 2, "the journal squeezed into a directory: {}", answer.stderr);
        answer.stderr.contains(" 0 left for another time")
    };
    if paths.len() > 1 {
        squeeze(&path, paths.len() / 2);
    }
    let is_all = squeeze(&path, paths.len());
    let at_once = kept.directory.path().join(".at-once");
    assert_eq!(squeeze(&at_once, paths.len()), is_all);
    for output in fs::read_dir(&at_once).unwrap().map(|output| output.unwrap().file_name()) {
        let [one, other] = [&path, &at_once].map(|directory| fs::read(directory.join(&output)).unwrap());
        assert!(one == other, "{} is another file if it is made in another run", output.display());
    }
    if !is_all {
        fs::remove_dir_all(&path).unwrap();
    }
    is_all.then_some(path)
}

/// The archive of a journal that grew file by file, of which each export goes on with the one before it. `None` if something is
/// missing or damaged, so that nothing goes on there, or more may be written to the last file.
fn grown(kept: &Kept) -> Option<PathBuf> {
    let path = kept.directory.path().join(".grown");
    if kept.files.len() > 6 || !is_plain(kept) {
        return None;
    }
    let paths = kept.paths();
    let words = ["export".into(), "--add".into(), "-o".into(), path.clone().into_os_string()];
    let mut said = String::new();
    for count in 1..=paths.len() {
        let answer = run(words.clone(), paths[..count].to_vec());
        assert_ne!(answer.status, 2, "the archive of several exports, file {count}: {}", answer.stderr);
        said = answer.stderr;
    }
    (!said.contains("left for another time")).then_some(path)
}

/// The one file that squeezing makes of a journal.
pub fn squeezed(kept: &Kept) -> PathBuf {
    made(kept, "squeeze", ".squeezed")
}

/// What a command makes of the journal, under this name.
fn made(kept: &Kept, command: &str, name: &str) -> PathBuf {
    made_of(kept, command, name, &kept.paths())
}

/// What a command makes of these files, under this name.
fn made_of(kept: &Kept, command: &str, name: &str, files: &[PathBuf]) -> PathBuf {
    let path = kept.directory.path().join(name);
    if path.exists() {
        return path;
    }
    let words = [command.into(), "-o".into(), path.clone().into_os_string()];
    let answer = run(words, files);
    assert!(path.exists(), "{answer:?}");
    path
}

/// An end that was not heard came not before the time that is told.
fn check_bounds(world: &World, kept: &Kept, told: &[Says]) {
    let ends: HashMap<_, _> = world.flows.iter().map(|flow| (flow.id(), flow.end)).collect();
    for flow in told.iter().filter(|flow| flow.ended_after != 0 && !world.has_steps_back()) {
        let (at, end) = (ends[&flow.id], world.clock.shows(ends[&flow.id]));
        assert!(end <= flow.end, "it ended at {end}: {flow:?}");
        assert!(flow.ended_after <= end || is_untold(world, kept, at), "it ended at {end}: {flow:?}");
    }
}

/// Whether a moment is in an overrun that began in one file and is told of in another one that is not left: the first one
/// then seems to be complete.
pub fn is_untold(world: &World, kept: &Kept, at: u64) -> bool {
    let is_left = |index| kept.file(index).is_some_and(|file| !file.is_version_2 && !file.is_damaged);
    let deaf = world.deaf.iter().filter(|deaf| deaf.holds(at));
    deaf.into_iter().any(|deaf| {
        let files = world.files.iter().enumerate();
        let mut over = files.filter(|(_, file)| file.span.from <= deaf.to && deaf.from <= file.span.to);
        over.any(|(index, _)| !is_left(index))
    })
}

fn same(what: &str, found: &[Says], expected: &[Says]) {
    if let Some(difference) = difference(found, expected) {
        panic!("{what}: {difference}");
    }
}

/// How flows differ from others, whatever their order.
fn difference(found: &[Says], expected: &[Says]) -> Option<String> {
    let (mut found, mut expected) = (found.to_vec(), expected.to_vec());
    found.sort_unstable();
    expected.sort_unstable();
    first_difference(&found, &expected)
}

fn without_bounds(flows: &[Says]) -> Vec<Says> {
    flows.iter().map(|flow| Says { ended_after: 0, ..flow.clone() }).collect()
}

/// What the records of a flow have in common in every file.
type Tuples = (u8, [SocketAddr; 4]);

/// The flows that the records tell of. `known` are the files whose damage is known to whoever lists.
fn expected(world: &World, kept: &Kept, known: &[usize]) -> Vec<Says> {
    let mut alike: HashMap<Tuples, Vec<&Row>> = HashMap::new();
    for row in &kept.rows {
        alike.entry((row.says.protocol, row.says.endpoints)).or_default().push(row);
    }
    let is_gone = |last: &Row, now: &Row| gone(world, kept, known, last).is_some_and(|gone| gone < now.at);
    alike.values().flat_map(|rows| lives(rows, is_gone)).map(|rows| flow(world, kept, known, &rows)).collect()
}

/// The records of the same tuples, those of each life together: a start begins one, an end is its last. `is_gone`: whether the
/// flow of a record was known to be gone when another one came.
fn lives<'k>(rows: &[&'k Row], is_gone: impl Fn(&Row, &Row) -> bool) -> Vec<Vec<&'k Row>> {
    let mut lives: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        let id = row.says.id;
        let is_open = |life: &&mut Vec<&Row>| {
            !is_end(life.last()) && life.last().is_none_or(|last| named(life) == id || !is_gone(last, row))
        };
        // Of one that begins, nothing was known before. A file of version 2 knows no id: its records are of whatever is open.
        let open = || row.says.kind != Kind::Start;
        let own = lives.iter_mut().rev().filter(is_open).find(|life| open() && named(life) == id);
        let life = match own {
            Some(life) => Some(life),
            None => lives
                .iter_mut()
                .rev()
                .filter(is_open)
                .find(|life| open() && (named(life) == 0 || id == 0) && agree(life, row)),
        };
        match life {
            Some(life) => life.push(row),
            None => lives.push(vec![row]),
        }
    }
    lives
}

/// The id that a life has, 0 if none is known.
fn named(life: &[&Row]) -> u32 {
    life.iter().map(|row| row.says.id).find(|id| *id != 0).unwrap_or(0)
}

fn is_end(row: Option<&&Row>) -> bool {
    row.is_some_and(|row| row.says.kind == Kind::End)
}

/// Whether both tell of the same start, or one of none.
fn agree(life: &[&Row], row: &Row) -> bool {
    let own = life.iter().map(|row| row.says.begin()).find(|start| *start != 0).unwrap_or(0);
    let other = row.says.begin();
    own == 0 || other == 0 || own / 1_000 == other / 1_000
}

/// What the records of one life say together.
fn flow(world: &World, kept: &Kept, known: &[usize], rows: &[&Row]) -> Says {
    let end = rows.last().filter(|row| row.says.kind == Kind::End);
    let begun: Vec<_> = rows.iter().filter(|row| row.says.kind != Kind::End).collect();
    // The kernel's stamp of the start is the same in all of them; without stamps, an end repeats what was known. That of version
    // 2 is cut off: an end with the kernel's is better.
    let best = end.filter(|end| end.says.start != 0 && end.says.flags & START_FROM_KERNEL != 0);
    let teller = best.or_else(|| rows.iter().find(|row| row.says.begin() != 0));
    let (start, stamped) = teller.map_or((0, 0), |row| (row.says.start, row.says.flags & START_FROM_KERNEL));
    // Where none does, it is known of some when they were found.
    let found = rows.first().filter(|_| start == 0).and_then(|first| found(world, kept, known, first));
    let (start, stamped) = found.map_or((start, stamped), |(_, by)| (by, RECOVERED));
    // Whoever tells the start tells whether it was found.
    let first = begun.first().map_or(0, |row| row.says.flags) & (RECOVERED | REPLY_SEEN)
        | teller.map_or(0, |row| row.says.flags & RECOVERED);
    let (until, how) = match (end, rows.last()) {
        (Some(end), _) => (end.says.end, end.says.flags & !START_FROM_KERNEL),
        (None, Some(last)) => {
            gone(world, kept, known, last).map_or((0, 0), |at| (world.clock.shows(at), END_AT_LATEST))
        }
        (None, None) => (0, 0),
    };
    let told_later = |row: &&Row| match row.says.kind {
        Kind::Update => row.says.flags,
        Kind::Open => row.says.flags & REPLY_SEEN,
        _ => 0,
    };
    let updated = rows.iter().map(told_later).fold(0, |all, flags| all | flags);
    let flags = first | how | stamped | updated;
    let id = end.map_or_else(|| rows.iter().map(|row| row.says.id).max().unwrap_or(0), |end| end.says.id);
    Says { kind: Kind::Flow, start, end: until, flags, id, ended_after: 0, ..rows[0].says.clone() }
}

/// When the table was read next, after this record, in a later segment that names all flows that are alive: by the clock that
/// is never set.
pub fn gone(world: &World, kept: &Kept, known: &[usize], last: &Row) -> Option<u64> {
    if last.says.id == 0 {
        return None;
    }
    let readings = kept.files.iter().filter(|file| file.index > last.file && !file.is_version_2).flat_map(|file| {
        let made = world.files[file.index];
        world.readings(made.run).into_iter().filter(move |at| made.span.holds(*at)).map(|at| (file.index, at))
    });
    let mut whole = readings.filter(|(file, at)| !is_hidden(kept, known, *file, *at));
    whole.next().map(|(_, at)| at)
}

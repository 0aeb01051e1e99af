//! `ctrecorder squeeze`: starts and ends become flows, in a file of their own.

mod directory;
mod long;
mod origins;
mod output;
mod sum;
mod timeless;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::ValueEnum;
use ctrecorder_format::Family;

use super::flows::{Begun, Choice, Ending, Plan, Stream};
use super::of_netns::OfNetns;
use super::size::Size;
use super::{InZone, Misuse, Report, Selected, Selection, Status, Threads};
use crate::file::directory_of;
use crate::journal::{Journal, Shown};
use crate::query::{Allowance, Pairs};
use output::{Made, Output};
use sum::Sum;

/// Merge starts and ends into flows
///
/// Each flow becomes one record with its start and its end; where one of them is missing, half a flow. Nothing is overwritten,
/// and inputs are never changed, unless --remove takes them away. Without -o each input has its output beside it, tcp.sq.ct for
/// tcp.ct, which readers of the directory pass over as long as the input is there. Where only some flows are wanted, times,
/// duration and mark are asked of the whole flow, and the header of the output tells the filter.
#[derive(clap::Args)]
pub struct Arguments {
    /// Segments, files of the C program, or, with -o, directories of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The file to write: all inputs together become this one. Or a directory (one that exists, or a name that ends in /): each
    /// input becomes a segment there, under its own name, with the flows that ended in it. What is there already is not made
    /// again, and what is still being written is left for another time
    #[arg(short, long, value_name = "FILE|DIRECTORY")]
    output: Option<PathBuf>,

    /// Remove each input once its output in the directory is on the medium and was read back, but for the last one. An input that
    /// is damaged stays, and so do those in or below a directory with a file named HOLD. Not where only some flows are wanted
    #[arg(long)]
    remove: bool,

    /// How much memory what is known of open flows may take (KiB, MiB, GiB): 64 bytes for one of IPv4, 128 for IPv6. The rest goes
    /// to a file without a name beside the output
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    memory: Size,

    /// Write a file of the C program (version 2); it holds IPv4 flows of one protocol. Flows of which neither start nor end is
    /// known are left out and told, and the exit status is 5
    #[arg(long)]
    legacy: bool,

    /// Only flows of this family
    #[arg(long)]
    family: Option<FamilyName>,

    #[command(flatten)]
    of_netns: OfNetns,

    #[command(flatten)]
    zone: InZone,

    #[command(flatten)]
    threads: Threads,

    #[command(flatten)]
    selection: Box<Selection>,
}

/// An address family as it is typed.
#[derive(Clone, Copy, ValueEnum)]
enum FamilyName {
    Ipv4,
    Ipv6,
}

/// How an output is made.
struct How {
    choice: Choice,
    /// In version 2.
    legacy: bool,
    threads: NonZeroUsize,
    /// Bytes that what is known of open flows may take.
    memory: u64,
}

impl How {
    /// Pairs with as much memory as they may have, and a place beside this output for the rest.
    fn pairs(&self, output: &Path) -> Pairs {
        Pairs::within(&Allowance::of(self.memory, directory_of(output)))
    }
}

/// Squeezes what the arguments name.
pub fn run(arguments: Arguments) -> anyhow::Result<Status> {
    let clock = arguments.zone.clock();
    let (Selected { filter, mut remarks }, protocols) = arguments.selection.selected_beside_protocols(&clock)?;
    let mut failures = Vec::new();
    let directory = arguments.output.as_deref().filter(|path| directory::is_directory(path));
    if directory.is_some() && arguments.legacy {
        bail!(Misuse(
            "in a directory, one segment goes on with another: that is beyond version 2, so --legacy makes one file"
                .into()
        ));
    }
    if directory.is_none() && arguments.remove {
        bail!(Misuse("--remove goes with a directory: -o DIRECTORY/".into()));
    }
    if arguments.output.is_none()
        && let Some(directory) = arguments.paths.iter().find(|path| path.is_dir())
    {
        let what = format!(
            "{}: where what is squeezed of a directory goes, say with -o: a file, or a directory (-o NAME/)",
            Shown(directory)
        );
        bail!(Misuse(what));
    }
    let journal = Journal::find(&arguments.paths, |error| failures.push(error)).fixed();
    // What does not tell of which network namespace it is may be of this one: then it ends what is made in a directory.
    let headless =
        if directory.is_some() && arguments.of_netns.is_chosen() { journal.headless() } else { Journal::default() };
    let journal = arguments.of_netns.of(journal, |error| failures.push(error))?.and(headless);
    let journal = journal.told_once(|repeats| remarks.push(repeats.to_string()));
    let mut report = Report::new(journal.length(), true).in_zone(arguments.zone.zone());
    arguments.zone.tell(&report);
    remarks.iter().for_each(|remark| report.line(remark));
    for failure in failures {
        report.failure(failure);
    }
    let family = arguments.family.map(|name| match name {
        FamilyName::Ipv4 => Family::Ipv4,
        FamilyName::Ipv6 => Family::Ipv6,
    });
    let choice = Choice::new(protocols, family, filter);
    if arguments.remove && !choice.is_all() {
        let what = "--remove with a choice of flows would remove all the others with the inputs";
        bail!(Misuse(format!("{what}: squeeze all of them, and choose from what comes of that")));
    }
    if let Some(filter) = choice.filter_text().filter(|_| arguments.legacy) {
        report.line(format_args!("a file of version 2 cannot tell that it has only what was asked for: {filter}"));
    }
    let (threads, memory) = (arguments.threads.number(), arguments.memory.0);
    let how = How { choice, legacy: arguments.legacy, threads, memory };
    if let Some(directory) = directory {
        directory::squeeze(journal, directory, &how, arguments.remove, &mut report)?;
    } else if let Some(path) = &arguments.output {
        if let Some(sum) = squeeze(&journal.all_by_time(), path, &how, &mut report)? {
            report.line(format_args!("{}: {sum}", Shown(path)));
        }
    } else {
        for journal in journal.split() {
            for path in journal.files().iter().map(|file| squeezed_beside(file.path())) {
                if let Some(sum) = squeeze(&journal, &path, &how, &mut report)? {
                    let path = Shown(&path);
                    let told = if how.legacy {
                        "a listing of its directory has its flows twice now"
                    } else {
                        "who reads its directory passes it over as long as its input is there"
                    };
                    report.line(format_args!("{path}: {sum}; {told}"));
                }
            }
        }
    }
    Ok(report.status())
}

/// Makes one output of a journal, or says why not. An input that cannot be read at all is left out. Returned is what was made; wrong
/// usage is an error.
fn squeeze(journal: &Journal, path: &Path, how: &How, report: &mut Report) -> anyhow::Result<Option<Sum>> {
    match try_squeeze(journal, path, how, report) {
        Err(error) if error.is::<Misuse>() => Err(error),
        Err(error) => {
            report.failure(format_args!("{}: not written: {error:#}", Shown(path)));
            Ok(None)
        }
        Ok(made) => {
            let mut sum = Sum::default();
            sum.wrote(&made, journal.length());
            Ok(Some(sum))
        }
    }
}

fn try_squeeze(journal: &Journal, path: &Path, how: &How, report: &mut Report) -> anyhow::Result<Made> {
    let Some(plan) = Plan::for_journal(journal, &how.choice, report)? else {
        bail!("there is nothing to squeeze");
    };
    let plan = plan.of_one_recorder().map_err(|several| {
        Misuse(format!(
            "{}: not written: {several}; -o DIRECTORY/, one directory for each, keeps them apart",
            Shown(path)
        ))
    })?;
    let output = if how.legacy { Output::legacy(path, &plan)? } else { Output::segment(path, &plan)? };
    let ending = Ending::HalfFlows(Begun::with(how.pairs(path)));
    let made = Stream::start(output, plan, &how.choice, journal, ending, report)?.run(&how.choice, how.threads)?;
    made.timeless.tell(path, report);
    Ok(made)
}

/// The path of a file's squeezed form unless another one is asked for: beside it, with `.sq` before the suffix.
fn squeezed_beside(input: &Path) -> PathBuf {
    let mut name = input.file_stem().unwrap_or_default().to_os_string();
    name.push(".sq");
    if let Some(suffix) = input.extension() {
        name.push(".");
        name.push(suffix);
    }
    input.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::time::{Duration, SystemTime};

    use ctrecorder_format::{Closing, Content, Header, Kind, V4, Writer};

    use super::*;
    use crate::query::Filter;
    use crate::sample::{data, record};

    /// A segment with a flow of the address with this number in it.
    fn segment(number: u8, is_whole: bool) -> Vec<u8> {
        let header = Header { families: 3, created: 1, recorder_started: 1, ..Header::blank(Content::Events) };
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        let [inside, server] = [([10, 0, 0, number], 1024), ([198, 51, 100, 1], 443)];
        let flow = record::<V4>(Kind::Flow, 10, 20, [inside, server, server, inside]);
        writer.push(&flow, None, 20);
        writer.seal();
        if is_whole {
            writer.finish(Closing::Complete, 30).unwrap();
        }
        writer.write_out().unwrap();
        writer.into_output()
    }

    /// Squeezes a file with these bytes to which something happens between its header was read and its records. Whether there is an
    /// output then.
    fn squeezed_while(bytes: &[u8], happens: impl Fn(&Path)) -> Result<bool, String> {
        let place = tempfile::tempdir().unwrap();
        let [input, path] = ["1.ct", "sq.ct"].map(|name| place.path().join(name));
        fs::write(&input, bytes).unwrap();
        let choice = Choice::of_flows(Filter::default());
        let journal = Journal::find(std::slice::from_ref(&input), |error| panic!("{error}")).fixed();
        let mut report = Report::new(0, false);
        let plan = Plan::for_journal(&journal, &choice, &mut report).unwrap().unwrap();
        happens(&input);
        let output = Output::segment(&path, &plan).unwrap();
        let ending = Ending::HalfFlows(Begun::with(Pairs::default()));
        let stream = Stream::start(output, plan, &choice, &journal, ending, &mut report).unwrap();
        let made = stream.run(&choice, NonZeroUsize::MIN);
        assert_eq!(path.exists(), made.is_ok());
        made.map(|_| true).map_err(|error| error.to_string())
    }

    /// A whole segment, one that is cut off, and a file of version 2, each with another one of its length.
    fn inputs() -> [[Vec<u8>; 2]; 3] {
        let own = data("tcp.ct");
        let mut other = own.clone();
        *other.last_mut().unwrap() ^= 1;
        [[1, 2].map(|number| segment(number, true)), [1, 2].map(|number| segment(number, false)), [own, other]]
    }

    /// A clock may be too coarse to tell.
    fn touch(path: &Path) {
        let later = FileTimes::new().set_modified(SystemTime::now() + Duration::from_secs(10));
        File::options().write(true).open(path).unwrap().set_times(later).unwrap();
    }

    #[test]
    fn an_output_is_not_made_of_another_file_than_the_one_that_it_names() {
        const CHANGED: &str = "1.ct: it was replaced or written to since it was looked at";
        for [own, other] in inputs() {
            assert_eq!(own.len(), other.len());
            assert_eq!(squeezed_while(&own, |_| ()), Ok(true));
            let replace = |path: &Path| {
                let new = path.with_extension("new");
                fs::write(&new, &other).unwrap();
                fs::rename(new, path).unwrap();
            };
            let alter = |path: &Path| {
                fs::write(path, &other).unwrap();
                touch(path);
            };
            for changed in [squeezed_while(&own, replace), squeezed_while(&own, alter)] {
                assert!(changed.as_ref().is_err_and(|error| error.ends_with(CHANGED)), "{changed:?}");
            }
        }
    }

    /// As some programs do that copy it. What does not tell its content is known by them.
    #[test]
    fn that_somebody_sets_the_times_of_a_whole_segment_is_of_no_consequence() {
        let [[whole, _], others @ ..] = inputs();
        assert_eq!(squeezed_while(&whole, touch), Ok(true));
        for [own, _] in others {
            assert!(squeezed_while(&own, touch).is_err());
        }
    }

    #[test]
    fn a_squeezed_file_has_sq_before_the_suffix() {
        for (input, output) in [
            ("tcp.ct", "tcp.sq.ct"),
            ("tcp", "tcp.sq"),
            ("/var/ct.d/tcp", "/var/ct.d/tcp.sq"),
            ("a/tcp.2026-11-20.ct", "a/tcp.2026-11-20.sq.ct"),
            (".ct", ".ct.sq"),
        ] {
            assert_eq!(squeezed_beside(Path::new(input)), Path::new(output));
        }
    }
}

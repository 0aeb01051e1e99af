//! The start and the end of a recorder, in their order.

use std::net::SocketAddr;
use std::os::unix::fs::fchown;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ctrecorder_format::{Family, Note};
use nix::sys::signalfd::SignalFd;
use nix::unistd::geteuid;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::daemon::{self, Report, Side};
use super::delivery::Delivery;
use super::error::StartError;
use super::listen::{self, Listener, Wanted};
use super::manager::Manager;
use super::metrics::{Metrics, Sources};
use super::netns::{Ids, Others};
use super::pattern::Pattern;
use super::pidfile::PidFile;
use super::predecessor::Origin;
use super::privileges::{self, Identity};
use super::queue::{Command, Queue};
use super::retention::{Limits, Retention};
use super::sandbox::{Reach, Sandbox, capabilities};
use super::segments::Segments;
use super::statistics::Statistics;
use super::sync::Sync;
use super::table::Table;
use super::write::Recording;
use super::{clock, header, logging, neighbours, settings, stderr, syslog};
use crate::netlink::socket::{EventSocket, OpenError};
use crate::protocol::Protocols;

/// How to record.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where segments go, and how often a new one begins.
    pub pattern: Pattern,
    /// Which layer-4 protocols are recorded.
    pub protocols: Protocols,
    /// Which address families are recorded.
    pub families: Vec<Family>,
    /// The socket's receive buffer in bytes.
    pub socket_buffer: usize,
    /// Let the kernel hold back ends that find no room in that buffer, as long as its table has room for them.
    pub reliable: bool,
    /// How often to look for ends that the kernel does not report; never if `None`.
    pub poll: Option<Duration>,
    /// How many events may wait to be written.
    pub queue: usize,
    /// After how long without an event to warn, while the kernel's table is not empty; never if `None`.
    pub silence: Option<Duration>,
    /// What to add to the process' nice value.
    pub nice: i32,
    /// The user to become, by name or number.
    pub user: Option<String>,
    /// The group to become, by name or number.
    pub group: Option<String>,
    /// Where to write the process id.
    pub pid_file: Option<PathBuf>,
    /// Stay in the foreground, and log to standard error.
    pub foreground: bool,
    /// When what was written is synced to the medium.
    pub sync: Sync,
    /// Where metrics can be asked for; nowhere if `None`.
    pub metrics: Option<SocketAddr>,
    /// What is kept of the journal.
    pub limits: Limits,
    /// Whether packets and bytes shall be counted, as far as the kernel's settings are concerned.
    pub accounting: bool,
    /// Set the kernel's settings as recommended.
    pub set_sysctls: bool,
    /// Give up, once started, whatever a recorder does not need: files, system calls, and of root's powers all but CAP_NET_ADMIN.
    pub sandbox: bool,
    /// Record every network namespace that has an id in the recorder's own, each in a journal of its own.
    pub all_netns: bool,
    /// Looks at the start for what would cost records, after settings were set: [`doctor::at_start`](crate::doctor::at_start),
    /// which stands above the recorder and so is handed in.
    pub examine: fn(&Options) -> Vec<Remark>,
}

impl Options {
    /// What is recorded.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted { protocols: self.protocols.clone(), families: self.families.clone() }
    }

    /// What is recorded, for the log: whoever forgets `--protocol` has TCP alone, and is to see that before it is missing.
    fn what(&self) -> String {
        if self.protocols.numbers().is_empty() { "all protocols".into() } else { format!("{} alone", self.protocols) }
    }

    /// Whether it gives up what it does not need. To look into other network namespaces takes what a sandbox is there to take away, and
    /// what another user does not have, nor who was granted no more than it takes to hear of them.
    fn is_sandboxed(&self) -> bool {
        self.sandbox && (!self.all_netns || self.user.is_some() || !capabilities::may_enter_netns())
    }
}

/// Something to tell the operator at the start.
#[derive(Clone, Debug)]
pub struct Remark {
    /// A line.
    pub text: String,
    /// It would cost records: then the caller in front of the background process is told, too.
    pub costs_records: bool,
}

/// Records until a signal ends it. In the background, the caller's process returns as soon as the recorder runs.
pub fn run(options: &Options) -> Result<(), StartError> {
    // Whom to become is looked up first: a wrong name is the caller's mistake, to be told at once.
    let identity = Identity::find(options.user.as_deref(), options.group.as_deref())?;
    if options.foreground {
        logging::to_stderr();
        let _guard = SayAll;
        return Recorder::start(options, identity)?.record(None);
    }
    match daemon::detach()? {
        Side::Caller => {
            stderr::finish();
            Ok(())
        }
        Side::Background(report) => {
            logging::to_syslog();
            let unheard = syslog::unheard();
            match Recorder::start(options, identity) {
                Ok(recorder) => {
                    recorder.warned(unheard).record(Some(report)).inspect_err(|error| tracing::error!("{error}"))
                }
                Err(error) => {
                    report.failed(&error);
                    Err(error)
                }
            }
        }
    }
}

/// Tells whoever started the recorder why it ended. Who reads nothing of standard error is waited for no longer than a moment: a recorder
/// that has ended can be started again.
pub fn tell(text: &str) {
    stderr::say(text);
}

/// Tells whoever starts the recorder something, behind all that was told before, once there is a thread for that: when the recorder has
/// started, when [`tell`] is called, or [`tell_rest`].
pub fn tell_later(text: &str) {
    stderr::put(text);
}

/// Tells what is still to be told, and waits no longer than a moment for whoever reads it.
pub fn tell_rest() {
    stderr::finish();
}

/// Has what was logged written at the end, however that comes.
struct SayAll;

impl Drop for SayAll {
    fn drop(&mut self) {
        stderr::finish();
    }
}

/// A recorder that has everything it needs and no second thread yet.
struct Recorder {
    pid_file: Option<PidFile>,
    warnings: Vec<String>,
    signals: SignalFd,
    socket: EventSocket,
    ids: Option<Ids>,
    delivery: Delivery,
    segments: Segments,
    not_running: Option<Note>,
    options: Options,
    wanted: Wanted,
    poll: Option<Duration>,
    prior_audible: bool,
    queue: usize,
    silence: Option<Duration>,
    retention: Option<Retention>,
    metrics: Option<Metrics>,
    pattern: Pattern,
    started: u64,
    sandbox: Option<Sandbox>,
}

impl Recorder {
    fn start(options: &Options, identity: Option<Identity>) -> Result<Self, StartError> {
        // From here on signals wait to be read: as soon as the pid file names this process, someone may send one.
        let signals = listen::signals()?;
        let pid_file = options.pid_file.as_deref().map(PidFile::lock).transpose()?;
        be_nice(options.nice)?;
        if options.all_netns {
            open_many();
        }
        let told = |error: OpenError| if options.all_netns { error.of_who_hears_all_netns() } else { error };
        let mut socket = EventSocket::open(options.socket_buffer).map_err(told)?;
        let ids = options.all_netns.then(Ids::open).transpose()?;
        if ids.is_some() {
            socket.hear_all_netns()?;
        }
        let delivery = Delivery::begin(&socket, options.reliable)
            .map_err(StartError::system("cannot make the kernel's delivery reliable"))?;
        let mut warnings = Vec::new();
        let now = clock::now();
        let directory = options.pattern.directory(now);
        match &identity {
            Some(identity) => identity.check_directory(&directory, options.is_sandboxed())?,
            None if options.is_sandboxed() => privileges::check_directory_when_sandboxed(&directory)?,
            None => {}
        }
        let own = Origin::own();
        let neighbours = neighbours::look(&options.pattern, now)?;
        warnings.extend(neighbours.warnings);
        warnings.extend(options.limits.warnings(&options.pattern, &own));
        // A port below 1024 takes privileges.
        let metrics = options.metrics.map(Metrics::bind).transpose()?;
        // As it was when the flows began that are there already.
        let prior_audible = settings::reports_all();
        if options.set_sysctls {
            warnings.extend(settings::set(options.accounting));
        }
        let (costs, remarks): (Vec<_>, Vec<_>) =
            (options.examine)(options).into_iter().partition(|remark| remark.costs_records);
        warnings.extend(costs.into_iter().map(|remark| remark.text));
        let header = header::first(&options.families, &options.protocols, now);
        let segments = Segments::create(options.pattern.clone(), header, options.sync)?;
        // Whoever looks from now on finds the first segment.
        drop(neighbours.lock);
        let is_root_for_good = identity.as_ref().map_or_else(|| geteuid().is_root(), Identity::stays_root);
        if let Some(identity) = identity {
            hand_over(&identity, &segments).inspect_err(|_| segments.abandon())?;
        }
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        remarks.iter().for_each(|remark| tracing::warn!("{}", remark.text));
        let delivery_text = if delivery.is_reliable() { "reliable" } else { "lossy" };
        tracing::info!("socket buffer of {} KiB, {delivery_text} delivery", socket.receive_buffer() / 1024);
        tracing::info!("{}: recording {}", segments.path().display(), options.what());
        tracing::info!("retention: {}", options.limits);
        if is_root_for_good {
            tracing::warn!("recording as root: --user with another one leaves whoever came to rule this recorder less");
        }
        if !options.is_sandboxed() {
            let why = if options.sandbox { "--all-netns with CAP_SYS_ADMIN, without --user" } else { "--no-sandbox" };
            tracing::warn!("no sandbox ({why}): whoever came to rule this recorder would have all that it has");
        }
        let sandbox = options.is_sandboxed().then(|| Sandbox::enter(&reach(options))).transpose();
        let sandbox = sandbox.inspect_err(|_| segments.abandon())?;
        let retention = Retention::new(options.limits, &options.pattern, own);
        let (wanted, pattern, options) = (options.wanted(), options.pattern.clone(), options.clone());
        let (poll, queue, silence) = (options.poll, options.queue, options.silence);
        let not_running = neighbours.not_running;
        Ok(Self {
            pid_file,
            warnings,
            signals,
            socket,
            ids,
            delivery,
            segments,
            not_running,
            options,
            wanted,
            poll,
            prior_audible,
            queue,
            silence,
            retention,
            metrics,
            pattern,
            started: now,
            sandbox,
        })
    }

    /// With this among what the caller is told, too.
    fn warned(mut self, warning: Option<String>) -> Self {
        self.warnings.extend(warning);
        self
    }

    /// Starts the writing thread, drains until told to stop, and waits for all to be written.
    fn record(self, report: Option<Report>) -> Result<(), StartError> {
        if self.options.foreground {
            stderr::begin().map_err(StartError::system("cannot start a thread"))?;
        }
        let queue = Queue::new(self.queue).map_err(StartError::system("cannot make an event file"))?;
        let statistics = Arc::new(Statistics::default());
        let table = Table::new(self.wanted.clone(), self.poll, self.prior_audible, &queue, &statistics);
        let others = self.ids.map(|ids| Others::new(ids, self.options, Arc::clone(&statistics)));
        let mut listener = Listener::new(self.socket, self.delivery, self.signals, self.wanted, &queue, &statistics);
        listener.hear(others);
        let (metrics, pattern, started) = (self.metrics, self.pattern, self.started);
        let sources = Sources { statistics: &statistics, queue: &queue, pattern: &pattern, started };
        let recording =
            Recording::new(self.segments, self.not_running, table, &queue, &statistics, self.silence, self.retention)
                .within(self.sandbox)
                .under(Manager::find());
        let result = std::thread::scope(|scope| {
            let _guard = StopAnswering(metrics.as_ref());
            let writing = std::thread::Builder::new()
                .name("write".into())
                .spawn_scoped(scope, || {
                    let _guard = EndTogether(&queue);
                    recording.run()
                })
                .map_err(StartError::system("cannot start a thread"))?;
            if let Some(metrics) = &metrics {
                let answering = std::thread::Builder::new().name("metrics".into());
                let answering = answering.spawn_scoped(scope, || metrics.serve(&sources));
                answering
                    .map_err(StartError::system("cannot start a thread"))
                    .inspect_err(|_| drop(StopWriting(&queue)))?;
            }
            if let Some(report) = report {
                report.started(&self.warnings);
            }
            let listened = {
                let _guard = StopWriting(&queue);
                listener.run()
            };
            let written = writing.join().unwrap_or_else(|_| {
                let error = std::io::Error::other("it panicked; this is a defect");
                Err(StartError::System { what: "the writing thread ended early", error })
            });
            listened.and(written)
        });
        drop(self.pid_file);
        result
    }
}

/// Ends the draining thread when the writing one ends, however it does: nobody would write what is received.
pub(super) struct EndTogether<'a>(pub(super) &'a Queue);

impl Drop for EndTogether<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Ends the writing thread when the draining one ends, however it does: nothing more comes.
struct StopWriting<'a>(&'a Queue);

impl Drop for StopWriting<'_> {
    fn drop(&mut self) {
        self.0.command(Command::StopNow);
        self.0.drained(clock::now());
    }
}

/// Ends the thread that answers for metrics.
struct StopAnswering<'a>(Option<&'a Metrics>);

impl Drop for StopAnswering<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|metrics| metrics.stop());
    }
}

/// Gives the first segment and the process to the user that the recorder becomes.
fn hand_over(identity: &Identity, segments: &Segments) -> Result<(), StartError> {
    fchown(segments.file(), identity.user(), identity.group())
        .map_err(StartError::system("cannot change the owner of the first segment"))?;
    identity.assume()
}

/// What a recorder has to reach once it has started.
fn reach(options: &Options) -> Reach {
    Reach {
        journal: options.pattern.fixed_directory(),
        pid_file: options.pid_file.clone(),
        asks_for_netns: options.all_netns,
    }
}

/// Each namespace takes some file descriptors, and nobody knows how many there will be: as many as this process may have.
fn open_many() {
    let limits = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }) {
        tracing::warn!("no more than {:?} file descriptors can be had: {error}", limits.current);
    }
}

fn be_nice(increment: i32) -> Result<(), StartError> {
    if increment == 0 {
        return Ok(());
    }
    rustix::process::nice(increment).map(drop).map_err(StartError::system("cannot change the nice value"))
}

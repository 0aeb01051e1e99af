//! What would keep a recorder from recording everything: looked for, and named, and never changed.
//!
//! | file | looks at |
//! |---|---|
//! | `modules` | what is in the kernel, without having it load anything |
//! | `tracking` | connection tracking in this network namespace, and whether this process may hear of it |
//! | `settings` | its settings, its table, the socket's buffer |
//! | `netns` | the other network namespaces, if they are to be recorded |
//! | `clock` | whether the clock is synchronised |
//! | `sandbox` | what keeps a recorder to its own |
//! | `messages` | whether anybody hears what a recorder says |
//! | `place` | the directory of the files, and what is in it |
//! | `space` | its room, and how long that lasts |
//! | [`show`] | what was found, as text and as JSON |
//!
//! The recorder itself looks at the same at its start ([`at_start`]).

mod clock;
mod finding;
mod messages;
mod modules;
mod netns;
mod place;
mod sandbox;
mod settings;
pub mod show;
mod space;
mod tracking;

pub use finding::{Finding, Verdict};

use crate::capture::clock::now;
use crate::capture::{Limits, Options, Pattern, Remark};
use modules::{CTNETLINK, Modules, Presence};
use place::Who;

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Whether packets and bytes are to be counted.
    pub accounting: bool,
    /// Whether the other network namespaces are to be recorded.
    pub all_netns: bool,
    /// Whether it would write messages to standard error.
    pub foreground: bool,
    /// The receive buffer that a recorder would ask for, in bytes.
    pub socket_buffer: usize,
    /// Where it would write, if that is to be looked at.
    pub pattern: Option<&'a Pattern>,
    /// Whom it would become, by name or number.
    pub user: Option<&'a str>,
    /// Which group, likewise.
    pub group: Option<&'a str>,
    /// Why it would not start with the options that it has, if it would not.
    pub refused: Option<String>,
    /// What is kept of the journal there.
    pub limits: Limits,
}

/// Looks at everything, in the order in which a recorder depends on it.
pub fn examine(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = examine_but_files(subject);
    if let Some(pattern) = subject.pattern {
        // Who starts one in the background is told by itself.
        findings.extend((!subject.foreground).then(messages::examine));
        findings.extend(place::files(pattern, &subject.limits, now()));
    }
    findings
}

/// What a recorder that starts is to tell: all that is not right. At the files that are there already it looks itself.
pub fn at_start(options: &Options) -> Vec<Remark> {
    let subject = Subject {
        accounting: options.accounting,
        // Its recorder looks at each by itself, and says what is not right there.
        all_netns: false,
        foreground: options.foreground,
        socket_buffer: options.socket_buffer,
        pattern: Some(&options.pattern),
        user: options.user.as_deref(),
        group: options.group.as_deref(),
        refused: None,
        limits: options.limits,
    };
    let mut findings = examine_but_files(&subject);
    if options.all_netns {
        findings = findings.into_iter().map(tracking::beside_others).collect();
    }
    let not_right = findings.into_iter().filter(|finding| finding.verdict != Verdict::Ok);
    not_right.map(|finding| Remark { costs_records: finding.verdict == Verdict::Cost, text: finding.line() }).collect()
}

fn examine_but_files(subject: &Subject<'_>) -> Vec<Finding> {
    let modules = Modules::running();
    let ctnetlink = modules.presence(CTNETLINK);
    let mut findings = tracking::examine(&modules, ctnetlink);
    findings.extend(settings::all(subject.accounting));
    findings.extend(settings::table());
    // Where that is missing, to open a socket of netfilter might have the kernel load something.
    if ctnetlink == Presence::Present {
        findings.extend(settings::buffer(subject.socket_buffer));
    }
    if subject.all_netns {
        findings = findings.into_iter().map(tracking::beside_others).collect();
        findings.push(netns::examine());
    }
    findings.push(clock::examine());
    findings.push(sandbox::examine());
    if let Some(pattern) = subject.pattern {
        let found = |why: &String| Finding::cost("options", format!("a recorder would refuse to start: {why}"));
        findings.extend(subject.refused.as_ref().map(found));
        let who = Who { user: subject.user, group: subject.group };
        findings.push(place::directory(pattern, who, now()));
        // What limits keep that no recorder takes nobody has to find room for.
        let limits = if subject.refused.is_some() { Limits::default() } else { subject.limits };
        findings.extend(space::examine(pattern, &limits, now()));
    }
    findings
}

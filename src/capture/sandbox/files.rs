//! Which files a recorder can reach once it has started: Landlock (kernel documentation, userspace-api/landlock.rst).
//!
//! Landlock looks at what is opened, made or removed, not at what is open already, nor at who asks what a file's metadata are.

use std::fmt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
    make_bitflags,
};
use nix::libc;

/// What is read while recording: the kernel's settings, and time zones when they change.
const READ: [&str; 3] = ["/proc/sys/net/netfilter", "/usr/share/zoneinfo", "/etc/localtime"];

/// Where network namespaces stand that were given a name.
const NETNS: &str = "/run/netns";

/// The accesses to files that are taken away, where the kernel knows them. Later ones would take away the sockets of syslog and
/// of the service manager.
const HANDLED: ABI = ABI::V5;

/// What a recorder has to reach.
#[derive(Clone, Debug)]
pub(in crate::capture) struct Reach {
    /// Beneath it segments are made, synced and removed.
    pub(in crate::capture) journal: PathBuf,
    /// The pid file, which is removed at the end.
    pub(in crate::capture) pid_file: Option<PathBuf>,
    /// Which other network namespaces have an id is asked, by the names that they have.
    pub(in crate::capture) asks_for_netns: bool,
}

impl Reach {
    /// What may be done where.
    fn rules(&self) -> Vec<(&Path, BitFlags<AccessFs>)> {
        let journal = make_bitflags!(AccessFs::{
            ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile
        });
        let mut rules = vec![(self.journal.as_path(), journal)];
        if let Some(directory) = self.pid_file.as_deref().and_then(Path::parent) {
            rules.push((directory, AccessFs::RemoveFile.into()));
        }
        rules.extend(READ.map(|path| (Path::new(path), AccessFs::ReadFile.into())));
        if self.asks_for_netns {
            rules.push((Path::new(NETNS), AccessFs::ReadFile | AccessFs::ReadDir));
        }
        rules
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.journal.display())
    }
}

/// Takes all other files from this thread, every TCP connection, and signals to others, as far as this kernel can. Returns
/// the places that rules were made of, the journal's in front.
pub(super) fn restrict(reach: &Reach) -> Result<Vec<PathFd>, Box<dyn std::error::Error>> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(HANDLED))?
        .handle_access(AccessNet::from_all(HANDLED))?
        .scope(Scope::Signal)?
        .create()?;
    let mut places = Vec::new();
    for (path, access) in reach.rules() {
        let place = match PathFd::new(path) {
            Ok(place) => place,
            Err(error) if path == reach.journal => return Err(error.into()),
            // A system may have no time zones.
            Err(_) => continue,
        };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(HANDLED) };
        rules = rules.add_rule(PathBeneath::new(&place, access))?;
        places.push(place);
    }
    rules.restrict_self()?;
    Ok(places)
}

/// The version of Landlock that this kernel has; `None` if it has none, or it is switched off.
pub(crate) fn version() -> Option<u32> {
    // linux/landlock.h: asks for the version, of no rules.
    const LANDLOCK_CREATE_RULESET_VERSION: libc::c_uint = 1;
    let none = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the kernel reads nothing, and makes nothing.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, LANDLOCK_CREATE_RULESET_VERSION) };
    u32::try_from(version).ok().filter(|version| *version > 0)
}

//! Becomes another user, keeping the one capability that a recorder needs.

use std::ffi::CString;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{
    AccessFlags, Gid, Group, Uid, User, faccessat, getegid, geteuid, initgroups, setegid, seteuid, setgroups,
    setresgid, setresuid,
};

use super::error::StartError;
use super::sandbox::capabilities;

/// Whom to become.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    user: Option<Uid>,
    /// The user's name in the system's list, which knows of further groups.
    account: Option<CString>,
    group: Option<Gid>,
    name: String,
}

impl Identity {
    /// The user and group of these names (or numbers); without a group, the user's own. `None` if neither is given, or who is
    /// not root is both already.
    pub(crate) fn find(user: Option<&str>, group: Option<&str>) -> Result<Option<Self>, StartError> {
        let account = user.map(find_user).transpose()?;
        let own_group = account.as_ref().map(|account| account.gid);
        let group_id = group.map(find_group).transpose()?.or(own_group);
        let is_own = account.as_ref().is_none_or(|account| account.uid == geteuid())
            && group_id.is_none_or(|group| group == getegid());
        let name = user.or(group).filter(|_| geteuid().is_root() || !is_own).map(str::to_owned);
        Ok(name.map(|name| Self {
            user: account.as_ref().map(|account| account.uid),
            account: account.and_then(|account| CString::new(account.name).ok()),
            group: group_id,
            name,
        }))
    }

    /// The user's number, if it is to change.
    pub(crate) fn user(&self) -> Option<u32> {
        self.user.map(Uid::as_raw)
    }

    /// The group's number, if it is to change.
    pub(super) fn group(&self) -> Option<u32> {
        self.group.map(Gid::as_raw)
    }

    /// Becomes this user and group. CAP_NET_ADMIN stays, every other capability goes for good, and with
    /// no-new-privileges none comes back. Only for a process that has one thread: capabilities belong to a thread.
    pub(super) fn assume(&self) -> Result<(), StartError> {
        self.change().map_err(|error| StartError::Privileges { user: self.name.clone(), error })
    }

    fn change(&self) -> Result<(), String> {
        let text = |error: nix::Error| error.desc().to_owned();
        if let Some(group) = self.group {
            self.set_groups(group).map_err(text)?;
            setresgid(group, group, group).map_err(text)?;
        }
        if let Some(user) = self.user {
            // Whoever is not root any more may not do that.
            capabilities::empty_bounding_set().map_err(|error| error.to_string())?;
            nix::sys::prctl::set_keepcaps(true).map_err(text)?;
            setresuid(user, user, user).map_err(text)?;
            nix::sys::prctl::set_keepcaps(false).map_err(text)?;
            capabilities::keep_net_admin_alone().map_err(|error| error.to_string())?;
        }
        nix::sys::prctl::set_no_new_privs().map_err(text)
    }

    /// Takes on this group and, with a user, those that the user has besides.
    fn set_groups(&self, group: Gid) -> nix::Result<()> {
        match &self.account {
            Some(account) => initgroups(account, group),
            None => setgroups(&[group]),
        }
    }

    /// Whether this process is root's, and will be.
    pub(super) fn stays_root(&self) -> bool {
        self.user.is_none_or(Uid::is_root) && geteuid().is_root()
    }

    /// Whether this user and group may create files in `directory`, which rotation needs. Asked as them, and before
    /// anything is created that would then be in the way.
    pub(super) fn check_directory(&self, directory: &Path, is_sandboxed: bool) -> Result<(), StartError> {
        match self.may_create_in(directory, is_sandboxed)? {
            Ok(()) => Ok(()),
            Err(nix::Error::ENOENT | nix::Error::ENOTDIR) => Err(StartError::NoDirectory(directory.to_path_buf())),
            Err(nix::Error::EACCES) if self.stays_root() => Err(StartError::Powerless(directory.to_path_buf())),
            Err(_) => Err(StartError::Directory { path: directory.to_path_buf(), user: self.name.clone() }),
        }
    }

    /// Whether this user and group may create files in `directory`, and if not, why. Asked as them, and of root without the powers that
    /// are given up: by who `is_sandboxed`, or becomes root by name.
    ///
    /// # Errors
    /// [`StartError::Privileges`], if this process may not ask as them.
    pub(crate) fn may_create_in(&self, directory: &Path, is_sandboxed: bool) -> Result<nix::Result<()>, StartError> {
        self.ask(is_sandboxed, || may_create_in(directory))
    }

    /// The outermost of the directories above this one, by its absolute path, that this user and group may not pass. Asked as them.
    ///
    /// # Errors
    /// As [`Self::may_create_in`].
    pub(crate) fn shut_out_by<'p>(&self, directory: &'p Path) -> Result<Option<&'p Path>, StartError> {
        let is_shut = |above: &&Path| faccessat(AT_FDCWD, *above, AccessFlags::X_OK, AtFlags::AT_EACCESS).is_err();
        self.ask(true, || directory.ancestors().skip(1).filter(is_shut).last())
    }

    /// Asks something as this user and group.
    fn ask<T>(&self, is_sandboxed: bool, question: impl Fn() -> T) -> Result<T, StartError> {
        let failed = |error: nix::Error| StartError::Privileges { user: self.name.clone(), error: error.desc().into() };
        let (root, root_group) = (geteuid(), getegid());
        if let Some(group) = self.group {
            self.set_groups(group).and_then(|()| setegid(group)).map_err(failed)?;
        }
        seteuid(self.user.unwrap_or(root)).map_err(failed)?;
        let gives_up = is_sandboxed || self.user.is_some();
        let answer = if gives_up { when_sandboxed(question) } else { question() };
        seteuid(root).and_then(|()| setegid(root_group)).map_err(failed)?;
        Ok(answer)
    }
}

/// Whether this process may create files in `directory`, and if not, why.
fn may_create_in(directory: &Path) -> nix::Result<()> {
    faccessat(AT_FDCWD, directory, AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS)
}

/// The same without those of root's powers that a sandboxed recorder gives up, over other users' directories for one.
pub(crate) fn may_create_in_when_sandboxed(directory: &Path) -> nix::Result<()> {
    when_sandboxed(|| may_create_in(directory))
}

/// Asks something without the powers that a sandboxed recorder gives up.
fn when_sandboxed<T>(question: impl Fn() -> T) -> T {
    // Whoever may not have less has no more.
    capabilities::with_what_is_left(&question).unwrap_or_else(|_| question())
}

/// Fails if a sandboxed recorder that stays the user it is could not create the segments to come.
pub(super) fn check_directory_when_sandboxed(directory: &Path) -> Result<(), StartError> {
    match may_create_in_when_sandboxed(directory) {
        Err(nix::Error::EACCES) if may_create_in(directory).is_ok() => {
            Err(StartError::Powerless(directory.to_path_buf()))
        }
        // Whatever else ails it, the first segment will tell.
        _ => Ok(()),
    }
}

fn find_user(name: &str) -> Result<User, StartError> {
    let by_number = || name.parse().ok().and_then(|id| User::from_uid(Uid::from_raw(id)).ok().flatten());
    let found = User::from_name(name).ok().flatten().or_else(by_number);
    found.ok_or_else(|| StartError::NoUser(name.to_owned()))
}

fn find_group(name: &str) -> Result<Gid, StartError> {
    let by_number = || name.parse().ok().and_then(|id| Group::from_gid(Gid::from_raw(id)).ok().flatten());
    let found = Group::from_name(name).ok().flatten().or_else(by_number);
    found.map(|group| group.gid).ok_or_else(|| StartError::NoGroup(name.to_owned()))
}

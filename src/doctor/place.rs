//! Where a recorder would write: the directory, and what is in it.

use std::fmt;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::finding::Finding;
use crate::capture::neighbours;
use crate::capture::privileges::{Identity, may_create_in_when_sandboxed};
use crate::capture::{Limits, Pattern, StartError, left_behind};
use crate::shell::quoted;

/// Of a directory's permissions: everybody may write there; only what is one's own, though, may be taken away.
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Whom a recorder would become, by names or numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) group: Option<&'a str>,
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.user, self.group) {
            (Some(user), _) => write!(f, "user {user}"),
            (None, Some(group)) => write!(f, "group {group}"),
            (None, None) => f.write_str("this user"),
        }
    }
}

/// Whether the directory is there at `now` (ns since the epoch), and the recorder may create files in it as `who`.
pub(super) fn directory(pattern: &Pattern, who: Who<'_>, now: u64) -> Finding {
    let name = "directory";
    let path = pattern.directory(now);
    let shown = path.display();
    let word = quoted(&path.to_string_lossy());
    let identity = match Identity::find(who.user, who.group) {
        Ok(identity) => identity,
        Err(error) => return nobody(&error),
    };
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => permissions(&path, &metadata, (who, identity.as_ref()), &word),
        Ok(_) => Finding::cost(name, format!("{shown}: no directory")),
        Err(error) => {
            let error =
                if error.kind() == ErrorKind::NotFound { "no such directory".into() } else { error.to_string() };
            let given = |letter, name: Option<&str>| name.map(|name| format!(" -{letter} {}", quoted(name)));
            let owner = [given('o', who.user), given('g', who.group)].into_iter().flatten().collect::<String>();
            Finding::cost(name, format!("{shown}: {error}")).mended_by(format!("install -d -m 750{owner} {word}"))
        }
    }
}

/// There is no such user or group.
fn nobody(error: &StartError) -> Finding {
    let found = Finding::cost("directory", error.to_string());
    match error {
        StartError::NoUser(user) => found.mended_by(format!("useradd --system --no-create-home {}", quoted(user))),
        StartError::NoGroup(group) => found.mended_by(format!("groupadd --system {}", quoted(group))),
        _ => found,
    }
}

fn permissions(path: &Path, metadata: &Metadata, (who, identity): (Who<'_>, Option<&Identity>), word: &str) -> Finding {
    let (name, shown) = ("directory", path.display());
    let allowed = match identity.map(|identity| identity.may_create_in(path, true)) {
        None => may_create_in_when_sandboxed(path),
        Some(Ok(allowed)) => allowed,
        Some(Err(error)) => return Finding::warning(name, format!("{shown}: cannot be asked for: {error}")),
    };
    if let Err(error) = allowed {
        let found = Finding::cost(name, format!("{shown}: {who} may not create files there: {}", error.desc()));
        let remedy = identity.filter(|_| error == nix::Error::EACCES);
        let remedy = remedy.and_then(|identity| remedy_for(path, metadata, (who, identity), word));
        return Finding { mend: remedy, ..found };
    }
    let mode = metadata.permissions().mode();
    if mode & OTHERS_WRITE == 0 {
        Finding::ok(name, format!("{shown}: {who} may create files there"))
    } else if mode & STICKY != 0 {
        Finding::warning(
            name,
            format!("{shown}: everybody may create files there; use a directory of the recorder's own"),
        )
    } else {
        let found = format!("{shown}: everybody may take away files there, and put others in their places");
        Finding::warning(name, found).mended_by(format!("chmod o-w {word}"))
    }
}

/// What lets a user in who may not create files in a directory.
fn remedy_for(path: &Path, metadata: &Metadata, (who, identity): (Who<'_>, &Identity), word: &str) -> Option<String> {
    let absolute = std::path::absolute(path).ok()?;
    if let Some(above) = identity.shut_out_by(&absolute).ok()? {
        return Some(format!("chmod a+x {}", quoted(&above.to_string_lossy())));
    }
    let user = who.user?;
    let is_owner = identity.user() == Some(metadata.uid());
    Some(if is_owner { format!("chmod u+rwx {word}") } else { format!("chown {} {word}", quoted(user)) })
}

/// Whether another recorder is at work on the pattern at `now`, and which files are in the way of one, or out of reach of its limits.
pub(super) fn files(pattern: &Pattern, limits: &Limits, now: u64) -> Vec<Finding> {
    let neighbours = match neighbours::look(pattern, now) {
        Ok(neighbours) => neighbours,
        Err(StartError::Occupied(path)) => {
            let found = "a recorder is writing this file; another one with this pattern would not start";
            return vec![Finding::ok("recorder", format!("{}: {found}", path.display()))];
        }
        Err(error) => return vec![Finding::cost("recorder", error.to_string())],
    };
    let mut findings = vec![match &neighbours.shut {
        None => Finding::ok("recorder", "none is at work on this pattern"),
        Some(path) => {
            let path = path.display();
            let found = format!(
                "whether one is at work cannot be told: {path} may not be read here; ask as root, or as its user"
            );
            Finding::warning("recorder", found)
        }
    }];
    let first = pattern.name(now);
    if first.symlink_metadata().is_ok() {
        findings.push(Finding::cost("files", StartError::Exists(first).to_string()));
    }
    findings.extend(neighbours.warnings.into_iter().map(|warning| Finding::warning("files", warning)));
    if !limits.are_none()
        && let Some(left) = left_behind(pattern, now)
    {
        findings.push(Finding::warning("files", left.to_string()).value("left_behind", left.count));
    }
    if findings.len() == 1 && neighbours.shut.is_none() {
        findings.push(Finding::ok("files", "none is in the way of a recorder"));
    }
    findings
}

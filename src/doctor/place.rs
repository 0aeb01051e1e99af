//! Where a recorder would write: the directory, and what is in it.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::finding::Finding;
use crate::capture::neighbours;
use crate::capture::privileges::{Identity, may_create_in_when_sandboxed};
use crate::capture::{Limits, Pattern, StartError, left_behind};
use crate::shell::quoted;

/// Of a directory's permissions: everybody may write there; only what is one's own, though, may be taken away.
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Whether the directory is there at `now` (ns since the epoch), and the recorder may create files in it as `user`.
pub(super) fn directory(pattern: &Pattern, user: Option<&str>, now: u64) -> Finding {
    let name = "directory";
    let path = pattern.directory(now);
    let shown = path.display();
    let word = quoted(&path.to_string_lossy());
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => permissions(&path, &metadata, user, &word),
        Ok(_) => Finding::cost(name, format!("{shown}: no directory")),
        Err(error) => {
            let error =
                if error.kind() == ErrorKind::NotFound { "no such directory".into() } else { error.to_string() };
            let owner = user.map_or_else(String::new, |user| format!(" -o {}", quoted(user)));
            Finding::cost(name, format!("{shown}: {error}")).mended_by(format!("install -d -m 750{owner} {word}"))
        }
    }
}

fn permissions(path: &Path, metadata: &Metadata, user: Option<&str>, word: &str) -> Finding {
    let (name, shown) = ("directory", path.display());
    let who = user.map_or_else(|| "this user".to_owned(), |user| format!("user {user}"));
    let allowed = match Identity::find(user, None) {
        Ok(None) => may_create_in_when_sandboxed(path),
        Ok(Some(identity)) => match identity.may_create_in(path) {
            Ok(allowed) => allowed,
            Err(error) => return Finding::warning(name, format!("{shown}: cannot be asked for: {error}")),
        },
        Err(error) => {
            let add = format!("useradd --system --no-create-home {}", quoted(user.unwrap_or_default()));
            return Finding::cost(name, error.to_string()).mended_by(add);
        }
    };
    if let Err(error) = allowed {
        let found = Finding::cost(name, format!("{shown}: {who} may not create files there: {}", error.desc()));
        return match (error, user) {
            (nix::Error::EACCES, Some(user)) => found.mended_by(format!("chown {} {word}", quoted(user))),
            _ => found,
        };
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
    let mut findings = vec![Finding::ok("recorder", "none is at work on this pattern")];
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
    if findings.len() == 1 {
        findings.push(Finding::ok("files", "none is in the way of a recorder"));
    }
    findings
}

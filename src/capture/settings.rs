//! Connection tracking's settings in this network namespace: read, recommended and, where wanted, set.
//!
//! All of them hold for the flows that begin afterwards (kernel documentation, networking/nf_conntrack-sysctl.rst).

use std::{fs, io};

/// Where they stand.
const DIRECTORY: &str = "/proc/sys/net/netfilter";

/// Whether the kernel reports events: 0 no; 1 of every flow; 2 of those that began while somebody listened.
const EVENTS: &str = "nf_conntrack_events";
/// Whether the kernel stamps flows with their begin and end.
const TIMESTAMP: &str = "nf_conntrack_timestamp";
/// Whether the kernel counts packets and bytes.
const ACCOUNTING: &str = "nf_conntrack_acct";

/// The value that each setting should have.
const RECOMMENDED: u64 = 1;

/// Whether the kernel counts packets and bytes of flows that begin now.
pub(super) fn counts() -> bool {
    read(ACCOUNTING) == Some(1)
}

/// Whether the kernel stamps flows that begin now with its own time.
pub(super) fn stamps() -> bool {
    read(TIMESTAMP) == Some(1)
}

/// Whether the kernel reports the ends of flows that began while nobody listened.
pub(super) fn reports_all() -> bool {
    read(EVENTS) == Some(1)
}

/// Sets what is not as recommended, if that is wanted, else recommends it. With `accounting`, packets and bytes shall be
/// counted, too. Returns what the operator should be warned of.
pub(super) fn prepare(set: bool, accounting: bool) -> Vec<String> {
    let wanted = [Some(EVENTS), Some(TIMESTAMP), accounting.then_some(ACCOUNTING)].into_iter().flatten();
    let mut warnings = Vec::new();
    if set {
        warnings.extend(wanted.clone().filter_map(|name| improve(name).err()));
    }
    if read(EVENTS) == Some(0) {
        warnings.push(format!("the kernel reports no events here; set sysctl -w net.netfilter.{EVENTS}=1"));
    }
    if !set && let Some(command) = recommendation(wanted.map(|name| (name, read(name)))) {
        tracing::info!("recommended, for the flows that begin afterwards: {command}; or record with --set-sysctls");
    }
    warnings
}

/// The command that sets what is not as recommended. Events that are off have a warning of their own.
fn recommendation<'a>(settings: impl Iterator<Item = (&'a str, Option<u64>)>) -> Option<String> {
    let differ = settings.filter(|(name, value)| match value {
        None | Some(RECOMMENDED) => false,
        Some(value) => *name != EVENTS || *value != 0,
    });
    let words: String = differ.map(|(name, _)| format!(" net.netfilter.{name}={RECOMMENDED}")).collect();
    (!words.is_empty()).then(|| format!("sysctl -w{words}"))
}

/// Sets one as recommended; if that cannot be, says so.
fn improve(name: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("net.netfilter.{name}: cannot be set to {RECOMMENDED}: {error}");
    let path = format!("{DIRECTORY}/{name}");
    let before = fs::read_to_string(&path).map_err(failed)?;
    let before = before.trim();
    if before == RECOMMENDED.to_string() {
        return Ok(());
    }
    fs::write(&path, RECOMMENDED.to_string()).map_err(failed)?;
    tracing::info!("net.netfilter.{name}: set from {before} to {RECOMMENDED}, for the flows that begin from now on");
    Ok(())
}

/// The value of a setting; `None` where the kernel has none, or none of numbers.
pub(super) fn read(name: &str) -> Option<u64> {
    fs::read_to_string(format!("{DIRECTORY}/{name}")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_recommended() {
        let command = |events, timestamp| recommendation([(EVENTS, events), (TIMESTAMP, timestamp)].into_iter());
        assert_eq!(
            command(Some(2), Some(0)).as_deref(),
            Some("sysctl -w net.netfilter.nf_conntrack_events=1 net.netfilter.nf_conntrack_timestamp=1")
        );
        assert_eq!(command(Some(1), Some(0)).as_deref(), Some("sysctl -w net.netfilter.nf_conntrack_timestamp=1"));
        assert_eq!(command(Some(0), Some(1)), None, "there is a warning of it");
        assert_eq!(command(Some(1), Some(1)), None);
        assert_eq!(command(None, None), None, "what is not there cannot be set");
    }
}

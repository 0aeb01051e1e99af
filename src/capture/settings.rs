//! Connection tracking's settings in this network namespace: read, recommended and, where wanted, set.
//!
//! The one list of them: `--set-sysctls` sets them by it, and `doctor` holds the kernel against it. All of them hold for the
//! flows that begin afterwards (kernel documentation, networking/nf_conntrack-sysctl.rst).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::{fs, io};

/// Where they stand.
const DIRECTORY: &str = "/proc/sys/net/netfilter";

/// How many flows the table holds, and may hold.
const COUNT: &str = "nf_conntrack_count";
const MAX: &str = "nf_conntrack_max";

/// A setting, and what it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its file's name.
    pub(crate) name: &'static str,
    /// The value that it should have.
    pub(crate) recommended: u64,
    /// What comes of this value, whatever it is.
    pub(crate) consequence: fn(u64) -> &'static str,
}

/// Whether the kernel reports events: 0 no; 1 of every flow; 2 of those that began while somebody listened.
pub(crate) const EVENTS: Setting = Setting {
    name: "nf_conntrack_events",
    recommended: 1,
    consequence: |value| match value {
        0 => "the kernel reports no events",
        1 => "every flow is reported",
        _ => "flows that began while nobody listened end unheard",
    },
};

/// Whether the kernel stamps flows with their begin and end.
pub(crate) const TIMESTAMP: Setting = Setting {
    name: "nf_conntrack_timestamp",
    recommended: 1,
    consequence: |value| match value {
        0 => "times are those at which events arrived; that of an idle flow's end is when it was collected",
        _ => "ends carry the kernel's own times",
    },
};

/// Whether the kernel counts packets and bytes.
pub(crate) const ACCOUNTING: Setting = Setting {
    name: "nf_conntrack_acct",
    recommended: 1,
    consequence: |value| match value {
        0 => "packets and bytes are not counted",
        _ => "packets and bytes are recorded",
    },
};

impl Setting {
    /// Its value here; `None` where the kernel has none.
    pub(crate) fn value(&self) -> Option<u64> {
        read(self.name)
    }

    /// The command that sets it as recommended.
    pub(crate) fn command(&self) -> String {
        format!("sysctl -w net.netfilter.{}={}", self.name, self.recommended)
    }

    /// Sets it as recommended; if that cannot be, says so.
    fn improve(&self) -> Result<(), String> {
        let Self { name, recommended, .. } = self;
        let failed = |error: io::Error| format!("net.netfilter.{name}: cannot be set to {recommended}: {error}");
        let path = format!("{DIRECTORY}/{name}");
        let before = fs::read_to_string(&path).map_err(failed)?;
        let before = before.trim();
        if before == recommended.to_string() {
            return Ok(());
        }
        fs::write(&path, recommended.to_string()).map_err(failed)?;
        tracing::info!(
            "net.netfilter.{name}: set from {before} to {recommended}, for the flows that begin from now on"
        );
        Ok(())
    }
}

/// Whether the kernel counts packets and bytes of flows that begin now.
pub(super) fn counts() -> bool {
    ACCOUNTING.value() == Some(1)
}

/// Whether the kernel stamps flows that begin now with its own time.
pub(super) fn stamps() -> bool {
    TIMESTAMP.value() == Some(1)
}

/// Whether the kernel reports the ends of flows that began while nobody listened.
pub(crate) fn reports_all() -> bool {
    EVENTS.value() == Some(1)
}

/// Whether the kernel reports the flows that begin here from now on to a recorder in another network namespace; where that is not
/// sure, no.
///
/// With 2 a flow is reported if somebody listened when it began: since Linux 6.3 in any namespace, before that in this very one
/// ("netfilter: ctnetlink: make event listener tracking global", fdf6491193e4, which some stable kernels before have, too).
pub(crate) fn reports_elsewhere() -> bool {
    match EVENTS.value() {
        Some(1) => true,
        Some(2) => {
            fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| version(&release) >= Some((6, 3)))
        }
        _ => false,
    }
}

/// The first two numbers of a kernel's release, as in `6.18.44-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Sets what is not as recommended. With `accounting`, packets and bytes shall be counted, too. Returns what could not be
/// set, a line each.
pub(super) fn set(accounting: bool) -> Vec<String> {
    let wanted = [Some(EVENTS), Some(TIMESTAMP), accounting.then_some(ACCOUNTING)];
    wanted.into_iter().flatten().filter_map(|setting| setting.improve().err()).collect()
}

/// How many flows the table of this namespace holds.
pub(crate) fn table_count() -> Option<u64> {
    read(COUNT)
}

/// How many flows it may hold; 0: any number.
pub(crate) fn table_max() -> Option<u64> {
    read(MAX)
}

/// The fill of this namespace's table, read from files that are opened once: what may be opened later is little.
#[derive(Debug)]
pub(super) struct TableFill {
    count: Option<File>,
    max: Option<File>,
}

impl TableFill {
    pub(super) fn open() -> Self {
        let open = |name| File::open(format!("{DIRECTORY}/{name}")).ok();
        Self { count: open(COUNT), max: open(MAX) }
    }

    /// How many flows the table holds; `None` if the kernel does not tell.
    pub(super) fn count(&self) -> Option<u64> {
        self.count.as_ref().and_then(read_again)
    }

    /// How many flows it may hold; 0: any number.
    pub(super) fn max(&self) -> Option<u64> {
        self.max.as_ref().and_then(read_again)
    }
}

/// The number in an open file of settings: each reading from its begin is one of the present value.
fn read_again(file: &File) -> Option<u64> {
    let mut text = [0; 32];
    let length = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(text.get(..length)?).ok()?.trim().parse().ok()
}

/// The value of a setting; `None` where the kernel has none, or none of numbers.
fn read(name: &str) -> Option<u64> {
    fs::read_to_string(format!("{DIRECTORY}/{name}")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_kernels_are_told_apart() {
        assert_eq!(["6.18.44-amd64\n", "6.3-rc1", "5.10.0"].map(version), [Some((6, 18)), Some((6, 3)), Some((5, 10))]);
        assert_eq!(["", "next-6.4", "6"].map(version), [None; 3]);
    }
}

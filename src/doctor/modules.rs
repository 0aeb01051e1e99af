//! What is in the kernel, found out without having it load anything: to ask netlink for a part that is missing would load it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Whether the kernel has a part that may be a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is there.
    Present,
    /// It is not, and the kernel would load it when it is asked for.
    Loadable,
    /// It is not.
    Absent,
}

/// A part of the kernel that may be a module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The module's name.
    pub(super) module: &'static str,
    /// A function in it.
    symbol: &'static str,
}

/// Connection tracking over netlink.
pub(super) const CTNETLINK: Part = Part { module: "nf_conntrack_netlink", symbol: "ctnetlink_get_conntrack" };
/// The rules of nf_tables.
pub(super) const NF_TABLES: Part = Part { module: "nf_tables", symbol: "nf_tables_newrule" };

/// Where the running kernel tells of its modules.
#[derive(Clone, Debug)]
pub(super) struct Modules {
    /// /proc
    proc: PathBuf,
    /// /lib/modules/RELEASE; it need not be there.
    library: PathBuf,
}

impl Modules {
    /// Those of the running kernel.
    pub(super) fn running() -> Self {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self { proc: "/proc".into(), library: Path::new("/lib/modules").join(release.trim()) }
    }

    /// Whether a part is there.
    ///
    /// A kernel that cannot load modules may be asked for the part itself, so everything is called present there.
    pub(super) fn presence(&self, part: Part) -> Presence {
        let Ok(loaded) = fs::read_to_string(self.proc.join("modules")) else { return Presence::Present };
        let is_loaded = loaded.lines().any(|line| line.split(' ').next() == Some(part.module));
        if is_loaded || self.library_lists("modules.builtin", part) || self.has_symbol(part.symbol) {
            Presence::Present
        } else if self.library_lists("modules.dep", part) && !self.is_closed() {
            Presence::Loadable
        } else {
            Presence::Absent
        }
    }

    /// Whether one of depmod's lists names the part's module: lines of `kernel/net/netfilter/nf_tables.ko.xz: others`.
    fn library_lists(&self, list: &str, part: Part) -> bool {
        let file = format!("{}.ko", part.module);
        let named = |line: &str| {
            let path = line.split(':').next().unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or_default();
            name.strip_prefix(&file).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        fs::read_to_string(self.library.join(list)).is_ok_and(|text| text.lines().any(named))
    }

    /// Whether the kernel names this function. Where /lib/modules is not to be seen, as in a container, only that tells of a part
    /// that is built in.
    fn has_symbol(&self, symbol: &str) -> bool {
        let Ok(file) = File::open(self.proc.join("kallsyms")) else { return false };
        let mut lines = BufReader::new(file).lines().map_while(Result::ok);
        lines.any(|line| line.split([' ', '\t']).nth(2) == Some(symbol))
    }

    /// Whether nothing more can be loaded until the next boot.
    fn is_closed(&self) -> bool {
        fs::read_to_string(self.proc.join("sys/kernel/modules_disabled")).is_ok_and(|text| text.trim() == "1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "kernel/net/netfilter/nf_conntrack_netlink.ko.xz: kernel/net/netfilter/nf_conntrack.ko.xz\n";

    fn presence(files: &[(&str, &str)]) -> Presence {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let at = |name| directory.path().join(name);
        Modules { proc: at("proc"), library: at("lib") }.presence(CTNETLINK)
    }

    #[test]
    fn a_part_is_loaded_or_built_in() {
        let modules = ("proc/modules", "nf_nat 45056 1 nft_chain_nat, Live 0x0\n");
        let loaded = "nf_conntrack_netlink 57344 0 - Live 0x0\n";
        assert_eq!(presence(&[("proc/modules", loaded)]), Presence::Present);
        let builtin = ("lib/modules.builtin", "kernel/net/netfilter/nf_conntrack_netlink.ko\n");
        assert_eq!(presence(&[modules, builtin]), Presence::Present);
        let symbols = ("proc/kallsyms", "0000000000000000 t ctnetlink_get_conntrack\n");
        assert_eq!(presence(&[modules, symbols]), Presence::Present);
    }

    #[test]
    fn a_part_may_be_loaded_unless_the_kernel_is_closed() {
        let (modules, dep) = (("proc/modules", ""), ("lib/modules.dep", DEP));
        assert_eq!(presence(&[modules, dep]), Presence::Loadable);
        assert_eq!(presence(&[modules, dep, ("proc/sys/kernel/modules_disabled", "0\n")]), Presence::Loadable);
        assert_eq!(presence(&[modules, dep, ("proc/sys/kernel/modules_disabled", "1\n")]), Presence::Absent);
    }

    #[test]
    fn names_alike_are_not_taken_for_each_other() {
        let modules = ("proc/modules", "nf_conntrack 1 0 - Live 0x0\nnf_conntrack_netlink_x 1 0 - Live 0x0\n");
        let others =
            "kernel/a/xnf_conntrack_netlink.ko: kernel/b/nf_conntrack_netlink.ko\nkernel/nf_conntrack_netlink.koala:\n";
        let symbols = "0000000000000000 t ctnetlink_get_conntrack_filter\n";
        let files = [
            modules,
            ("lib/modules.dep", others),
            ("lib/modules.builtin", "kernel/nf_conntrack.ko\n"),
            ("proc/kallsyms", symbols),
        ];
        assert_eq!(presence(&files), Presence::Absent);
    }

    #[test]
    fn a_kernel_without_modules_may_be_asked_itself() {
        assert_eq!(presence(&[]), Presence::Present);
    }
}

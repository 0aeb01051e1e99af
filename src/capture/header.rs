//! What a recorder knows about itself and its host, for the headers of its segments.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::fs::MetadataExt;

use chrono::{Local, Offset};
use ctrecorder_format::header::family_bit;
use ctrecorder_format::{Clock, Content, Digest, Family, Header, digest_of};

use super::settings;
use crate::protocol::Protocols;

/// The header of a recorder's first segment; [`next`] makes those of the following ones.
pub(super) fn first(families: &[Family], protocols: &Protocols, now: u64) -> Header {
    Header {
        tag: random(),
        counters: settings::counts(),
        closing_keyframe: false,
        marks_clock_sets: false,
        software: concat!("ctrecorder ", env!("CARGO_PKG_VERSION")).into(),
        content: Content::Events,
        host: host(),
        boot_id: boot_id(),
        machine: machine(),
        recorder_started: now,
        segment_number: 0,
        created: now,
        time_zone: time_zone(),
        utc_offset_seconds: utc_offset_seconds(),
        families: families.iter().fold(0, |bits, family| bits | family_bit(*family)),
        protocols: protocols.numbers().to_vec(),
        namespace: namespace(),
        filters: String::new(),
        clock: clock(),
        previous: None,
    }
}

/// The header of the segment that follows the one with this header and digest.
pub(super) fn next(last: &Header, previous: Digest, now: u64) -> Header {
    // The settings at hand are those of the recorder's own network namespace.
    let is_own = last.netns().is_none();
    Header {
        tag: random(),
        segment_number: last.segment_number + 1,
        created: now,
        counters: if is_own { settings::counts() } else { last.counters },
        clock: if is_own { clock() } else { last.clock },
        utc_offset_seconds: utc_offset_seconds(),
        previous: Some(previous),
        ..last.clone()
    }
}

/// Where times come from.
fn clock() -> Clock {
    if settings::stamps() { Clock::Kernel } else { Clock::Arrival }
}

/// The name of this host, empty if it has none.
pub(super) fn host() -> String {
    nix::unistd::gethostname().map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned())
}

/// The inode number of this network namespace, 0 if not known.
pub(super) fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/net").map_or(0, |namespace| namespace.ino())
}

/// A number that no other segment is likely to have. The standard library's hasher is seeded from the system's
/// randomness.
fn random() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

/// The kernel's boot id, zeros if not known.
pub(super) fn boot_id() -> [u8; 16] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.trim().split('-').collect();
    u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
}

/// Whether this network namespace is that of process 1: then it is the main one of the machine, or of the container, and another number
/// means another start of that. `false`, too, if that cannot be told.
pub(super) fn is_in_main_namespace() -> bool {
    let main = fs::metadata("/proc/1/ns/net").map_or(0, |namespace| namespace.ino());
    main != 0 && main == namespace()
}

/// What this machine, or container, has over all its starts, and no other one; zeros if not known.
pub(super) fn machine() -> [u8; 16] {
    let text = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    machine_by(text.trim(), is_in_main_namespace()).unwrap_or_default()
}

/// The id itself is confidential (machine-id(5)); nobody gets it back from this.
fn machine_by(id: &str, is_in_main_namespace: bool) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(id, 16).ok().filter(|number| *number != 0 && id.len() == 32)?;
    let place = if is_in_main_namespace { "main" } else { "another" };
    let digest = digest_of(format!("ctrecorder {number:032x} {place}").as_bytes());
    digest.first_chunk().copied()
}

fn time_zone() -> String {
    std::env::var("TZ").ok().or_else(|| iana_time_zone::get_timezone().ok()).unwrap_or_default()
}

fn utc_offset_seconds() -> i32 {
    Local::now().offset().fix().local_minus_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_known_by_its_id_and_its_namespace_and_without_an_id_not_at_all() {
        let id = "3d1219c7c4c5404aaa1f6d2a48adfda4";
        let main = machine_by(id, true).unwrap();
        assert_ne!(main, [0; 16]);
        assert_eq!(machine_by(&id.to_uppercase(), true), Some(main));
        assert_ne!(machine_by(id, false), Some(main));
        assert_ne!(machine_by("3d1219c7c4c5404aaa1f6d2a48adfda5", true), Some(main));
        for none in ["", "uninitialized", "00000000000000000000000000000000"] {
            assert_eq!(machine_by(none, true), None, "{none}");
        }
    }
}

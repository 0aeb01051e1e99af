//! What a recorder knows about itself and its host, for the headers of its segments.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::fs::MetadataExt;

use chrono::{Local, Offset};
use ctrecorder_format::header::family_bit;
use ctrecorder_format::{Clock, Content, Digest, Family, Header};

use super::settings;
use crate::protocol::Protocols;

/// The header of a recorder's first segment; [`next`] makes those of the following ones.
pub(super) fn first(families: &[Family], protocols: &Protocols, now: u64) -> Header {
    Header {
        tag: random(),
        counters: settings::counts(),
        closing_keyframe: false,
        software: concat!("ctrecorder ", env!("CARGO_PKG_VERSION")).into(),
        content: Content::Events,
        host: host(),
        boot_id: boot_id(),
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

fn time_zone() -> String {
    std::env::var("TZ").ok().or_else(|| iana_time_zone::get_timezone().ok()).unwrap_or_default()
}

fn utc_offset_seconds() -> i32 {
    Local::now().offset().fix().local_minus_utc()
}

//! Header text: what a file says of itself, a line `.name: value` each, as the C program's `-H` wrote it.

use std::fmt::{Display, Write};

use ctrecorder_format::{Clock, Closing, Content, Family, Footer, Header, header};

use super::time::Times;
use super::zone::Zone;
use crate::protocol::Protocols;

/// Stands for what is not known.
const UNKNOWN: &str = "-";

/// The header of a version 3 segment, and its footer's totals if it has one. Times are in `zone`.
///
/// `-` stands for what is not known; without a footer, `.closed` says that the segment was not closed in order.
pub fn v3(header: &Header, footer: Option<&Footer<'_>>, zone: &Zone) -> String {
    let mut times = Times::new(zone.clone());
    let mut text = Lines::of_version(header::VERSION);
    text.origin(header, &mut times);
    text.coverage(header);
    match footer {
        Some(footer) => text.footer(footer, &mut times),
        None => text.line("closed", UNKNOWN),
    }
    text.0
}

/// The text as it grows.
struct Lines(String);

impl Lines {
    /// What files of all versions begin with.
    fn of_version(version: u32) -> Self {
        let mut text = Self(String::new());
        text.line("magic", format_args!("0x{:08x}", u32::from_be_bytes(header::MAGIC)));
        text.line("version", format_args!("0x{version:08x}"));
        text
    }

    fn line(&mut self, name: &str, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, ".{name}: {value}");
    }

    /// Who made the segment, where and when.
    fn origin(&mut self, header: &Header, times: &mut Times) {
        self.line("software", printable(&header.software));
        self.line("hostname", printable(&header.host));
        self.line("boot_id", boot_id(header.boot_id));
        self.line("recorder_start", times.text(header.recorder_started));
        self.line("segment", header.segment_number);
        self.line("start", times.text(header.created));
        self.line("zone", known(&header.time_zone));
        self.line("utc_offset", header.utc_offset_seconds);
        self.line("previous", header.previous.map_or_else(|| UNKNOWN.to_owned(), |digest| hex(&digest)));
    }

    /// What is in it, and what cannot be.
    fn coverage(&mut self, header: &Header) {
        let content = match header.content {
            Content::Events => "events",
            Content::Flows => "flows",
        };
        let clock = match header.clock {
            Clock::Arrival => "arrival",
            Clock::Kernel => "kernel",
        };
        self.line("content", content);
        self.line("families", families(header));
        self.line("protocols", Protocols::from_numbers(&header.protocols));
        self.line("filters", known(&header.filters));
        self.line("namespace", namespace(header.namespace));
        self.line("clock", clock);
        self.line("accounting", if header.counters { "yes" } else { "no" });
    }

    /// What was counted when it was closed.
    fn footer(&mut self, footer: &Footer<'_>, times: &mut Times) {
        let totals = &footer.totals;
        let closing = match totals.closing {
            Closing::WentOn => "went on",
            Closing::Stopped => "stopped",
            Closing::Complete => "complete",
        };
        self.line("closed", times.text(totals.closed));
        self.line("closing", closing);
        for (name, count) in [
            ("starts", totals.starts),
            ("ends", totals.ends),
            ("flows", totals.flows),
            ("opens", totals.opens),
            ("ipv4", totals.ipv4),
            ("ipv6", totals.ipv6),
            ("notes", totals.notes),
            ("lost", totals.lost),
        ] {
            self.line(name, count);
        }
        self.line("digest", hex(&footer.digest));
    }
}

fn namespace(inode: u64) -> String {
    if inode == 0 { UNKNOWN.to_owned() } else { inode.to_string() }
}

fn families(header: &Header) -> String {
    let names = [(Family::Ipv4, "ipv4"), (Family::Ipv6, "ipv6")];
    let recorded: Vec<_> =
        names.into_iter().filter(|(family, _)| header.has_family(*family)).map(|(_, name)| name).collect();
    known(&recorded.join(","))
}

/// A boot id in the form of /proc/sys/kernel/random/boot_id.
fn boot_id(bytes: [u8; 16]) -> String {
    let digits = hex(&bytes);
    let group = |range| digits.get(range).unwrap_or_default();
    if bytes == [0; 16] {
        return UNKNOWN.to_owned();
    }
    [group(0..8), group(8..12), group(12..16), group(16..20), group(20..32)].join("-")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |text, byte| text + &format!("{byte:02x}"))
}

/// A text of a file, `-` if it is empty.
fn known(text: &str) -> String {
    if text.is_empty() { UNKNOWN.to_owned() } else { printable(text) }
}

/// A text of a file, fit for a terminal: it can neither forge a line nor turn the direction of writing.
fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, character| {
        match character {
            '"' | '\'' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
        shown
    })
}

//! Header text: what a file says of itself, a line `.name: value` each, as the C program's `-H` wrote it.

use std::fmt::{Display, Write};

use ctrecorder_format::header::split;
use ctrecorder_format::{Clock, Closing, Content, Family, Footer, Header, MadeFrom, NS_PER_SECOND, header, legacy};

use super::time::Times;
use super::zone::Zone;
use crate::archive::About;
use crate::protocol::{Protocol, Protocols};

/// Stands for what is not known.
const UNKNOWN: &str = "-";

/// The header of a version 2 file. Times are in `zone`, but for `.startd`, which is the recorder's own local time.
///
/// Byte for byte the C program's text but for the month of `.startd`, which that wrote one too low, and an `.end` that is not known,
/// which that wrote as 1970.
pub fn v2(header: &legacy::Header, zone: &Zone) -> String {
    let mut times = Times::new(zone.clone());
    let mut moment =
        |(seconds, micros): (u32, u32)| times.text(u64::from(seconds) * NS_PER_SECOND + u64::from(micros) * 1000);
    let mut text = Lines::of_version(2);
    text.line("flags", format_args!("0x{:08x}", legacy_flags(header.flags)));
    text.line("proto", format_args!("0x{:02x} ({})", header.protocol, Protocol(header.protocol)));
    text.line("hostname", printable(&header.host));
    text.line("start", moment(header.started));
    text.line("startd", local_start(&header.local_start));
    // No writer is known that ever filled it in.
    let end = if header.ended == (0, 0) { UNKNOWN.to_owned() } else { moment(header.ended) };
    text.line("end", end);
    text.line("tz", format_args!("{}.{}", header.tz_minutes_west, header.tz_dst));
    text.line("utc_offset", header.utc_offset_seconds);
    text.0
}

/// The flags as they were meant: little-endian hosts wrote them with their two halves swapped.
fn legacy_flags(stored: u32) -> u32 {
    (stored >> 16) | (stored & 0xffff)
}

fn local_start(local: &legacy::LocalTime) -> String {
    let legacy::LocalTime { year_since_1900, month_from_0, day, hour, minute, second } = *local;
    let (year, month) = (u32::from(year_since_1900) + 1900, u32::from(month_from_0) + 1);
    format!("{year:04}.{month:02}.{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// The header of a version 3 segment, and its footer's totals if it has one. Times are in `zone`.
///
/// `-` stands for what is not known; without a footer, `.closed` says that the segment was not closed in order. What it was made
/// from stands last, a line each.
pub fn v3<'s>(
    header: &Header,
    footer: Option<&Footer<'_>>,
    made_from: impl IntoIterator<Item = &'s MadeFrom>,
    zone: &Zone,
) -> String {
    let mut times = Times::new(zone.clone());
    let mut text = Lines::of_version(header::VERSION);
    text.origin(header, &mut times);
    text.coverage(header);
    match footer {
        Some(footer) => text.footer(footer, &mut times),
        None => text.line("closed", UNKNOWN),
    }
    for source in made_from {
        let digest = source.digest().or_else(|| source.content()).map(|digest| hex(&digest));
        let number = (source.version.get() == header::VERSION).then_some(source.segment_number.get());
        let begun = times.text(source.recorder_started.get());
        let begun = if number.is_some() { format!("recorder_start {begun}") } else { format!("start {begun}") };
        text.source(&begun, number, source.length.get(), digest.as_deref());
    }
    text.0
}

/// What an archive says of itself. Times are in `zone`.
pub fn archive(header: &Header, about: &About, zone: &Zone) -> String {
    let mut times = Times::new(zone.clone());
    let mut text = Lines(String::new());
    text.line("magic", "PAR1");
    text.line("export", printable(&about.export));
    text.line("part", about.part);
    text.line("last", if about.is_last { "yes" } else { "no" });
    text.origin(header, &mut times);
    text.coverage(header);
    text.line("end", times.text(about.to));
    text.line("rows", about.rows);
    text.line("sources", about.sources.len());
    text.line("damaged", about.damaged);
    text.line("records_lost", about.records_lost);
    for source in &about.sources {
        text.source(&printable(&source.name).to_string(), source.segment, source.length, source.digest.as_deref());
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
        let (inode, netns) = split(header.namespace);
        self.line("namespace", namespace(inode));
        if let Some(netns) = netns {
            self.line("netns", netns);
        }
        self.line("clock", clock);
        self.line("accounting", if header.counters { "yes" } else { "no" });
    }

    /// A file that it was made from, by a name or what else it is known by.
    fn source(&mut self, name: &str, number: Option<u64>, length: u64, digest: Option<&str>) {
        let number = number.map_or_else(|| UNKNOWN.to_owned(), |number| number.to_string());
        let digest = digest.map_or(UNKNOWN.into(), printable);
        self.line("source", format_args!("{name}, segment {number}, {length} bytes, digest {digest}"));
    }

    /// What was counted when it was closed.
    fn footer(&mut self, footer: &Footer<'_>, times: &mut Times) {
        let totals = &footer.totals;
        self.line("closed", times.text(totals.closed));
        self.line("closing", closing(totals.closing));
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

fn namespace(inode: u32) -> String {
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

/// Why a segment was closed, in words.
pub const fn closing(closing: Closing) -> &'static str {
    match closing {
        Closing::WentOn => "went on",
        Closing::Stopped => "stopped",
        Closing::Complete => "complete",
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
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

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use ctrecorder_format::Totals;

    use super::*;
    use crate::sample::data;

    const NS: u64 = 1_000_000_000;

    #[test]
    fn version_2_is_the_c_programs_text_but_for_its_wrong_month_and_end() {
        let bytes = data("tcp.ct");
        let file = legacy::File::open(&bytes).unwrap();
        let theirs = String::from_utf8(data("tcp.header.utc.txt")).unwrap();
        let mut expected = theirs;
        for (wrong, right) in [
            (".startd: 2026.10.20 21:12:04", ".startd: 2026.11.20 21:12:04"),
            (".end: 1970.01.01 00:00:00.000000", ".end: -"),
        ] {
            assert!(expected.contains(wrong));
            expected = expected.replace(wrong, right);
        }
        assert_eq!(v2(file.header(), &Zone::utc()), expected);
    }

    #[test]
    fn version_2_tells_the_recorders_local_time_and_the_readers() {
        let bytes = data("udp.combined.ct");
        let file = legacy::File::open(&bytes).unwrap();
        let text = v2(file.header(), &Zone::of(Tz::Asia__Kathmandu));
        assert!(text.contains(".flags: 0x00000001\n.proto: 0x11 (udp)\n"), "{text}");
        assert!(text.contains(".start: 2026.11.21 02:57:04.601974\n.startd: 2026.11.20 22:12:04\n"), "{text}");
        assert!(text.contains(".end: -\n"), "{text}");
        let ended = legacy::Header { ended: (1_795_209_124, 5), ..file.header().clone() };
        assert!(v2(&ended, &Zone::utc()).contains("\n.end: 2026.11.20 21:12:04.000005\n"));
    }

    /// Every field at its greatest: nothing in a header that was read makes it panic.
    #[test]
    fn version_2_may_hold_nonsense() {
        let mut bytes = data("tcp.ct")[..256].to_vec();
        bytes[18..].fill(0xff);
        let text = v2(&legacy::Header::decode(&bytes).unwrap(), &Zone::utc());
        assert!(text.contains(".startd: 67435.256.255 255:255:255\n"), "{text}");
        assert!(text.contains(".proto: 0xff (255)\n") && text.contains(".utc_offset: -1\n"), "{text}");
    }

    fn header() -> Header {
        Header {
            tag: 1,
            counters: true,
            closing_keyframe: false,
            marks_clock_sets: false,
            software: "ctrecorder 0.1.0".into(),
            content: Content::Events,
            host: "nat1".into(),
            boot_id: std::array::from_fn(|index| index as u8 * 17),
            machine: [0; 16],
            recorder_started: 1_285_708_517 * NS + 988_012_345,
            segment_number: 7,
            created: 1_285_709_400 * NS,
            time_zone: "Europe/Warsaw".into(),
            utc_offset_seconds: 7200,
            families: 3,
            protocols: vec![6, 17, 99],
            namespace: 4_026_531_840,
            filters: String::new(),
            clock: Clock::Kernel,
            previous: Some([0xab; 32]),
        }
    }

    #[test]
    fn version_3_tells_all_it_knows() {
        let totals = Totals {
            closed: 1_285_709_401 * NS,
            starts: 1,
            ends: 2,
            flows: 3,
            opens: 4,
            ipv4: 5,
            ipv6: 6,
            notes: 7,
            lost: 8,
            closing: Closing::WentOn,
            ..Totals::default()
        };
        let footer = Footer { offset: 0, totals, directory: &[], digest: [0x0c; 32] };
        let expected = format!(
            "\
.magic: 0x43544e4c
.version: 0x00000003
.software: ctrecorder 0.1.0
.hostname: nat1
.boot_id: 00112233-4455-6677-8899-aabbccddeeff
.recorder_start: 2010.09.28 23:15:17.988012
.segment: 7
.start: 2010.09.28 23:30:00.000000
.zone: Europe/Warsaw
.utc_offset: 7200
.previous: {}
.content: events
.families: ipv4,ipv6
.protocols: tcp,udp,99
.filters: -
.namespace: 4026531840
.clock: kernel
.accounting: yes
.closed: 2010.09.28 23:30:01.000000
.closing: went on
.starts: 1
.ends: 2
.flows: 3
.opens: 4
.ipv4: 5
.ipv6: 6
.notes: 7
.lost: 8
.digest: {}
",
            "ab".repeat(32),
            "0c".repeat(32)
        );
        assert_eq!(v3(&header(), Some(&footer), [], &Zone::of(Tz::Europe__Warsaw)), expected);
    }

    #[test]
    fn what_version_3_does_not_know_is_a_dash() {
        let header = Header {
            boot_id: [0; 16],
            time_zone: String::new(),
            families: 0,
            protocols: Vec::new(),
            namespace: 0,
            previous: None,
            ..header()
        };
        let text = v3(&header, None, [], &Zone::utc());
        for name in ["boot_id", "zone", "families", "filters", "namespace", "previous", "closed"] {
            assert!(text.contains(&format!("\n.{name}: -\n")), "{name} in {text}");
        }
        assert!(text.contains("\n.protocols: all\n") && text.ends_with("\n.closed: -\n"));
    }

    #[test]
    fn texts_of_a_file_cannot_forge_lines() {
        let host = "nat1\n.digest: 00\u{202e}\u{1b}[2J \"b\\'".to_owned();
        let text = v3(&Header { host, ..header() }, None, [], &Zone::utc());
        assert!(text.contains("\n.hostname: nat1\\n.digest: 00\\u{202e}\\u{1b}[2J \"b\\\\'\n"), "{text}");
    }
}

//! Segments of tests/data/v3, as they were made: once, by `cargo run -p ctrecorder-format --example golden`. Those that
//! the writer of today would make otherwise (`big`, `protocols`, `indexed`) are only read.

use ctrecorder_format::header::namespace;
use ctrecorder_format::record::flags;
use ctrecorder_format::{
    Address, Cause, Clock, Closing, Content, Counters, Digest, Header, Kind, MadeFrom, Note, Record, Recorded,
    Retirement, Segment, Tuple, Uptime, V4, V6, Writer,
};

const NS: u64 = 1_000_000_000;
/// 2026-11-20T14:00:00Z.
const CREATED: u64 = 1_795_183_200 * NS;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A segment, by the name of its file without `.ct`.
pub struct Sample {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

/// All of them.
pub fn all() -> Vec<Sample> {
    let (example, digest) = example();
    vec![
        Sample { name: "example", bytes: example },
        Sample { name: "unfinished", bytes: unfinished(digest) },
        Sample { name: "with-counters", bytes: with_counters() },
        Sample { name: "squeezed", bytes: squeezed() },
        Sample { name: "empty", bytes: empty() },
        Sample { name: "two-columns", bytes: two_columns() },
        Sample { name: "smallest-index", bytes: smallest_index() },
        Sample { name: "accounted", bytes: accounted() },
        Sample { name: "every-protocol", bytes: every_protocol() },
        Sample { name: "left-open", bytes: left_open() },
        Sample { name: "retired", bytes: retired() },
        Sample { name: "other-netns", bytes: other_netns() },
        Sample { name: "clock-set", bytes: clock_set() },
        Sample { name: "netns-gone", bytes: netns_gone() },
        Sample { name: "first-read", bytes: first_read() },
        Sample { name: "uptime", bytes: uptime() },
    ]
}

/// The one that docs/format.md takes apart byte for byte; and its digest.
pub fn example() -> (Vec<u8>, Digest) {
    let mut writer = writer(&header());
    writer.note(&Note::at(CREATED, Cause::Started));
    let web = tuple([10, 0, 0, 7], 51234, [198, 51, 100, 80], 443);
    let start = Record { start: (CREATED + NS / 2).into(), ..translated(Kind::Start, TCP, web, 36782) };
    let end = Record { end: (CREATED + NS / 4 * 3).into(), ..translated(Kind::End, TCP, web, 36782) };
    writer.push(&start, None, CREATED + NS / 2);
    writer.push(&end, None, CREATED + NS / 4 * 3);
    writer.push(&dns(), None, CREATED + NS / 4 * 3 + 1000);
    let digest = writer.finish(Closing::WentOn, CREATED + 360 * 60 * NS).expect("a footer");
    (written(writer), digest)
}

/// What the recorder of the example heard in the network namespace that has the id 3 in its own: a flow of the same tuples.
fn other_netns() -> Vec<u8> {
    let namespace = namespace(4_026_532_177, Some(3));
    let mut writer = writer(&Header { tag: 0x0003_0003, namespace, recorder_started: CREATED, ..header() });
    writer.note(&Note::at(CREATED, Cause::Started));
    let web = tuple([10, 0, 0, 7], 51234, [198, 51, 100, 80], 443);
    let start = Record { start: (CREATED + NS / 2).into(), ..translated(Kind::Start, TCP, web, 36782) };
    writer.push(&start, None, CREATED + NS / 2);
    writer.finish(Closing::Stopped, CREATED + NS).expect("a footer");
    written(writer)
}

/// The next segment of the same recorder, cut off in the middle of its third block.
fn unfinished(previous: Digest) -> Vec<u8> {
    let created = CREATED + 360 * 60 * NS;
    let header = Header { tag: 0x0bad_cafe, segment_number: 1, created, previous: Some(previous), ..header() };
    let mut writer = writer(&header);
    let web = tuple([10, 0, 0, 8], 40000, [198, 51, 100, 80], 80);
    for number in 0..3u16 {
        let moment = created + u64::from(number) * NS;
        let start = Record { start: moment.into(), ..translated(Kind::Start, TCP, web, 2000 + number) };
        writer.push(&start, None, moment);
        writer.seal();
    }
    let mut bytes = written(writer);
    bytes.truncate(bytes.len() - 30);
    bytes
}

/// Every field of a record in use: zones, marks, counters, the kernel's times, destination NAT, ICMP and GRE.
fn with_counters() -> Vec<u8> {
    let mut writer = writer(&Header {
        tag: 0x1234_5678,
        counters: true,
        protocols: Vec::new(),
        filters: "zone 7".into(),
        clock: Clock::Kernel,
        boot_id: std::array::from_fn(|at| at as u8),
        ..header()
    });
    let counted = Counters {
        original_packets: 12.into(),
        original_bytes: 1_800.into(),
        reply_packets: 10.into(),
        reply_bytes: 14_000_000_000.into(),
    };
    let mail = tuple([203, 0, 113, 99], 4025, [192, 0, 2, 1], 25);
    let kernel_times = flags::START_FROM_KERNEL | flags::END_FROM_KERNEL | flags::REPLY_SEEN;
    let delivered = Record {
        start: (CREATED - 5 * NS + 123_456_789).into(),
        end: (CREATED + NS + 987_654_321).into(),
        // Destination NAT: the public endpoint is the original destination.
        original: mail,
        reply: Tuple { src: [10, 0, 0, 25], dst: mail.src, sport: 25.into(), dport: mail.sport },
        mark: 0x0102_0304.into(),
        zone: 7.into(),
        status: 0x1ae.into(),
        tcp_state: 7,
        flags: kernel_times,
        ..translated(Kind::End, TCP, mail, 0)
    };
    writer.push(&delivered, Some(&counted), CREATED + 2 * NS);
    // An echo request: id 77, type 8, code 0; the reply is of type 0.
    let echo = tuple([10, 0, 0, 9], 77, [198, 51, 100, 1], 0x0800);
    let mut ping = translated(Kind::Start, 1, echo, 0);
    (ping.reply.sport, ping.reply.dport) = (77.into(), 0.into());
    ping.start = (CREATED + 2 * NS).into();
    writer.push(&ping, None, CREATED + 2 * NS);
    let tunnel = tuple([10, 0, 0, 9], 0x1111, [198, 51, 100, 2], 0x2222);
    let gre = Record { start: (CREATED - 9 * NS).into(), ..translated(Kind::Open, 47, tunnel, 0x1111) };
    writer.push(&gre, None, CREATED + 2 * NS);
    let lost = Record { kind: Kind::End as u8, start: 0.into(), end: (CREATED + 3 * NS).into(), ..dns() };
    let lost = Record { flags: flags::RECOVERED | flags::END_AT_LATEST, zone: 65535.into(), ..lost };
    writer.push(&lost, Some(&counted), CREATED + 3 * NS);
    writer.note(&Note::gap(CREATED + NS, CREATED + 3 * NS, Note::LOST_UNKNOWN, Cause::KernelOverrun));
    writer.note(&Note::gap(CREATED + 4 * NS, CREATED + 5 * NS, 19_834, Cause::QueueFull));
    let mut an_hour_back = Note::at(CREATED + 6 * NS, Cause::ClockStep);
    an_hour_back.value.set(-3_600_000_000_000);
    writer.note(&an_hour_back);
    writer.finish(Closing::Stopped, CREATED + 7 * NS).expect("a footer");
    written(writer)
}

/// Flows, whole and half.
fn squeezed() -> Vec<u8> {
    let mut writer = writer(&Header { tag: 0x5eed_5eed, content: Content::Flows, ..header() });
    let web = tuple([10, 0, 0, 7], 51234, [198, 51, 100, 80], 443);
    for (start, end) in [(1, 9), (2, 0), (0, 11)] {
        let at = |second| if second == 0 { 0 } else { CREATED + second * NS };
        let flow = translated(Kind::Flow, TCP, web, 36782);
        writer.push(&Record { start: at(start).into(), end: at(end).into(), ..flow }, None, at(start.max(end)));
    }
    let flow = Record { kind: Kind::Flow as u8, end: (CREATED + 40 * NS).into(), ..dns() };
    writer.push(&Record { flags: flow.flags | flags::END_AT_LATEST, ..flow }, None, CREATED + 40 * NS);
    writer.finish(Closing::Complete, CREATED + 60 * NS).expect("a footer");
    written(writer)
}

/// The clock was set back; one flow saw that, and the other one did not. First TCP alone was recorded, then everything.
fn clock_set() -> Vec<u8> {
    let header = Header { tag: 0x0c10_cc00, content: Content::Flows, marks_clock_sets: true, ..header() };
    let mut writer = writer(&Header { protocols: Vec::new(), ..header });
    let web = tuple([10, 0, 0, 7], 51234, [198, 51, 100, 80], 443);
    let at = |second| CREATED + second * NS;
    writer.note(&Note::clock_step(at(10), -10 * NS as i64));
    for (start, end, flags) in [(19, 11, flags::CLOCK_SET), (12, 13, 0)] {
        let flow = translated(Kind::Flow, TCP, web, 36782);
        let flow = Record { start: at(start).into(), end: at(end).into(), flags: flow.flags | flags, ..flow };
        writer.push(&flow, None, at(end));
    }
    writer.note(&Recorded { families: 1, protocol: Some(TCP) }.note(at(0), at(20)));
    writer.note(&Recorded { families: 3, protocol: None }.note(at(14), at(60)));
    writer.finish(Closing::Complete, at(60)).expect("a footer");
    written(writer)
}

/// The network namespace recorded ended with a flow; and of another one's journal a segment was removed, and one was not after all.
fn netns_gone() -> Vec<u8> {
    let at = |second| CREATED + second * NS;
    let namespace = namespace(4_026_532_177, Some(3));
    let mut writer = writer(&Header { tag: 0x0003_0004, namespace, recorder_started: CREATED, ..header() });
    let web = tuple([10, 0, 0, 7], 51234, [198, 51, 100, 80], 443);
    let start = Record { start: at(1).into(), ..translated(Kind::Start, TCP, web, 36782) };
    let end = Record { end: at(5).into(), flags: flags::END_AT_LATEST, ..translated(Kind::End, TCP, web, 36782) };
    writer.push(&start, None, at(1));
    let removed = Retirement { from: at(0), to: at(2), segment: 7, netns: Some(9) };
    let kept = Retirement { from: at(2), to: at(3), segment: 8, netns: Some(9) };
    for note in [removed.note(at(4)), kept.note(at(4)), kept.kept(at(5))] {
        writer.note(&note);
    }
    writer.push(&end, None, at(5));
    writer.note(&Note::gap(at(4), at(5), 0, Cause::NamespaceGone).with_value(1));
    writer.finish(Closing::Stopped, at(5)).expect("a footer");
    written(writer)
}

/// A part of a journal that was squeezed by itself: the reading that it began with, a flow that this found, and one open at its end.
fn first_read() -> Vec<u8> {
    let mut writer = writer(&Header { tag: 0x0f12_57ad, content: Content::Flows, ..header() });
    let at = |second| CREATED + second * NS;
    writer.note(&Note::gap(at(1), at(2), 0, Cause::FirstRead).with_value(1));
    let web = tuple([10, 0, 0, 7], 51234, [198, 51, 100, 80], 443);
    let flow = Record { end: at(9).into(), ..translated(Kind::Flow, TCP, web, 36782) };
    writer.push(&flow, None, at(9));
    writer.push(&Record { kind: Kind::Flow as u8, ..dns() }, None, at(60));
    writer.finish(Closing::Complete, at(60)).expect("a footer");
    written(writer)
}

/// For how long the machine had been up when the segment was begun, when its clock was set, and when it ended.
fn uptime() -> Vec<u8> {
    let header = Header { tag: 0x0000_0b00, ..header() };
    let mut writer = writer(&header);
    let at = |second| CREATED + second * NS;
    let up = |moment, up| Uptime { moment, up: up * NS, boot: Uptime::boot(header.boot_id) }.note();
    writer.note(&up(CREATED, 86_400));
    writer.note(&Note::clock_step(at(70), 60 * NS.cast_signed()));
    writer.note(&up(at(70), 86_410));
    writer.note(&up(at(100), 86_440));
    writer.finish(Closing::WentOn, at(100)).expect("a footer");
    written(writer)
}

/// What the example becomes: a flow, one that is left open, and what it was made from.
fn left_open() -> Vec<u8> {
    let (source, _) = example();
    let source = Segment::open(&source).expect("the example");
    let header = Header { tag: 0x0be5_0be5, content: Content::Flows, closing_keyframe: true, ..header() };
    let mut writer = writer(&header);
    let web = tuple([10, 0, 0, 7], 51234, [198, 51, 100, 80], 443);
    let (start, end, closed) = (CREATED + NS / 2, CREATED + NS / 4 * 3, CREATED + 360 * 60 * NS);
    let flow = Record { start: start.into(), end: end.into(), ..translated(Kind::Flow, TCP, web, 36782) };
    writer.push(&flow, None, end);
    writer.note(&Note::gap(closed, closed, 0, Cause::LeftOpen).with_value(1));
    writer.push(&Record { kind: Kind::Open as u8, ..dns() }, None, closed);
    let own = source.header().expect("its header");
    writer.made_from(&[MadeFrom::segment(own, source.footer(), source.length())], closed);
    writer.finish(Closing::Complete, closed).expect("a footer");
    written(writer)
}

/// Nothing but a header and a footer.
fn empty() -> Vec<u8> {
    let mut writer = writer(&Header { tag: 1, families: 1, time_zone: String::new(), ..header() });
    writer.finish(Closing::Stopped, CREATED + NS).expect("a footer");
    written(writer)
}

/// More records than full blocks hold, and their index, of two columns and more.
fn two_columns() -> Vec<u8> {
    let mut writer = writer(&Header { tag: 0x00c0_ffee, ..header() });
    for number in 0..1_200u32 {
        let moment = CREATED + u64::from(number) * NS / 100;
        let [_, _, high, low] = number.to_be_bytes();
        let (port, server) = ((30_000 + number % 977) as u16, [198, 51, 100, (number % 50) as u8]);
        let inside = tuple([100, 64, high, low], port, server, 443);
        let record = translated(Kind::Start, TCP, inside, 1024 + number as u16);
        writer.push(&Record { start: moment.into(), id: number.into(), ..record }, None, moment);
        if number % 40 == 0 {
            writer.push(&Record { start: moment.into(), id: number.into(), ..dns() }, None, moment);
        }
    }
    writer.finish(Closing::WentOn, CREATED + 16 * NS).expect("a footer");
    written(writer)
}

/// The same flow again and again: its index, of one slot, is the one that docs/format.md takes apart.
fn smallest_index() -> Vec<u8> {
    let mut writer = writer(&Header { tag: 0x0001_de0c, ..header() });
    let web = tuple([10, 0, 0, 7], 51234, [198, 51, 100, 80], 443);
    for number in 0..80u32 {
        let moment = CREATED + u64::from(number) * NS;
        let record = translated(Kind::Start, TCP, web, 36782);
        writer.push(&Record { start: moment.into(), id: number.into(), ..record }, None, moment);
        if number == 39 {
            writer.note(&Note::gap(moment, moment + 1, 1, Cause::QueueFull));
        }
    }
    writer.finish(Closing::WentOn, CREATED + 80 * NS).expect("a footer");
    written(writer)
}

/// A keyframe, a gap and what became of it, and every note that a recorder makes.
fn accounted() -> Vec<u8> {
    let at = |second: u64| CREATED + second * NS;
    let mut writer = writer(&Header { tag: 0x0acc_0047, recorder_started: at(0), ..header() });
    writer.note(&Note::at(at(0), Cause::Started));
    writer.note(&Note::gap(at(0) - 90 * NS, at(0), Note::LOST_UNKNOWN, Cause::NotRunning));
    // Of the two flows alive, one knows its start.
    let web = tuple([10, 0, 0, 7], 51234, [198, 51, 100, 80], 443);
    writer.push(&translated(Kind::Open, TCP, web, 36782), None, at(1));
    writer.push(&Record { kind: Kind::Open as u8, start: (at(0) - 3600 * NS).into(), ..dns() }, None, at(1));
    writer.note(&Note::gap(at(0), at(1), 0, Cause::TableRead).with_value(2));
    let mail = tuple([10, 0, 0, 8], 40000, [198, 51, 100, 25], 25);
    writer.push(&Record { start: at(2).into(), ..translated(Kind::Start, TCP, mail, 2000) }, None, at(2));

    // Three events are lost: the end of one, the start of another one, and one that nobody will know.
    writer.note(&Note::gap(at(3), at(4), Note::LOST_UNKNOWN, Cause::KernelOverrun));
    let found = Record { start: at(5).into(), flags: flags::RECOVERED, ..translated(Kind::Start, TCP, web, 2001) };
    writer.push(&found, None, at(5));
    writer.note(&Note::gap(at(3), at(6), 0, Cause::TableRead).with_value(3));
    let gone = Record { start: at(2).into(), end: at(6).into(), ..translated(Kind::End, TCP, mail, 2000) };
    writer.push(&Record { status: 0.into(), tcp_state: 0, flags: flags::END_AT_LATEST, ..gone }, None, at(6) + 1);
    writer.note(&Note::gap(at(3), at(6), 3, Cause::Account).with_value(2));

    writer.note(&Note::at(at(7), Cause::LossyDelivery));
    writer.note(&Note::gap(at(7), at(8), 5, Cause::KernelOverrun));
    writer.note(&Note::gap(at(7), at(9), 5, Cause::Account));
    writer.note(&Note::at(at(69), Cause::ReliableDelivery));
    writer.note(&Note::gap(at(69), at(129), 0, Cause::Quiet));
    writer.note(&Note::gap(at(130), at(131), 70, Cause::Removed));
    writer.note(&Note::at(at(132), Cause::Stopped).with_value(3));
    writer.finish(Closing::Stopped, at(132)).expect("a footer");
    written(writer)
}

/// Segments are removed, the second of which knew of others before it; and one is not after all.
fn retired() -> Vec<u8> {
    let at = |hour: u64| CREATED + hour * 3600 * NS;
    let mut writer =
        writer(&Header { tag: 0x0dead, recorder_started: at(0), segment_number: 48, created: at(48), ..header() });
    let single = Retirement { from: at(0), to: at(1), segment: 0, netns: None };
    let reaching = Retirement { from: at(0) - 24 * 3600 * NS, to: at(2), segment: 1, netns: None };
    let kept = Retirement { from: at(2), to: at(3), segment: 2, netns: None };
    for (moment, told) in [single, reaching, kept].iter().enumerate() {
        writer.note(&told.note(at(48) + moment as u64 * NS));
    }
    writer.note(&kept.kept(at(48) + 5 * NS));
    writer.finish(Closing::WentOn, at(49)).expect("a footer");
    written(writer)
}

/// Every protocol in both families, every kind of record, and what was found in place of being heard; from a host whose
/// name is hard to write down.
fn every_protocol() -> Vec<u8> {
    let at = |second: u64| CREATED + second * NS;
    let host = "nat \"1\", \u{141}\u{f3}d\u{17a}".into();
    let mut writer = writer(&Header { tag: 0x0a11_0f17, counters: true, host, protocols: Vec::new(), ..header() });
    let inside6 = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let server6 = [0x2a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    let public6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6];
    for (number, protocol) in [TCP, UDP, 136, 132, 33, 1, 47, 89].into_iter().enumerate() {
        let second = number as u64 + 2;
        let flow = flow(protocol, [[10, 0, 0, 1], [198, 51, 100, 7], [203, 0, 113, 6]], number as u32 + 1);
        life(&mut writer, &flow, at(second));
        let protocol = if protocol == 1 { 58 } else { protocol };
        life(&mut writer, &self::flow(protocol, [inside6, server6, public6], number as u32 + 0x8000_0001), at(second));
    }
    let web = flow(TCP, [[10, 0, 0, 2], [198, 51, 100, 7], [203, 0, 113, 6]], 0xffff_ffff);
    let update = Record { start: at(20).into(), kind: Kind::Update as u8, tcp_state: 3, mark: 7.into(), ..web };
    writer.push(&update, None, at(20));
    writer.push(&Record { kind: Kind::Open as u8, tcp_state: 9, ..web }, None, at(21));
    writer.push(&Record { start: at(22).into(), flags: flags::RECOVERED, ..web }, None, at(22));
    writer.note(&Note::gap(at(23), at(24), 0, Cause::TableRead).with_value(1));
    let gone = Record { kind: Kind::End as u8, status: 0.into(), flags: flags::END_AT_LATEST, ..web };
    writer.push(&Record { end: at(24).into(), ..gone }, None, at(24));
    writer.push(&Record { end: at(25).into(), id: 0.into(), ..gone }, None, at(25));
    writer.finish(Closing::Stopped, at(30)).expect("a footer");
    written(writer)
}

/// The start of a translated flow, and a second later its end, of which the kernel told everything.
fn life<A: Address>(writer: &mut Writer<Vec<u8>>, flow: &Record<A>, start: u64) {
    writer.push(&Record { start: start.into(), ..*flow }, None, start);
    let end = start + NS + 123_456_789;
    let counted = Counters {
        original_packets: 1.into(),
        original_bytes: 84.into(),
        reply_packets: u64::MAX.into(),
        reply_bytes: u64::MAX.into(),
    };
    let ended = Record {
        start: start.into(),
        end: end.into(),
        kind: Kind::End as u8,
        status: 0x19e.into(),
        tcp_state: if flow.protocol == TCP { 8 } else { 0 },
        flags: flags::REPLY_SEEN | flags::START_FROM_KERNEL | flags::END_FROM_KERNEL,
        mark: flow.id,
        ..*flow
    };
    writer.push(&ended, Some(&counted), end);
}

/// A flow of the inside host with the server behind the public address, each protocol with what it has for ports.
fn flow<A: Address>(protocol: u8, [inside, server, public]: [A; 3], id: u32) -> Record<A> {
    let (original, reply) = match protocol {
        1 => ((77, 8 << 8), (78, 0)),
        58 => ((77, 128 << 8), (78, 129 << 8)),
        47 => ((0x1111, 0), (0, 0xabc)),
        89 => ((0, 0), (0, 0)),
        _ => ((1024, 443), (443, 36782)),
    };
    let tuple = |src, dst, (sport, dport): (u16, u16)| Tuple { src, dst, sport: sport.into(), dport: dport.into() };
    Record {
        start: 0.into(),
        end: 0.into(),
        original: tuple(inside, server, original),
        reply: tuple(server, public, reply),
        id: id.into(),
        mark: 0.into(),
        zone: 9.into(),
        kind: Kind::Start as u8,
        protocol,
        status: 0x198.into(),
        tcp_state: if protocol == TCP { 1 } else { 0 },
        flags: 0,
    }
}

fn header() -> Header {
    Header {
        tag: 0xfeed_beef,
        counters: false,
        closing_keyframe: false,
        marks_clock_sets: false,
        software: "ctrecorder 0.1.0".into(),
        content: Content::Events,
        host: "nat1".into(),
        boot_id: *b"\x5f\x1c\x0a\x3e\x2b\x4d\x4e\x6f\x80\x91\xa2\xb3\xc4\xd5\xe6\xf7",
        machine: [0; 16],
        recorder_started: CREATED - NS,
        segment_number: 0,
        created: CREATED,
        time_zone: "Europe/Warsaw".into(),
        utc_offset_seconds: 3600,
        families: 3,
        protocols: vec![TCP, UDP],
        namespace: 4_026_531_840,
        filters: String::new(),
        clock: Clock::Arrival,
        previous: None,
    }
}

fn tuple(src: V4, sport: u16, dst: V4, dport: u16) -> Tuple<V4> {
    Tuple { src, dst, sport: sport.into(), dport: dport.into() }
}

/// A flow from `original` to the world, behind the public address 203.0.113.6 and this port of it. What began just now
/// has no reply yet; what ended was reset.
fn translated(kind: Kind, protocol: u8, original: Tuple<V4>, public_port: u16) -> Record<V4> {
    let (status, tcp_state, flags) = match kind {
        Kind::Start => (0x198, 1, 0),
        Kind::Open => (0x19e, 3, flags::REPLY_SEEN),
        _ => (0x19e, 8, flags::REPLY_SEEN),
    };
    Record {
        start: 0.into(),
        end: 0.into(),
        original,
        reply: tuple(original.dst, original.dport.get(), [203, 0, 113, 6], public_port),
        id: 0x2a00_0001.into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: kind as u8,
        protocol,
        status: status.into(),
        tcp_state: if protocol == TCP { tcp_state } else { 0 },
        flags,
    }
}

/// A question over IPv6, not translated.
fn dns() -> Record<V6> {
    let client = [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    let server = [0x20, 0x01, 0x0d, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53];
    Record {
        start: (CREATED + NS / 4 * 3 + 1000).into(),
        end: 0.into(),
        original: Tuple { src: client, dst: server, sport: 5353.into(), dport: 53.into() },
        reply: Tuple { src: server, dst: client, sport: 53.into(), dport: 5353.into() },
        id: 0x2a00_0002.into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: Kind::Start as u8,
        protocol: UDP,
        status: 0x188.into(),
        tcp_state: 0,
        flags: 0,
    }
}

fn writer(header: &Header) -> Writer<Vec<u8>> {
    Writer::new(Vec::new(), header).expect("a header")
}

fn written(mut writer: Writer<Vec<u8>>) -> Vec<u8> {
    writer.write_out().expect("memory takes all");
    writer.output().clone()
}

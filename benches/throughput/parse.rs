//! Messages of the kernel, to events.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ctrecorder::netlink::messages;

/// Messages as the kernel sent them.
const MESSAGES: [(&str, &[u8]); 4] = [
    ("new, TCP, IPv4", include_bytes!("../../tests/fuzz/corpus/netlink/new-6-v4")),
    ("destroy, TCP, IPv4", include_bytes!("../../tests/fuzz/corpus/netlink/destroy-6-v4")),
    ("new, TCP, IPv6", include_bytes!("../../tests/fuzz/corpus/netlink/new-6-v6")),
    ("update, TCP, IPv4", include_bytes!("../../tests/fuzz/corpus/netlink/update-6-v4")),
];

/// Measures the parser of datagrams.
pub fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for (name, datagram) in MESSAGES {
        assert!(messages(datagram).all(|message| message.is_ok()), "{name}");
        group.throughput(Throughput::Elements(messages(datagram).count() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| messages(black_box(datagram)).for_each(|message| _ = black_box(message)));
        });
    }
}

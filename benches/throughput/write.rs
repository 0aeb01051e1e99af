//! Records, to the bytes of a segment: filters, checksums, digest.

use std::io;

use criterion::{Criterion, Throughput};
use ctrecorder_format::{Closing, Content, Header, Writer};

use crate::sample;

/// Measures the writer of segments.
pub fn write(criterion: &mut Criterion) {
    let records = sample::records();
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(records.len() as u64)).sample_size(20);
    group.bench_function("a segment", |bencher| {
        bencher.iter(|| {
            let mut writer = Writer::new(io::sink(), &Header::blank(Content::Events)).expect("a header");
            for record in &records {
                writer.push(record, None, record.event_time());
                if writer.waiting() > 0 {
                    writer.write_out().expect("it takes all");
                }
            }
            writer.finish(Closing::Stopped, 1).expect("a footer")
        });
    });
}

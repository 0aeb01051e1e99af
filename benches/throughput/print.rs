//! Records, to text.

use criterion::{Criterion, Throughput};
use ctrecorder::output::{Classic, Zone};

use crate::sample;

/// Measures the lines of a list.
pub fn print(criterion: &mut Criterion) {
    let records = sample::records();
    let mut group = criterion.benchmark_group("print");
    group.throughput(Throughput::Elements(records.len() as u64)).sample_size(20);
    group.bench_function("classic", |bencher| {
        let mut classic = Classic::new(Zone::local());
        let mut text = Vec::new();
        bencher.iter(|| {
            for record in &records {
                // As long as what `list` writes at once.
                if text.len() >= 64 * 1024 {
                    text.clear();
                }
                classic.event(&mut text, record);
            }
        });
    });
}

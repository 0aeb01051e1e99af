//! Files, to the records that are asked for.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::Path;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use ctrecorder::journal::{Error, Everything, Journal, OpenRecords, Scan, Select, Sink};
use ctrecorder::query::Filter;
use ctrecorder::query::filter::{Condition, Places};
use ctrecorder_format::{Counters, Damage, Note, Record, V4, V6};
use ctrecorder_synth::Version;
use ipnetwork::IpNetwork;

use crate::sample;

/// Measures scans of files of both versions, with filters and without.
pub fn scan(criterion: &mut Criterion) {
    let (peer, subscriber) = sample::addresses();
    let directory = tempfile::tempdir().expect("a directory");
    for (name, version) in [("scan, version 2", Version::Two), ("scan, version 3", Version::Three)] {
        let (bytes, records) = sample::file(version);
        let path = directory.path().join(name);
        std::fs::write(&path, &bytes).expect("a file");
        let journal = Journal::find(&[path], |error| panic!("{error}"));
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(records)).sample_size(20);
        measure(&mut group, "everything", &journal, Everything);
        measure(&mut group, "a subscriber in most blocks", &journal, address(subscriber));
        measure(&mut group, "a peer in few blocks", &journal, address(peer));
    }
}

fn address(address: IpAddr) -> Filter {
    Condition::Address(Places::ALL, IpNetwork::from(address).into()).into()
}

fn measure<F: Select + Clone>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, journal: &Journal, select: F) {
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let mut count = Count(0);
            let done = Scan::new(select.clone(), OpenRecords::New).run(journal, &mut count);
            assert!(done.is_continue());
            count.0
        });
    });
}

/// Counts what it is handed.
struct Count(u64);

impl Sink for Count {
    type Stop = String;

    fn begin(&mut self, _: &Path, _: &ctrecorder::journal::Version<'_>) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }

    fn ipv4(&mut self, _: &Record<V4>, _: Option<&Counters>) -> ControlFlow<String> {
        self.0 += 1;
        ControlFlow::Continue(())
    }

    fn ipv6(&mut self, _: &Record<V6>, _: Option<&Counters>) -> ControlFlow<String> {
        self.0 += 1;
        ControlFlow::Continue(())
    }

    fn note(&mut self, _: &Path, _: &Note) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }

    fn damage(&mut self, _: &Path, _: &ctrecorder::journal::Version<'_>, damage: &Damage) -> ControlFlow<String> {
        ControlFlow::Break(damage.to_string())
    }

    fn error(&mut self, error: Error) -> ControlFlow<String> {
        ControlFlow::Break(error.to_string())
    }

    fn passed(&mut self, _: u64) {}
}

//! The metrics in Prometheus' text format. docs/operations.md has the list of them, for people.

use std::fmt::{Display, Write};

use ctrecorder_format::NS_PER_SECOND;
use nix::sys::statvfs::statvfs;

use super::super::pattern::Pattern;
use super::super::queue::Queue;
use super::super::settings::TableFill;
use super::super::statistics::{GAPS, Statistics};
use super::super::{clock, files};

/// What the metrics are made of.
pub(in crate::capture) struct Sources<'a> {
    pub(in crate::capture) statistics: &'a Statistics,
    pub(in crate::capture) queue: &'a Queue,
    pub(in crate::capture) pattern: &'a Pattern,
    /// When the recorder was started, ns since the epoch.
    pub(in crate::capture) started: u64,
}

/// All metrics as they are now.
pub(super) fn text(sources: &Sources<'_>, table: &TableFill) -> String {
    let mut page = Page(String::with_capacity(8192));
    page.about(sources);
    page.events(sources.statistics);
    page.queue(sources.queue);
    page.journal(sources.statistics);
    page.surroundings(sources, table);
    page.0
}

/// The text so far.
struct Page(String);

impl Page {
    fn about(&mut self, sources: &Sources<'_>) {
        self.head("ctrecorder_build_info", "gauge", "A constant 1, labelled by the program's version.");
        self.sample("ctrecorder_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        self.gauge(
            "ctrecorder_start_time_seconds",
            "When the recorder was started, since 1970.",
            seconds(sources.started),
        );
    }

    fn events(&mut self, statistics: &Statistics) {
        let name = "ctrecorder_events_total";
        self.head(name, "counter", "Events received, of what is recorded.");
        for (kind, counters) in [("start", &statistics.starts), ("end", &statistics.ends)] {
            for (protocol, count) in counters.each() {
                self.sample(name, &[("kind", kind), ("protocol", protocol)], count);
            }
        }
        let passed_over = "Events of protocols or families that are not recorded.";
        self.counter("ctrecorder_events_passed_over_total", passed_over, statistics.passed_over.get());
        let repeated = "Events that the kernel reported again, and that were recorded once.";
        self.counter("ctrecorder_events_repeated_total", repeated, statistics.repeated.get());
        let name = "ctrecorder_events_lost_total";
        self.head(name, "counter", "Events lost, by where: those that were found again are among them.");
        let lost = [
            ("kernel", &statistics.lost_in_kernel),
            ("queue", &statistics.lost_in_queue),
            ("disk", &statistics.lost_on_disk),
        ];
        lost.iter().for_each(|(place, counter)| self.sample(name, &[("place", place)], counter.get()));
        let name = "ctrecorder_gaps_total";
        self.head(
            name,
            "counter",
            "Gaps noted in the journal, by cause, whether it is known how much was lost or not.",
        );
        for (cause, counter) in GAPS.iter().zip(&statistics.gaps) {
            self.sample(name, &[("cause", cause.text())], counter.get());
        }
        let name = "ctrecorder_messages_refused_total";
        self.head(
            name,
            "counter",
            "Messages that were not understood, or that another program than the kernel had sent.",
        );
        self.sample(name, &[("reason", "malformed")], statistics.malformed.get());
        self.sample(name, &[("reason", "forged")], statistics.forged.get());
        let last = "When the last event arrived that is recorded, since 1970; 0 if there was none.";
        self.gauge("ctrecorder_last_event_time_seconds", last, seconds(statistics.last_event.get()));
    }

    fn queue(&mut self, queue: &Queue) {
        self.gauge("ctrecorder_queue_events", "Events that wait in memory to be written.", queue.depth());
        self.gauge("ctrecorder_queue_capacity_events", "How many may wait; what comes beyond is lost.", queue.limit());
    }

    fn journal(&mut self, statistics: &Statistics) {
        let blocks = "Blocks put into segments, those that wait for the disk among them.";
        self.counter("ctrecorder_blocks_total", blocks, statistics.blocks.get());
        self.counter("ctrecorder_written_bytes_total", "Bytes written to segments.", statistics.bytes.get());
        self.counter("ctrecorder_segments_total", "Segments begun.", statistics.segments.get());
        let journals = "Journals that are written: one for each network namespace that is recorded.";
        self.gauge("ctrecorder_journals", journals, statistics.pulses.count());
        self.counter("ctrecorder_journals_begun_total", "Journals begun.", statistics.journals.get());
        let begun = seconds(statistics.segment_begun.get());
        self.gauge("ctrecorder_segment_start_time_seconds", "When the current segment was begun, since 1970.", begun);
        self.gauge(
            "ctrecorder_disk_refusing",
            "1 while the disk refuses what is written to any journal, else 0.",
            u8::from(statistics.pulses.refused() > 0),
        );
        let removed = "Segments removed for their age or size, or for want of room.";
        self.counter("ctrecorder_segments_removed_total", removed, statistics.retired.get());
        self.counter("ctrecorder_removed_bytes_total", "Bytes of these.", statistics.retired_bytes.get());
        let failed = "Times that a segment should have been removed and could not be.";
        self.counter("ctrecorder_removals_failed_total", failed, statistics.unremovable.get());
    }

    fn surroundings(&mut self, sources: &Sources<'_>, table: &TableFill) {
        let statistics = sources.statistics;
        let readings = "Whole readings of the kernel's table: at the begin of each segment and after gaps.";
        self.counter("ctrecorder_resyncs_total", readings, statistics.readings.get());
        self.gauge("ctrecorder_flows_alive", "Flows alive, as far as the journal tells.", statistics.pulses.alive());
        if let Some(count) = table.count() {
            self.gauge("ctrecorder_table_flows", "Flows in the kernel's table.", count);
        }
        if let Some(max) = table.max() {
            self.gauge("ctrecorder_table_max_flows", "Flows that the table may hold; 0: any number.", max);
        }
        // While something has yet to make the directory of this moment there is the one that it will be in.
        let directories = [sources.pattern.directory(clock::now()), sources.pattern.fixed_directory()];
        if let Some(found) = directories.iter().find_map(|directory| statvfs(directory).ok()) {
            let free = "What the file system of the segments has free for others than root.";
            self.gauge("ctrecorder_disk_free_bytes", free, files::free_bytes(&found));
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// Texts here have neither a backslash nor a line break, which the format would want escaped.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// Values of labels here are plain words.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.line(format_args!("{name}{labels} {value}\n"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A string takes whatever is written to it.
        let _ = self.0.write_fmt(line);
    }
}

/// A time in ns since the epoch, in seconds with milliseconds.
fn seconds(ns: u64) -> String {
    format!("{}.{:03}", ns / NS_PER_SECOND, ns % NS_PER_SECOND / 1_000_000)
}

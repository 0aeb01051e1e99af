//! The same flows where the kernel tells of none: written into a segment as a recorder would have.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use ctrecorder_format::{Address, Closing, Content, Header, Kind, Record, Tuple, V4, V6, Writer};

use super::flows::{self, Flow};

const MILLISECOND: u64 = 1_000_000;

/// Writes the segment and returns its path.
pub fn record(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("demo.ct");
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    let mut writer = Writer::new(File::create_new(&path)?, &header(now))?;
    let flows = flows::all();
    for (time, flow) in (now..).step_by(120 * MILLISECOND as usize).zip(&flows) {
        push(&mut writer, flow, Kind::Start, time)?;
    }
    let ends = now + flows.len() as u64 * 120 * MILLISECOND;
    let ended = flows.iter().filter(|flow| flow.original.src.is_ipv4());
    for (time, flow) in (ends..).step_by(80 * MILLISECOND as usize).zip(ended) {
        push(&mut writer, flow, Kind::End, time)?;
    }
    writer.finish(Closing::Stopped, ends + 1_000 * MILLISECOND)?;
    writer.write_out()?;
    Ok(path)
}

fn push(writer: &mut Writer<File>, flow: &Flow, kind: Kind, time: u64) -> Result<()> {
    if flow.original.src.is_ipv4() {
        writer.push(&record_of::<V4>(flow, kind, time)?, None, time);
    } else {
        writer.push(&record_of::<V6>(flow, kind, time)?, None, time);
    }
    Ok(())
}

fn record_of<A: Address>(flow: &Flow, kind: Kind, time: u64) -> Result<Record<A>> {
    let tuple = |from: &ctrecorder::netlink::Tuple| -> Result<Tuple<A>> {
        Ok(Tuple {
            src: A::from_ip(from.src).context("a flow is of one family")?,
            dst: A::from_ip(from.dst).context("a flow is of one family")?,
            sport: from.sport.into(),
            dport: from.dport.into(),
        })
    };
    let (start, end) = if kind == Kind::Start { (time, 0) } else { (0, time) };
    Ok(Record {
        start: start.into(),
        end: end.into(),
        original: tuple(&flow.original)?,
        reply: tuple(&flow.reply)?,
        id: 0.into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: kind as u8,
        protocol: flow.protocol,
        status: 0.into(),
        tcp_state: 0,
        flags: 0,
    })
}

fn header(now: u64) -> Header {
    Header {
        tag: now as u32,
        software: concat!("ctrecorder ", env!("CARGO_PKG_VERSION"), " (demo, generated)").into(),
        host: "demo".into(),
        recorder_started: now,
        created: now,
        ..Header::blank(Content::Events)
    }
}

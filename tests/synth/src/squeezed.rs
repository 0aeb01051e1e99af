//! Flows in one file, as the squeeze of a whole journal would leave them: in the order of their ends.

use std::io::Write;

use ctrecorder_format::{Closing, Content, Header, Kind};

use crate::flow::Flow;
use crate::flows::Flows;
use crate::output::{Error, HOST, Output, State, Version};

/// Writes flows until the last of them has begun; those that live on have no end.
///
/// # Errors
/// Those of writing.
pub fn squeeze<W: Write>(
    mut flows: Flows,
    version: Version,
    out: W,
    mut began: impl FnMut(&Flow) -> Result<(), Error>,
) -> Result<u64, Error> {
    let created = flows.next_at().unwrap_or_default();
    let header = Header {
        tag: created as u32,
        software: "ctrecorder-synth".into(),
        host: HOST.into(),
        time_zone: "UTC".into(),
        recorder_started: created,
        created,
        ..Header::blank(Content::Flows)
    };
    let mut output = Output::new(version, out, &header)?;
    let (mut now, mut records) = (created, 0);
    let of = |flow: &Flow, end| State { kind: Kind::Flow, start: flow.start, end, flags: 0 };
    while !flows.have_all_begun()
        && let Some(happening) = flows.next()
    {
        now = happening.at();
        if happening.ends {
            records += 1;
            output.push(&happening.flow, &of(&happening.flow, now), now)?;
            output.write_out()?;
        } else {
            began(&happening.flow)?;
        }
    }
    output.seal();
    for (_, flow) in flows.alive() {
        records += 1;
        output.push(flow, &of(flow, 0), flow.start)?;
        output.write_out()?;
    }
    output.finish(Closing::Complete, now)?;
    Ok(records)
}

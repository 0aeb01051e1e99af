//! Connection tracking's settings, its table, and the buffer between the kernel and a recorder.

use std::fs;

use super::finding::{Finding, Verdict};
use crate::capture::delivery::{Fill, fill};
use crate::capture::settings::{self, ACCOUNTING, EVENTS, Setting, TIMESTAMP};
use crate::counted::counted;
use crate::netlink::socket;

/// The events mode, the timestamps and the counters. These may be off, unless they are wanted.
pub(super) fn all(accounting: bool) -> Vec<Finding> {
    let unwanted = if accounting { Verdict::Warning } else { Verdict::Ok };
    let events = setting("events", EVENTS, if EVENTS.value() == Some(0) { Verdict::Cost } else { Verdict::Warning });
    vec![events, setting("timestamp", TIMESTAMP, Verdict::Warning), setting("accounting", ACCOUNTING, unwanted)]
}

/// One setting; `otherwise` is the verdict on another value than that recommended.
fn setting(name: &'static str, setting: Setting, otherwise: Verdict) -> Finding {
    let Some(value) = setting.value() else {
        let verdict = if setting.name == EVENTS.name { Verdict::Cost } else { otherwise };
        return Finding::new(name, verdict, format!("the kernel has no {} here", setting.name));
    };
    let found = format!("{} is {value}: {}", setting.name, (setting.consequence)(value));
    let found = match otherwise {
        _ if value == setting.recommended => Finding::ok(name, found),
        Verdict::Ok => Finding::ok(name, found),
        verdict => Finding::new(name, verdict, found).mended_by(setting.command()),
    };
    found.value("value", value).value("recommended", setting.recommended)
}

/// How full the table is.
pub(super) fn table() -> Option<Finding> {
    let (count, max) = (settings::table_count()?, settings::table_max()?);
    Some(table_of(count, max).value("count", count).value("max", max))
}

fn table_of(count: u64, max: u64) -> Finding {
    let name = "table";
    if max == 0 {
        return Finding::ok(name, format!("{}, and room for any number", counted(count, "flow")));
    }
    let found = format!("{}, and room for {max}", counted(count, "flow"));
    // Like delivery, which is the one to judge: where it would give way, ends may be lost.
    let verdict = match fill(count, 0, max) {
        Fill::Roomy => return Finding::ok(name, found),
        Fill::Between => Verdict::Warning,
        Fill::NearlyFull => Verdict::Cost,
    };
    Finding::new(name, verdict, found + "; it is set in the initial network namespace")
        .mended_by(format!("sysctl -w net.netfilter.nf_conntrack_max={}", max.saturating_mul(2)))
}

/// Whether a recorder's socket is given the buffer that it asks for, in bytes.
pub(super) fn buffer(wanted: usize) -> Option<Finding> {
    let name = "buffer";
    let got = socket::receive_buffer_for(wanted).ok()?;
    let found = if got >= wanted {
        Finding::ok(name, format!("{} KiB, as a recorder asks for", got / 1024))
    } else {
        let found = format!(
            "{} KiB instead of {}: it overruns the sooner. More is given with CAP_NET_ADMIN, or by net.core.rmem_max",
            got / 1024,
            wanted / 1024
        );
        Finding::warning(name, found).mended_by(format!("sysctl -w net.core.rmem_max={wanted}"))
    };
    let found = found.value("wanted_bytes", wanted).value("granted_bytes", got);
    let limit = fs::read_to_string("/proc/sys/net/core/rmem_max").ok().and_then(|text| text.trim().parse::<u64>().ok());
    Some(match limit {
        Some(limit) => found.value("rmem_max_bytes", limit),
        None => found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_has_delivery_give_way_would_cost_records() {
        let verdict = |count, max| table_of(count, max).verdict;
        assert_eq!(verdict(700, 1000), Verdict::Ok);
        assert_eq!(verdict(800, 1000), Verdict::Warning);
        assert_eq!(verdict(900, 1000), Verdict::Cost);
        assert_eq!(verdict(900, 0), Verdict::Ok);
        let command = table_of(900, 1000).mend.unwrap();
        assert_eq!(command, "sysctl -w net.netfilter.nf_conntrack_max=2000");
    }
}

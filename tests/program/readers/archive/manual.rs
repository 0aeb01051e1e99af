//! docs/archive.md says what is there.

use std::fs;
use std::path::Path;

use super::journal::{export, files, journal};

#[test]
fn every_column_is_in_the_manual() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/archive.md");
    let manual = fs::read_to_string(manual).unwrap();
    let journal = journal(1, 100, 2.0);
    let (_around, archive, _) = export(journal.path(), &[]);
    let (_, bytes) = files(&archive).swap_remove(0);
    // The footer names the columns; the manual has each in a table, in their order.
    let mut rows = manual.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('`').nth(1));
    let mut found = 0;
    for name in [
        "start",
        "end",
        "start_after",
        "end_after",
        "start_from_kernel",
        "end_from_kernel",
        "start_at_latest",
        "end_at_latest",
        "reply_seen",
        "protocol",
        "translation",
        "inside_ip",
        "inside_ip6",
        "inside_port",
        "public_ip",
        "public_ip6",
        "public_port",
        "peer_ip",
        "peer_ip6",
        "peer_port",
        "called_ip",
        "called_ip6",
        "called_port",
        "icmp_original",
        "icmp_reply",
        "zone",
        "mark",
        "id",
        "status",
        "tcp_state",
        "original_packets",
        "original_bytes",
        "reply_packets",
        "reply_bytes",
        "host",
    ] {
        assert!(bytes.windows(name.len()).any(|window| window == name.as_bytes()), "{name} is no column");
        assert!(rows.any(|row| row == name), "{name} is not in the manual, or not in its place");
        found += 1;
    }
    assert_eq!(found, 35);
}

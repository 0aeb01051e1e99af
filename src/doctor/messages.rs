//! Whether anybody hears what a recorder says.

use super::finding::Finding;
use crate::capture::syslog;

/// Of a recorder in the background, whose messages go to syslog.
pub(super) fn examine() -> Finding {
    let name = "messages";
    match syslog::unheard() {
        Some(why) => Finding::warning(name, why),
        None => Finding::ok(name, "a syslog takes them"),
    }
}

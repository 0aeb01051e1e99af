//! What a recorder can be shut into here.

use super::finding::Finding;
use crate::capture::sandbox::{kernel_filters_calls, landlock_version};

/// Whether this kernel has what a recorder's sandbox is made of.
pub(super) fn examine() -> Finding {
    let name = "sandbox";
    match (landlock_version(), kernel_filters_calls()) {
        (Some(version), true) => {
            Finding::ok(name, format!("Landlock {version} and seccomp filters")).value("landlock", version)
        }
        (Some(version), false) => {
            Finding::warning(name, "this kernel has no seccomp filters").value("landlock", version)
        }
        (None, true) => Finding::warning(
            name,
            "this kernel has no Landlock (Linux 5.13 and later, in the list of lsm=), or it is off",
        ),
        (None, false) => Finding::warning(name, "this kernel has neither Landlock nor seccomp filters"),
    }
}

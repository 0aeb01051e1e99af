//! Of root's powers, CAP_NET_ADMIN alone: without it the kernel's table cannot be read.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};

/// Takes every other capability from this thread, and whatever could bring one back.
pub(in crate::capture) fn keep_net_admin_alone() -> Result<(), CapsError> {
    empty_bounding_set()?;
    keep(&CapsHashSet::from([Capability::CAP_NET_ADMIN]))
}

/// Whether this thread may go into other network namespaces, as far as that is a question of capabilities.
pub(in crate::capture) fn may_enter_netns() -> bool {
    // Who cannot tell has none to give up.
    caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false)
}

/// Takes all out of the bounding set, so that no program started later could have any. Only who has CAP_SETPCAP may; who has not
/// can start no program with more than it has itself, since no-new-privileges follows.
pub(in crate::capture) fn empty_bounding_set() -> Result<(), CapsError> {
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        for capability in caps::read(None, CapSet::Bounding)? {
            caps::drop(None, CapSet::Bounding, capability)?;
        }
    }
    Ok(())
}

/// Reduces the sets of this thread to what it has of `wanted`. The effective set first: it may not hold what the permitted one
/// does not. What is not inheritable is not ambient, either (capabilities(7)).
pub(in crate::capture) fn keep(wanted: &CapsHashSet) -> Result<(), CapsError> {
    let kept = &caps::read(None, CapSet::Permitted)? & wanted;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

/// Does `work` with the effective capabilities that will be left, and has the others again.
pub(in crate::capture) fn with_what_is_left<T>(work: impl FnOnce() -> T) -> Result<T, CapsError> {
    let effective = caps::read(None, CapSet::Effective)?;
    caps::set(None, CapSet::Effective, &(&effective & &CapsHashSet::from([Capability::CAP_NET_ADMIN])))?;
    let result = work();
    caps::set(None, CapSet::Effective, &effective)?;
    Ok(result)
}

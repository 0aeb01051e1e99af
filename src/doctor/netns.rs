//! The other network namespaces that a recorder of all of them would hear.

use super::finding::Finding;
use crate::capture::netns::Doors;
use crate::capture::settings;
use crate::netlink::socket::{self, OpenError, RequestSocket};

/// Whether they may be heard, and report their flows.
pub(super) fn examine() -> Finding {
    let name = "netns";
    match socket::may_hear_all_netns() {
        Ok(()) => {}
        Err(OpenError::NotPermittedNetns) => {
            let found =
                "not permitted to hear of other network namespaces: that takes CAP_NET_ADMIN and CAP_NET_BROADCAST";
            return Finding::cost(name, found).mended_by(socket::setcap(socket::WITH_OTHERS));
        }
        Err(error) => return Finding::cost(name, error.to_string()),
    }
    let ids = RequestSocket::open_for_netns_ids().map_err(|error| error.to_string());
    let ids = match ids.and_then(|mut socket| socket.netns_ids().map_err(|error| error.to_string())) {
        Ok(ids) => ids,
        Err(error) => return Finding::warning(name, format!("which have an id here cannot be told: {error}")),
    };
    let doors = Doors::default();
    let (mut silent, mut closed) = (Vec::new(), Vec::new());
    for id in &ids {
        match doors.of(*id).within(settings::reports_elsewhere) {
            Ok(true) => {}
            Ok(false) => silent.push(*id),
            Err(_) => closed.push(*id),
        }
    }
    of_ids(&ids, silent, closed)
}

/// What comes of these namespaces, of which some do not report their flows, and to some there is no way.
fn of_ids(ids: &[u32], silent: Vec<u32>, closed: Vec<u32>) -> Finding {
    let name = "netns";
    let found = format!("other network namespaces that have an id here: {}", ids.len());
    let list = |ids: &[u32]| ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let finding = if !silent.is_empty() {
        let what =
            "do not report their flows, and are not recorded unless --set-sysctls sets nf_conntrack_events there";
        Finding::warning(name, format!("{found}; those with these {what}: {}", list(&silent)))
    } else if !closed.is_empty() {
        let what = "what was alive there before is not known to a recorder";
        Finding::warning(name, format!("{found}; there is no way into those with these, and {what}: {}", list(&closed)))
    } else {
        Finding::ok(name, found)
    };
    finding.value("count", ids.len()).value("silent", silent).value("closed", closed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn what_would_not_be_recorded_is_named() {
        let found = |silent: &[u32], closed: &[u32]| of_ids(&[0, 3, 12], silent.to_vec(), closed.to_vec());
        assert_eq!(found(&[], &[]).verdict, Verdict::Ok);
        assert!(found(&[], &[]).found.ends_with(": 3"));
        let silent = found(&[3, 12], &[0]);
        assert_eq!(silent.verdict, Verdict::Warning);
        assert!(silent.found.contains("nf_conntrack_events") && silent.found.ends_with(": 3, 12"), "{silent:?}");
        let closed = found(&[], &[0]);
        assert!(closed.verdict == Verdict::Warning && closed.found.ends_with(": 0"), "{closed:?}");
    }
}

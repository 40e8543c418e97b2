//! Where agents were seen: connections from there wait in a place of their own for their handshake, so that strangers from
//! elsewhere keep no agent out. In memory only: after a start all are strangers until they have come once.

use std::{collections::HashMap, net::IpAddr, time::Instant};

use parking_lot::Mutex;

use crate::access::holder;

/// Networks, of which the one that was seen longest ago goes first.
const MANY: usize = 16_384;

#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<IpAddr, Instant>>);

impl Known {
    /// An agent came from there.
    pub(super) fn note(&self, peer: IpAddr) {
        let (network, now) = (holder(peer), Instant::now());
        let mut known = self.0.lock();
        if known.len() >= MANY && !known.contains_key(&network) {
            let oldest = known.iter().min_by_key(|(_, seen)| **seen).map(|(network, _)| *network);
            oldest.map(|oldest| known.remove(&oldest));
        }
        known.insert(network, now);
    }

    pub(super) fn has(&self, peer: IpAddr) -> bool {
        self.0.lock().contains_key(&holder(peer))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_one_seen_longest_ago_is_forgotten_first() {
        let known = Known::default();
        let address = |n: usize| IpAddr::from(Ipv4Addr::from(u32::try_from(n).unwrap()));
        (0..MANY).for_each(|n| known.note(address(n)));
        known.note(address(0));
        known.note(address(MANY));
        assert!(known.has(address(0)) && known.has(address(MANY)) && !known.has(address(1)));
        assert_eq!(known.0.lock().len(), MANY);
    }
}

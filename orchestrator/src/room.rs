//! Places of connections. Each counts for the network that it comes from, and where there is no place left somebody makes way: of
//! the network that has the most, who has been at nothing for longest. So one peer, or a few, keep nobody else out. Pure but for the
//! token by which a connection is told, and for chance.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::access::holder;

/// Who may be told to make way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MakesWay {
    /// Who is at nothing, and only they.
    Idle,
    /// The same where they are at least half of the network's. Else one of the others, by chance: strangers at somebody's own
    /// address, who are always at something, could count out any order.
    Anyone,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many from this network as may be, each at something.
    Network,
    /// As many in all.
    Whole,
}

/// So many places in all, and fewer for each network.
pub(crate) struct Room {
    all: usize,
    each: usize,
    makes_way: MakesWay,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    next: u64,
    count: usize,
    networks: HashMap<IpAddr, Network>,
}

#[derive(Default)]
struct Network {
    /// The bound on each is not for it.
    is_exempt: bool,
    members: BTreeMap<u64, Member>,
}

struct Member {
    leave: CancellationToken,
    /// In the order in which they came to be idle.
    idle: Option<u64>,
}

/// Free again when dropped.
pub(crate) struct Place {
    room: Arc<Room>,
    network: IpAddr,
    number: u64,
    leave: CancellationToken,
}

impl Room {
    pub(crate) fn new(all: usize, each: usize, makes_way: MakesWay) -> Arc<Self> {
        Arc::new(Self { all, each, makes_way, inside: Mutex::default() })
    }

    /// A place for one who is at nothing yet, and of which network another has to leave for it.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr, is_exempt: bool) -> Result<(Place, Option<IpAddr>), Full> {
        let network = holder(peer);
        let mut inside = self.inside.lock();
        let own = inside.networks.get(&network).map_or(0, |network| network.members.len());
        let crowded = if !is_exempt && own >= self.each {
            Some(inside.goes(network, self.makes_way).ok_or(Full::Network)?)
        } else if inside.count >= self.all {
            Some(inside.goes_of_all(self.makes_way).ok_or(Full::Whole)?)
        } else {
            None
        };
        let left =
            crowded.filter(|(network, number)| inside.remove(*network, *number, true)).map(|(network, _)| network);
        inside.next += 1;
        inside.count += 1;
        let (number, leave) = (inside.next, CancellationToken::new());
        let member = Member { leave: leave.clone(), idle: Some(number) };
        let there = inside.networks.entry(network).or_default();
        there.is_exempt = is_exempt;
        there.members.insert(number, member);
        drop(inside);
        Ok((Place { room: Arc::clone(self), network, number, leave }, left))
    }
}

impl Inside {
    /// Who of the network would make way.
    fn goes(&self, network: IpAddr, makes_way: MakesWay) -> Option<(IpAddr, u64)> {
        let members = &self.networks.get(&network)?.members;
        let idle = members.iter().filter_map(|(number, member)| Some((member.idle?, *number)));
        let busy = members.values().filter(|member| member.idle.is_none()).count();
        let number = if makes_way == MakesWay::Idle || busy * 2 <= members.len() {
            idle.min()?.1
        } else {
            let by_chance = rand::random_range(0..busy);
            *members.iter().filter(|(_, member)| member.idle.is_none()).nth(by_chance)?.0
        };
        Some((network, number))
    }

    /// The same of the network that has the most; the exempt last.
    fn goes_of_all(&self, makes_way: MakesWay) -> Option<(IpAddr, u64)> {
        let goes = |network: &IpAddr| self.goes(*network, makes_way);
        let size = |network: &IpAddr| self.networks.get(network).map(|it| (!it.is_exempt, it.members.len()));
        let most =
            self.networks.keys().filter(|network| goes(network).is_some()).max_by_key(|network| size(network))?;
        goes(most)
    }

    /// Whether there was such a one.
    fn remove(&mut self, network: IpAddr, number: u64, is_told: bool) -> bool {
        let Some(there) = self.networks.get_mut(&network) else { return false };
        let Some(member) = there.members.remove(&number) else { return false };
        if there.members.is_empty() {
            self.networks.remove(&network);
        }
        self.count -= 1;
        if is_told {
            member.leave.cancel();
        }
        true
    }
}

impl Place {
    /// Told to make way.
    pub(crate) fn left(&self) -> &CancellationToken {
        &self.leave
    }

    /// It is at something from now on.
    pub(crate) fn busy(&self) {
        self.turn(|_| None);
    }

    /// It is at nothing any more.
    pub(crate) fn idle(&self) {
        self.turn(Some);
    }

    fn turn(&self, idle: impl FnOnce(u64) -> Option<u64>) {
        let mut inside = self.room.inside.lock();
        inside.next += 1;
        let now = inside.next;
        let there = inside.networks.get_mut(&self.network);
        if let Some(member) = there.and_then(|network| network.members.get_mut(&self.number)) {
            member.idle = idle(now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Unless it had to leave.
        self.room.inside.lock().remove(self.network, self.number, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(room: &Arc<Room>, peer: &str) -> Result<(Place, Option<IpAddr>), Full> {
        room.enter(peer.parse().unwrap(), false)
    }

    fn fill(room: &Arc<Room>, peers: &[&str]) -> Vec<Place> {
        peers.iter().map(|peer| enter(room, peer).map(|(place, _)| place).unwrap()).collect()
    }

    fn gone(places: &[Place]) -> Vec<usize> {
        places.iter().enumerate().filter(|(_, place)| place.left().is_cancelled()).map(|(at, _)| at).collect()
    }

    #[test]
    fn of_its_network_who_is_idle_for_longest_makes_way() {
        let room = Room::new(100, 3, MakesWay::Idle);
        let mut there = fill(&room, &["2001:db8::1", "2001:db8::2", "2001:db8::3"]);
        there[0].busy();
        there[1].busy();
        there[1].idle();
        let (next, left) = enter(&room, "2001:db8::4").unwrap();
        assert_eq!(left, Some("2001:db8::".parse().unwrap()));
        assert_eq!(gone(&there), [2]);
        next.busy();
        let (last, _) = enter(&room, "2001:db8::5").unwrap();
        assert_eq!(gone(&there), [1, 2]);
        last.busy();
        assert_eq!(enter(&room, "2001:db8::6").map(drop), Err(Full::Network));
        assert_eq!(enter(&room, "2001:db8:0:1::1").unwrap().1, None, "another's");
        there.clear();
        assert_eq!(enter(&room, "2001:db8::6").unwrap().1, None);
    }

    #[test]
    fn who_has_the_most_makes_way_for_others() {
        let room = Room::new(4, 3, MakesWay::Anyone);
        let there = fill(&room, &["192.0.2.1", "192.0.2.2", "192.0.2.2", "::ffff:192.0.2.2"]);
        there.iter().for_each(Place::busy);
        let (_next, left) = enter(&room, "192.0.2.3").unwrap();
        assert_eq!(left, Some("192.0.2.2".parse().unwrap()));
        assert!(matches!(gone(&there)[..], [1..=3]), "{:?}", gone(&there));
    }

    #[test]
    fn where_most_are_at_something_chance_says_who_makes_way() {
        let first_four = |_| {
            let room = Room::new(100, 8, MakesWay::Anyone);
            let there = fill(&room, &["192.0.2.1"; 8]);
            there[..7].iter().for_each(Place::busy);
            let _next: Vec<_> = (0..4)
                .map(|_| {
                    let (place, _) = enter(&room, "192.0.2.1").unwrap();
                    place.busy();
                    place
                })
                .collect();
            assert!(!there[7].left().is_cancelled(), "it had no time to say anything");
            gone(&there)
        };
        let seen: std::collections::HashSet<_> = (0..100).map(first_four).collect();
        assert!(seen.len() > 1, "{seen:?}");
    }

    #[test]
    fn where_half_are_at_nothing_one_of_them_makes_way() {
        let room = Room::new(100, 4, MakesWay::Anyone);
        let there = fill(&room, &["192.0.2.1"; 4]);
        there[..2].iter().for_each(Place::busy);
        enter(&room, "192.0.2.1").unwrap();
        assert_eq!(gone(&there), [2]);
    }

    #[test]
    fn an_exempt_network_has_what_there_is_and_makes_way_last() {
        let room = Room::new(4, 1, MakesWay::Idle);
        let proxy = || room.enter("192.0.2.9".parse().unwrap(), true);
        let there: Vec<Place> = (0..3).map(|_| proxy().unwrap().0).collect();
        let other = fill(&room, &["192.0.2.1"]);
        assert_eq!(proxy().unwrap().1, Some("192.0.2.1".parse().unwrap()));
        assert_eq!((gone(&there), gone(&other)), (vec![], vec![0]));
        there.iter().for_each(Place::busy);
        assert_eq!(enter(&room, "192.0.2.2").map(|(_, left)| left), Ok(None), "the one of a moment ago is gone");
    }

    #[test]
    fn all_that_is_given_back_is_free() {
        let room = Room::new(2, 2, MakesWay::Idle);
        let there = fill(&room, &["192.0.2.1", "192.0.2.2"]);
        there.iter().for_each(Place::busy);
        assert_eq!(enter(&room, "192.0.2.3").map(drop), Err(Full::Whole));
        drop(there);
        let inside = room.inside.lock();
        assert_eq!((inside.count, inside.networks.len()), (0, 0));
    }
}

//! What was left behind does not come back: replays, old versions, other groups, far futures.

use crate::publisher::*;
use weir_artifact::{GroupName, Mark, Publication, PublisherKey, Ratchet, Refusal, Statement};

struct Agent {
    key: PublisherKey,
    ratchet: Ratchet,
}

impl Agent {
    fn new() -> Self {
        Self { key: PublisherKey::generate(), ratchet: Ratchet::default() }
    }

    /// As an agent does: admit, run, advance.
    fn meets(&mut self, statement: &Statement) -> Result<(), Refusal> {
        self.meets_at(statement, NOW)
    }

    fn meets_at(&mut self, statement: &Statement, now: u64) -> Result<(), Refusal> {
        let signed = signed(&self.key, statement);
        self.ratchet.admit(&signed, &group(), now)?;
        self.ratchet.advance(&signed);
        Ok(())
    }
}

#[test]
fn versions_go_up() {
    let mut agent = Agent::new();
    agent.meets(&publish(1, 0)).unwrap();
    agent.meets(&publish(2, 1)).unwrap();
    agent.meets(&publish(7, 2)).unwrap();
}

#[test]
fn the_statement_that_is_in_force_may_come_again() {
    let mut agent = Agent::new();
    agent.meets(&publish(1, 0)).unwrap();
    agent.meets(&publish(1, 0)).unwrap();
    agent.meets_at(&publish(1, 0), NOW + 7200).expect("expiry stops new acceptance only");
    agent.meets_at(&publish(1, 0), 0).expect("nor does a clock that was lost at boot");
}

#[test]
fn another_statement_of_the_same_number_may_not() {
    let mut agent = Agent::new();
    agent.meets(&publish(5, 0)).unwrap();
    for other in [publish(4, 0), publish(6, 0), rollback(5, 0), remove(0)] {
        assert!(matches!(agent.meets(&other), Err(Refusal::Conflict(_))), "{other:?}");
    }
}

#[test]
fn replays_are_refused() {
    let mut agent = Agent::new();
    agent.meets(&publish(1, 0)).unwrap();
    agent.meets(&publish(2, 1)).unwrap();
    for old in [publish(1, 0), remove(0), rollback(9, 0)] {
        assert!(matches!(agent.meets(&old), Err(Refusal::Replayed { .. })), "{old:?}");
    }
}

#[test]
fn an_older_version_needs_a_rollback() {
    let mut agent = Agent::new();
    agent.meets(&publish(3, 0)).unwrap();
    for version in [1, 2, 3] {
        let back = agent.meets(&publish(version, 1));
        assert_eq!(back, Err(Refusal::VersionBack { offered: version, admitted: 3 }));
    }
    agent.meets(&rollback(1, 1)).unwrap();
    // The rollback does not lower the mark: 2 and 3 were there before.
    assert!(matches!(agent.meets(&publish(3, 2)), Err(Refusal::VersionBack { .. })));
    agent.meets(&publish(4, 2)).unwrap();
    assert!(matches!(agent.meets(&rollback(1, 1)), Err(Refusal::Replayed { .. })), "a rollback is spent");
}

#[test]
fn what_was_removed_does_not_come_back() {
    let mut agent = Agent::new();
    agent.meets(&publish(1, 0)).unwrap();
    agent.meets(&publish(2, 1)).unwrap();
    agent.meets(&remove(2)).unwrap();
    for old in [publish(1, 0), publish(2, 1)] {
        assert!(matches!(agent.meets(&old), Err(Refusal::Replayed { .. })));
    }
    assert!(matches!(agent.meets(&publish(2, 3)), Err(Refusal::VersionBack { .. })));
    agent.meets(&publish(3, 3)).unwrap();
    assert!(matches!(agent.meets(&remove(2)), Err(Refusal::Replayed { .. })), "nor is it removed by the old removal");
}

#[test]
fn expiry_stops_new_acceptance() {
    let mut agent = Agent::new();
    assert_eq!(agent.meets_at(&publish(1, 0), NOW + 3600), Err(Refusal::Expired(NOW + 3600)));
    agent.meets_at(&publish(1, 0), NOW + 3599).unwrap();
}

#[test]
fn other_groups_statements_are_not_ours() {
    let agent = Agent::new();
    let other: GroupName = "other".parse().unwrap();
    for statement in [publish(1, 0), remove(0), endorse(&agent.key.public())] {
        let refused = agent.ratchet.admit(&signed(&agent.key, &statement), &other, NOW);
        assert_eq!(refused, Err(Refusal::Group { ours: other.clone(), theirs: group() }));
    }
    // Marks are of a group: the same sequence elsewhere opens nothing here.
    let mut agent = Agent::new();
    agent.meets(&publish(1, 0)).unwrap();
    let elsewhere = Publication { group: other, ..publication(1, 0) };
    let elsewhere = Statement::Publish(Box::new(elsewhere));
    assert!(matches!(agent.meets(&elsewhere), Err(Refusal::Group { .. })));
}

#[test]
fn a_sequence_far_ahead_cannot_lock_the_filter() {
    let mut agent = Agent::new();
    let day = 24 * 60 * 60 * 1000;
    for ahead in [publish(1, day + 1), remove(day + 1), rollback(1, 1 << 52)] {
        assert!(matches!(agent.meets(&ahead), Err(Refusal::Future { .. })), "{ahead:?}");
    }
    agent.meets(&publish(1, day)).expect("clocks differ by less than a day");
}

#[test]
fn a_configuration_goes_forward_only_and_says_nothing_of_filters() {
    let mut agent = Agent::new();
    agent.meets(&publish(7, 9)).unwrap();
    agent.meets(&configure(1, 0)).unwrap();
    agent.meets(&configure(2, 1)).unwrap();
    agent.meets_at(&configure(2, 1), NOW + 7200).expect("the one in force");
    assert!(matches!(agent.meets(&configure(1, 0)), Err(Refusal::Replayed { .. })));
    assert!(matches!(agent.meets(&configure(3, 1)), Err(Refusal::Conflict(_))));
    assert!(matches!(agent.meets(&configure(2, 2)), Err(Refusal::VersionBack { .. })));
    assert!(matches!(agent.meets(&configure(3, 1 << 40)), Err(Refusal::Future { .. })));
    assert_eq!(agent.meets_at(&configure(3, 2), NOW + 3600), Err(Refusal::Expired(NOW + 3600)));
    let other: GroupName = "other".parse().unwrap();
    let refused = agent.ratchet.admit(&signed(&agent.key, &configure(3, 2)), &other, NOW);
    assert!(matches!(refused, Err(Refusal::Group { .. })));
    let kept: Vec<(GroupName, Mark)> =
        agent.ratchet.configuration_marks().map(|(group, mark)| (group.clone(), mark)).collect();
    agent.ratchet = Ratchet::default().with_configurations(kept);
    assert!(matches!(agent.meets(&configure(1, 0)), Err(Refusal::Replayed { .. })));
    agent.meets(&configure(3, 2)).unwrap();
}

#[test]
fn marks_survive_a_restart() {
    let mut agent = Agent::new();
    agent.meets(&publish(2, 5)).unwrap();
    let kept: Vec<(GroupName, _, Mark)> =
        agent.ratchet.marks().map(|(group, name, mark)| (group.clone(), name.clone(), mark)).collect();
    let json = serde_json::to_string(&kept).unwrap();
    let restored = Ratchet::restore(serde_json::from_str::<Vec<_>>(&json).unwrap());
    assert_eq!(restored, agent.ratchet);
    agent.ratchet = restored;
    agent.meets(&publish(2, 5)).unwrap();
    assert!(matches!(agent.meets(&publish(1, 4)), Err(Refusal::Replayed { .. })));
}

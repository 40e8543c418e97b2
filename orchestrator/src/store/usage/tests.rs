//! However many users an agent invents, others' usage stays, and so do all sums: each test on each database.

use uuid::Uuid;

use super::{
    fold::{Counted, FULL, add},
    *,
};
use crate::store::testing::{joined, on_both};

const HOUR: u64 = 3_600_000_000;

on_both! {
    users_beyond_the_bound_are_counted_under_one_name,
    whoever_takes_the_most_room_tells_fewer_apart,
}

/// One exchange of each of these users.
fn of(hour: u64, agent: i64, users: impl IntoIterator<Item = String>) -> Vec<Counted> {
    let one = |user| Counted { hour_us: signed(hour * HOUR), agent, user, sums: [1, 0, 10, 20, 30] };
    users.into_iter().map(one).collect()
}

fn named(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("user-{n:03}"))
}

async fn counts(store: &Store, counted: Vec<Counted>, users: u64) {
    let mut transaction = store.begin().await.unwrap();
    add(&mut transaction, counted, users).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn asked(store: &Store, by: By, user: Option<&str>) -> Vec<Usage> {
    let wanted = UsageWanted { by, from_us: 0, to_us: 1000 * HOUR, agent: None, user, limit: 1000 };
    store.usage(wanted).await.unwrap()
}

/// Users, and exchanges of each.
async fn users(store: &Store) -> Vec<(String, u64)> {
    let name = |usage: Usage| match usage.of {
        Of::User(name) => (name, usage.exchanges),
        other => panic!("{other:?}"),
    };
    asked(store, By::User, None).await.into_iter().map(name).collect()
}

async fn users_beyond_the_bound_are_counted_under_one_name(store: &Store) {
    let (one, two) = (joined(store, "one").await, joined(store, "two").await);
    counts(store, of(1, one, named(3)), 5).await;
    // Five are known; whoever is goes on under their name, whoever gave none is none of them.
    counts(store, of(1, one, named(9).chain([String::new()])), 5).await;
    counts(store, of(1, one, named(9).chain([String::new()])), 5).await;
    // Another hour and another agent have room of their own.
    counts(store, of(2, one, ["user-008".to_owned()]), 5).await;
    counts(store, of(1, two, ["user-007".to_owned()]), 5).await;
    let told = users(store).await;
    assert_eq!(told[0], (OTHERS.to_owned(), 8));
    assert_eq!(told.iter().map(|user| user.1).sum::<u64>(), 3 + 10 + 10 + 1 + 1);
    let of = |name: &str| told.iter().find(|user| user.0 == name).map(|user| user.1);
    assert_eq!((of("user-008"), of("user-007"), of("")), (Some(1), Some(1), Some(2)));
    assert_eq!(told.len(), 1 + 5 + 1 + 2);
    let [others] = &asked(store, By::User, Some(OTHERS)).await[..] else { panic!("one") };
    assert_eq!((others.request_bytes, others.response_bytes, others.duration_us), (80, 160, 240));
}

async fn whoever_takes_the_most_room_tells_fewer_apart(store: &Store) {
    let (honest, other) = (joined(store, "honest").await, joined(store, "other").await);
    for hour in 1..=10 {
        counts(store, of(hour, honest, named(3)), 1000).await;
    }
    // Older hours of the honest one would go first if age alone counted.
    for hour in 11..=20 {
        counts(store, of(hour, other, (0..50).map(|_| Uuid::new_v4().to_string())), 1000).await;
    }
    // Sums of which the databases hold none that is larger.
    let mut full = of(0, other, (0..21).map(|n| format!("full-{n}")));
    full.iter_mut().for_each(|counted| counted.sums = [FULL; 5]);
    counts(store, full, 1000).await;
    store.bound_usage(100).await.unwrap();
    let rows = Sql::new("SELECT count(*) FROM usage").fetch_one(&store.reads).await.unwrap().number(0).unwrap();
    assert!((51..=100).contains(&rows), "{rows}");
    let told = users(store).await;
    for name in named(3) {
        assert!(told.contains(&(name, 10)), "{told:?}");
    }
    let hours = asked(store, By::Hour, None).await;
    let exchanges: Vec<u64> = hours[1..].iter().map(|hour| hour.exchanges).collect();
    assert_eq!(exchanges, [vec![3; 10], vec![50; 10]].concat());
    // Where each hour has one user left, the oldest hours go.
    store.bound_usage(5).await.unwrap();
    let left: Vec<Of> = asked(store, By::Hour, None).await.into_iter().map(|usage| usage.of).collect();
    assert!(left.len() <= 6 && left.contains(&Of::Time(20 * HOUR)), "{left:?}");
}

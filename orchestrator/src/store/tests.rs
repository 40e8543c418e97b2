//! The store alone, where time has to be given: each test on each database.

use std::time::Duration;

use uuid::{NoContext, Timestamp, Uuid};
use weir_proto::v1::{Exchange, Request, SystemMetrics};
use weir_query::Query;

use super::{
    testing::{NOW_US, Place, on_both},
    *,
};
use crate::{Retention, tokens};

on_both! {
    a_join_token_expires,
    who_joined_is_told_again_as_long_as_the_token_would_count,
    the_oldest_go_by_age_then_by_number_then_by_bytes,
    only_exchanges_are_deleted_for_the_bytes_of_exchanges,
    a_state_has_no_more_filters_than_agents_answer_for,
    a_closed_store_takes_nothing_more,
    what_comes_is_told_in_its_order_and_what_went_is_counted,
}

async fn join(store: &Store, now_us: u64) -> &'static str {
    let joining = Joining { id: Uuid::now_v7(), key: rand::random(), name: "edge", version: "0.1.0" };
    match store.join(tokens::hash("t"), joining, |_| Audited::nobody(now_us), now_us).await.unwrap() {
        Spend::Joined { group, .. } if group == "default" => "joined",
        Spend::Joined { .. } => "joined another group",
        Spend::Unknown => "unknown",
        Spend::Spent => "spent",
        Spend::Expired => "expired",
        Spend::Revoked => "revoked",
    }
}

async fn a_join_token_expires(store: &Store) {
    assert_eq!(join(store, NOW_US + 10).await, "expired");
    assert_eq!(join(store, NOW_US + 9).await, "joined");
    assert_eq!(join(store, NOW_US + 9).await, "spent");
}

async fn who_joined_is_told_again_as_long_as_the_token_would_count(store: &Store) {
    let again = async |now_us: u64| {
        let joining = Joining { id: Uuid::now_v7(), key: [7; 32], name: "edge", version: "0.1.0" };
        store.join(tokens::hash("t"), joining, |_| Audited::nobody(now_us), now_us).await.unwrap()
    };
    let first = again(NOW_US).await;
    assert!(matches!(first, Spend::Joined { .. }));
    assert_eq!(again(NOW_US + 9).await, first);
    assert_eq!(again(NOW_US + 10).await, Spend::Expired);
    assert_eq!(join(store, NOW_US + 10).await, "spent");
}

/// `count` exchanges, a minute apart, the last one now.
async fn fill(store: &Store, count: u64, padding: usize) {
    join(store, NOW_US).await;
    let row = |n: u64| {
        let received = Duration::from_micros(NOW_US) - Duration::from_secs(60 * (count - 1 - n));
        // The agent's clock is two months behind.
        let started = received - Duration::from_secs(60 * 24 * 3600);
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, started.as_secs(), started.subsec_nanos()));
        let path = (0..padding).map(|_| char::from(rand::random_range(b'a'..=b'z'))).collect();
        let request = Request { path, ..Request::default() };
        let exchange = Exchange { id: id.into_bytes().to_vec().into(), request: Some(request), ..Exchange::default() };
        prepare(1, u64::try_from(received.as_micros()).unwrap(), &exchange, None).unwrap()
    };
    let (done, written) = tokio::sync::oneshot::channel();
    store.accept((0..count).map(row).collect::<Vec<_>>(), done).await.unwrap();
    assert_eq!(written.await.unwrap().unwrap().new, count);
}

async fn count(store: &Store) -> usize {
    store.exchanges(&Query::default(), None, 100_000).await.unwrap().items.len()
}

async fn the_oldest_go_by_age_then_by_number_then_by_bytes(store: &Store) {
    fill(store, 5000, 1000).await;
    let mut keep = Retention { age: Duration::from_secs(60 * 4000), exchanges: u64::MAX, bytes: u64::MAX };
    assert_eq!(store.retain(keep, NOW_US).await.unwrap(), 999);
    assert_eq!(count(store).await, 4001);
    keep.exchanges = 3500;
    assert_eq!(store.retain(keep, NOW_US).await.unwrap(), 501);
    assert_eq!(count(store).await, 3500);
    keep.bytes = 2 << 20;
    assert!(store.retain(keep, NOW_US).await.unwrap() > 0);
    let left = count(store).await;
    assert!((600..900).contains(&left), "nine tenths of the bytes, 2.5 kB each: {left}");
    // Within its bounds nothing goes.
    assert_eq!(store.retain(keep, NOW_US).await.unwrap(), 0);
    let newest = store.exchanges(&Query::default(), None, 1).await.unwrap().items;
    assert_eq!(newest[0].id.get_timestamp().unwrap().to_unix().0, NOW_US / 1_000_000 - 60 * 24 * 3600);
}

async fn metrics(store: &Store, count: u64, now_us: u64) {
    let networks = vec![weir_proto::v1::NetworkMetrics { name: "n".repeat(900), ..Default::default() }];
    // By a clock that is wrong.
    let sample = |n| SystemMetrics { at_us: 7 + n, networks: networks.clone(), ..SystemMetrics::default() };
    let samples: Vec<_> = (0..count).map(sample).collect();
    store.add_metrics(1, &samples, now_us).await.unwrap();
}

async fn samples(store: &Store) -> usize {
    store.metrics(None, None, 100_000).await.unwrap().0.len()
}

async fn only_exchanges_are_deleted_for_the_bytes_of_exchanges(store: &Store) {
    fill(store, 1000, 1000).await;
    // Neither components nor metrics make exchanges go.
    let component = "INSERT INTO components (digest, size, bytes) VALUES ($1, 8000000, $2)";
    let component = Sql::new(component).bind(vec![0]).bind(vec![0; 8_000_000]);
    component.execute(&store.writes).await.unwrap();
    metrics(store, 5000, NOW_US).await;
    let keep = Retention { age: Duration::from_secs(3600 * 24), exchanges: u64::MAX, bytes: 4 << 20 };
    assert_eq!(store.retain(keep, NOW_US).await.unwrap(), 0);
    assert_eq!(count(store).await, 1000);
    let left = samples(store).await;
    assert!((300..420).contains(&left), "a tenth of the bytes is theirs: {left}");
    assert_eq!(store.metrics(None, None, 1).await.unwrap().0[0].at_us, 5006, "the oldest went");
    store.retain(keep, NOW_US + 2 * 24 * 3_600_000_000).await.unwrap();
    assert_eq!((count(store).await, samples(store).await), (0, 0));
}

async fn a_state_has_no_more_filters_than_agents_answer_for(store: &Store) {
    use weir_artifact::{Endorsement, Envelope, PublisherKey, Removal, Statement, TrustedKeys};
    let key = PublisherKey::generate();
    // As many as there may be: of one key each another filter.
    let mut transaction = store.begin().await.unwrap();
    for number in 1..=weir_proto::MAX_OUTCOMES {
        let row = "INSERT INTO statements (kind, grp, name, sequence, statement, signature, key_id, public_key, received_us) \
                   VALUES ('remove', 'default', $1, 1, $2, $3, '', $4, 0)";
        let name = format!("f{number}");
        let row = Sql::new(row).bind(&name).bind(name.as_bytes()).bind(vec![]).bind(key.public().to_text());
        row.execute(&mut transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let publish = async |statement: Statement, by: &PublisherKey| {
        let envelope: Envelope = by.sign(&statement);
        let signed = TrustedKeys::new([by.public()]).open(&envelope).unwrap();
        let publishing =
            Publishing { signed: &signed, envelope: &envelope, key: &by.public(), component: None, now_us: NOW_US };
        store.publish(publishing, &Deed::default()).await.unwrap()
    };
    let removal = |sequence| {
        let (name, group) = ("f7".parse().unwrap(), "default".parse().unwrap());
        Statement::Remove(Removal { name, group, sequence })
    };
    // In place of an older one of the same key there is room; for one of another key there is none.
    assert!(matches!(publish(removal(2), &key).await, Accepted::New(_)));
    assert!(matches!(publish(removal(3), &PublisherKey::generate()).await, Accepted::TooMany));
    let other = PublisherKey::generate().public();
    let (key_id, group) = (other.id(), "default".parse().unwrap());
    let endorsement = Endorsement { key: other, key_id, group, sequence: 5, expires: NOW_US };
    assert!(matches!(publish(Statement::Endorse(endorsement), &key).await, Accepted::New(_)));
}

#[tokio::test]
async fn what_an_earlier_version_kept_is_kept() {
    use sqlx::Connection as _;
    let place = Place::new(Dialect::Sqlite).await;
    let Database::Sqlite(file) = place.database() else { panic!("{:?}", place.database()) };
    let mut old = sqlx::SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap();
    schema::migrator(schema::SQLITE, |number| number == 1).run(&mut old).await.unwrap();
    let rows = "INSERT INTO agents (id, name, grp, joined_us, last_seen_us, version) VALUES (x'00000000000000000000000000000000', 'a', 'g', 0, 0, '');
        INSERT INTO exchanges VALUES (x'01890a5d000070008000000000000001', 1, 1, 1, 1, 'GET', '', '', 'h', '/', '', 200, 0, 0, '', 0, '', '', '', '', '', 0, x'');
        INSERT INTO system_metrics VALUES (5, 1, x'');";
    sqlx::raw_sql(rows).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    let store = &place.open().await;
    assert_eq!((count(store).await, samples(store).await), (1, 1));
    let keep = Retention { age: Duration::from_secs(3600), exchanges: u64::MAX, bytes: u64::MAX };
    assert_eq!(store.retain(keep, crate::clock::now_us()).await.unwrap(), 0);
    assert_eq!(store.retain(keep, crate::clock::now_us() + 3_700_000_000).await.unwrap(), 1);
}

async fn a_closed_store_takes_nothing_more(store: &Store) {
    fill(store, 1, 0).await;
    store.close().await;
    let (done, _) = tokio::sync::oneshot::channel();
    let row = prepare(
        1,
        NOW_US,
        &Exchange {
            id: Uuid::now_v7().into_bytes().to_vec().into(),
            request: Some(Request::default()),
            ..Exchange::default()
        },
        None,
    );
    assert!(matches!(store.accept(vec![row.unwrap()], done).await, Err(StoreError::Closed)));
}

async fn what_comes_is_told_in_its_order_and_what_went_is_counted(store: &Store) {
    let all = Query::default();
    let begin = store.arrivals(&all, None, 10).await.unwrap();
    fill(store, 700, 10).await;
    let first = store.arrivals(&all, Some(begin.next), 500).await.unwrap();
    let rest = store.arrivals(&all, Some(first.next), 500).await.unwrap();
    assert_eq!((begin.items.len(), first.items.len(), rest.items.len(), rest.skipped), (0, 500, 200, 0));
    let mut ids: Vec<Uuid> = first.items.iter().chain(&rest.items).map(|item| item.summary.id).collect();
    assert!(ids.is_sorted());
    ids.dedup();
    assert_eq!(ids.len(), 700);
    let nothing = store.arrivals(&all, Some(rest.next), 500).await.unwrap();
    assert_eq!((nothing.items.len(), nothing.next), (0, rest.next));
    // By what is in a column, and by what only the whole message holds.
    for (query, count) in [("status:200", 0), ("-status:200", 700), ("-header.x:y", 700), ("header.x:y", 0)] {
        let Ok(query) = Query::parse(query) else { panic!("{query}") };
        assert_eq!(store.arrivals(&query, Some(begin.next), 1000).await.unwrap().items.len(), count);
    }
    let keep = Retention { age: Duration::from_secs(60 * 99), exchanges: u64::MAX, bytes: u64::MAX };
    store.retain(keep, NOW_US).await.unwrap();
    let late = store.arrivals(&all, Some(begin.next), 500).await.unwrap();
    assert_eq!((late.items.len(), late.skipped), (100, 600));
    // The numbers go on when nothing is left.
    store.retain(keep, NOW_US + 3_600_000_000 * 24).await.unwrap();
    let nothing = store.arrivals(&all, Some(rest.next), 500).await.unwrap();
    assert_eq!((nothing.items.len(), nothing.next, nothing.skipped), (0, rest.next, 0));
}

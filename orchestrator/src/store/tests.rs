//! The store alone, where time has to be given.

use std::time::Duration;

use uuid::{NoContext, Timestamp, Uuid};
use weir_proto::v1::{Exchange, Request};
use weir_query::Query;

use super::*;
use crate::{Retention, tokens};

const NOW_US: u64 = 1_700_000_000_000_000;

async fn store() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { component_bytes: 1 << 20, queued_bytes: 1 << 20 };
    let store = Store::open(&dir.path().join("weir.db"), limits, Arc::new(Telemetry::new())).await.unwrap();
    store.add_join_token(tokens::hash("t"), "default", NOW_US, NOW_US + 10).await.unwrap();
    (store, dir)
}

async fn join(store: &Store, now_us: u64) -> Spend {
    store.join(tokens::hash("t"), Uuid::now_v7(), "edge", "0.1.0", now_us).await.unwrap()
}

#[tokio::test]
async fn a_join_token_expires() {
    let (store, _dir) = store().await;
    assert_eq!(join(&store, NOW_US + 10).await, Spend::Expired);
    assert_eq!(join(&store, NOW_US + 9).await, Spend::Joined("default".into()));
    assert_eq!(join(&store, NOW_US + 9).await, Spend::Spent);
}

/// `count` exchanges, a minute apart, the last one now.
async fn fill(store: &Store, count: u64, padding: usize) {
    join(store, NOW_US).await;
    let row = |n: u64| {
        let started = Duration::from_micros(NOW_US) - Duration::from_secs(60 * (count - 1 - n));
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, started.as_secs(), started.subsec_nanos()));
        let path = (0..padding).map(|_| char::from(rand::random_range(b'a'..=b'z'))).collect();
        let request = Request { path, ..Request::default() };
        let exchange = Exchange { id: id.into_bytes().to_vec().into(), request: Some(request), ..Exchange::default() };
        prepare(1, &exchange, None).unwrap()
    };
    let (done, written) = tokio::sync::oneshot::channel();
    store.accept((0..count).map(row).collect(), done).await.unwrap();
    assert_eq!(written.await.unwrap().unwrap().new, count);
}

async fn count(store: &Store) -> usize {
    store.exchanges(&Query::default(), None, 100_000).await.unwrap().items.len()
}

#[tokio::test]
async fn the_oldest_go_by_age_then_by_number_then_by_bytes() {
    let (store, _dir) = store().await;
    fill(&store, 5000, 1000).await;
    let mut keep = Retention { age: Duration::from_secs(60 * 4000), exchanges: u64::MAX, bytes: u64::MAX };
    assert_eq!(store.retain(keep, NOW_US).await.unwrap(), 999);
    assert_eq!(count(&store).await, 4001);
    keep.exchanges = 3500;
    assert_eq!(store.retain(keep, NOW_US).await.unwrap(), 501);
    assert_eq!(count(&store).await, 3500);
    keep.bytes = 2 << 20;
    assert!(store.retain(keep, NOW_US).await.unwrap() > 0);
    let left = count(&store).await;
    assert!((1..2000).contains(&left), "{left}");
    // Within its bounds nothing goes.
    assert_eq!(store.retain(keep, NOW_US).await.unwrap(), 0);
    let newest = store.exchanges(&Query::default(), None, 1).await.unwrap().items;
    assert_eq!(newest[0].id.get_timestamp().unwrap().to_unix().0, NOW_US / 1_000_000);
}

#[tokio::test]
async fn a_closed_store_takes_nothing_more() {
    let (store, _dir) = store().await;
    fill(&store, 1, 0).await;
    store.close().await;
    let (done, _) = tokio::sync::oneshot::channel();
    let row = prepare(
        1,
        &Exchange {
            id: Uuid::now_v7().into_bytes().to_vec().into(),
            request: Some(Request::default()),
            ..Exchange::default()
        },
        None,
    );
    assert!(matches!(store.accept(vec![row.unwrap()], done).await, Err(StoreError::Closed)));
}

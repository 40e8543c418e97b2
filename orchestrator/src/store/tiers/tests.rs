//! Folding and reading back, on each database.

use std::time::Duration;

use uuid::Uuid;
use weir_proto::v1::{NetworkMetrics, SystemMetrics};

use super::*;
use crate::{
    MetricsRetention,
    store::{Joining, Spend, Store, dialect::Dialect, testing::Place},
    tokens,
};

/// The beginning of an hour.
const BEGIN_US: u64 = 1_699_999_200_000_000;
const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;

async fn on_each(test: impl AsyncFn(&Store, &Place)) {
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        let place = Place::new(dialect).await;
        let store = place.open().await;
        test(&store, &place).await;
        store.close().await;
    }
}

async fn join(store: &Store) -> Uuid {
    let (id, hash) = (Uuid::now_v7(), tokens::hash(&Uuid::now_v7().to_string()));
    store.add_join_token(hash, "default", 0, 10).await.unwrap();
    let joining = Joining { id, key: rand::random(), name: "edge", version: "0.1.0" };
    let joined = store.join(hash, joining, |_| crate::store::Audited::nobody(1), 1).await.unwrap();
    assert!(matches!(joined, Spend::Joined { .. }));
    id
}

/// One every five seconds, of a machine that is busier by the hour and receives a kilobyte in each second.
async fn fill(store: &Store, agent: Uuid, seconds: u64) {
    let number = store.agent(agent).await.unwrap().unwrap().number;
    let sample = |at: u64| SystemMetrics {
        at_us: BEGIN_US + at * SECOND,
        cpu_percent: (at / 3600 * 10 + at % 10) as f64,
        networks: vec![NetworkMetrics { name: "eth0".into(), received_bytes: at * 1000, sent_bytes: 0 }],
        ..SystemMetrics::default()
    };
    let samples: Vec<_> = (0..seconds).step_by(5).map(sample).collect();
    for some in samples.chunks(500) {
        store.add_metrics(number, some, BEGIN_US).await.unwrap();
    }
}

fn asked(agent: Uuid, tier: Tier, step_s: u64) -> History {
    History { agent, from_us: BEGIN_US, to_us: BEGIN_US + 10 * HOUR, step_us: step_s * SECOND, tier }
}

async fn history(store: &Store, asked: History) -> Vec<Point> {
    store.metrics_history(asked).await.unwrap().unwrap()
}

fn counts(points: &[Point]) -> Vec<u64> {
    points.iter().map(|point| point.summary.samples).collect()
}

#[tokio::test]
async fn samples_are_in_each_tier_once_and_nothing_of_what_is_counted_is_lost() {
    on_each(async |store, _| {
        let (one, two) = (join(store).await, join(store).await);
        fill(store, one, 2 * 3600).await;
        fill(store, two, 600).await;
        let all = 2 * 720 + 120;
        assert_eq!(store.fold_metrics(BEGIN_US + 20 * SECOND).await.unwrap(), 0, "they are young");
        let before = history(store, asked(one, Tier::Hours, 3600)).await;
        assert_eq!(counts(&before), [720, 720], "what is not folded is there all the same");
        assert_eq!(store.fold_metrics(BEGIN_US + HOUR).await.unwrap(), all);
        assert_eq!(store.fold_metrics(BEGIN_US + HOUR).await.unwrap(), 0);
        let hours = history(store, asked(one, Tier::Hours, 3600)).await;
        assert_eq!(counts(&hours), [720, 720]);
        let cpu = hours[1].summary.cpu_percent.unwrap();
        assert_eq!((cpu.min, cpu.average(), cpu.max), (10.0, 12.5, 15.0));
        let minutes = history(store, asked(one, Tier::Minutes, 60)).await;
        assert_eq!((minutes.len(), minutes[7].at_us), (120, BEGIN_US + 7 * 60 * SECOND));
        assert!(minutes.iter().all(|point| point.summary.samples == 12));
        let received = |points: &[Point]| points.iter().map(|point| point.summary.networks[0].received).sum::<u64>();
        assert_eq!((received(&hours), received(&minutes)), (7195 * 1000, 7195 * 1000));
        let five = history(store, asked(one, Tier::Minutes, 300)).await;
        assert_eq!((five.len(), five[3].summary.samples, received(&five)), (24, 60, 7195 * 1000));
        let samples = history(store, asked(two, Tier::Samples, 15)).await;
        assert_eq!((samples.len(), samples[0].summary.samples), (40, 3));
        assert_eq!(counts(&history(store, asked(two, Tier::Hours, 3600)).await), [120]);
    })
    .await;
}

#[tokio::test]
async fn several_orchestrators_fold_each_sample_once() {
    on_each(async |store, place| {
        let agent = join(store).await;
        fill(store, agent, 3600).await;
        let other = place.open().await;
        let now = BEGIN_US + HOUR;
        let folded = tokio::join!(store.fold_metrics(now), other.fold_metrics(now));
        assert_eq!(folded.0.unwrap() + folded.1.unwrap(), 720);
        let hours = history(store, asked(agent, Tier::Hours, 3600)).await;
        assert_eq!((counts(&hours), hours[0].summary.networks[0].received), (vec![720], 3_595_000));
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn each_tier_goes_at_its_own_time() {
    on_each(async |store, _| {
        let agent = join(store).await;
        fill(store, agent, 3600).await;
        store.fold_metrics(BEGIN_US + HOUR).await.unwrap();
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let keep = MetricsRetention { samples: hours(2), minutes: hours(5), hours: hours(9) };
        for (after, left) in [(2, [720, 60, 1]), (4, [0, 60, 1]), (7, [0, 0, 1]), (11, [0, 0, 0])] {
            store.retain_metrics(keep, BEGIN_US + after * HOUR).await.unwrap();
            let mut found = [0; 3];
            for (found, (tier, step)) in found.iter_mut().zip(TIERS.into_iter().zip([5, 60, 3600])) {
                *found = history(store, asked(agent, tier, step)).await.len();
            }
            assert_eq!(found, left, "{after} hours later");
        }
    })
    .await;
}

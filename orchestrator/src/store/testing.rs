//! What tests of the store have in common: where one keeps things, and each test on each database.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{Audited, Joining, Spend, Store, bodies, dialect::Dialect, sql::Sql};
use crate::{Database, Limits, telemetry::Telemetry, tokens};

/// When tests are that have a time of their own.
pub(super) const NOW_US: u64 = 1_700_000_000_000_000;

/// Where a store of one test keeps things.
pub(super) struct Place {
    database: Database,
    dir: tempfile::TempDir,
    _postgres: Option<weir_testkit::postgres::Database>,
}

impl Place {
    pub(super) async fn new(dialect: Dialect) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = Database::Sqlite(dir.path().join("weir.db"));
        let postgres = match dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some(weir_testkit::postgres::Database::create().await.unwrap()),
        };
        let url = postgres.as_ref().map(|database| database.url().parse::<crate::DatabaseUrl>().unwrap());
        let database = url.map_or(file, |url| url.parse().unwrap());
        Self { database, dir, _postgres: postgres }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) async fn open(&self) -> Store {
        // One folder, whoever opens it.
        let place = crate::BodyPlace::Folder(self.dir.path().join("bodies"));
        let bodies = crate::BodyConfig { place, from_bytes: bodies::tests::FROM };
        Store::open(&self.database, &bodies, limits(), Arc::new(Telemetry::new())).await.unwrap()
    }
}

/// Bounds that no test of the store comes near.
pub(super) fn limits() -> Limits {
    Limits {
        component_bytes: 1 << 20,
        queued_bytes: 1 << 20,
        push_time: Duration::from_secs(1),
        answer_time: Duration::from_secs(1),
        idle_time: Duration::from_secs(1),
        head_time: Duration::from_secs(1),
        body_grace: Duration::from_secs(1),
        connections: 1,
        agent_word: Duration::from_secs(1),
        agent_handshake: Duration::from_secs(1),
        joins: std::num::NonZeroU32::MIN,
        agent_calls: std::num::NonZeroU32::MIN,
        agent_samples: std::num::NonZeroU32::MIN,
    }
}

/// A test for each database of each of these functions, which take a store that has a join token.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let test = async |store: &$crate::store::Store| super::$name(store).await;
                $crate::store::testing::with_store($crate::store::dialect::Dialect::Sqlite, test).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let test = async |store: &$crate::store::Store| super::$name(store).await;
                $crate::store::testing::with_store($crate::store::dialect::Dialect::Postgres, test).await;
            })+
        }
    };
}
pub(super) use on_both;

pub(super) async fn with_store(dialect: Dialect, test: impl AsyncFnOnce(&Store)) {
    let place = Place::new(dialect).await;
    let store = place.open().await;
    store.add_join_token(tokens::hash("t"), "default", NOW_US, NOW_US + 10).await.unwrap();
    test(&store).await;
    store.close().await;
}

/// The number of an agent of this name, which joins.
pub(super) async fn joined(store: &Store, name: &str) -> i64 {
    let token = tokens::hash(name);
    store.add_join_token(token, "default", 1, u64::MAX >> 1).await.unwrap();
    let joining = Joining { id: Uuid::now_v7(), key: rand::random(), name, version: "0.1.0" };
    let spent = store.join(token, joining, |_| Audited::nobody(1), 1).await.unwrap();
    assert!(matches!(spent, Spend::Joined { .. }));
    let number = Sql::new("SELECT number FROM agents WHERE name = $1").bind(name);
    number.fetch_one(&store.reads).await.unwrap().get(0).unwrap()
}

//! What a real database and the rest of the plan find is what the query says of each exchange by itself. Exchanges and
//! queries are made at random, of values that meet often and of ones that are odd.

mod exchanges;
mod queries;

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use prost::Message as _;
use uuid::Uuid;
use weir_proto::v1::{Exchange, Tag, tag::Value};
use weir_query::Query;

use self::{exchanges::exchange, queries::query};
use super::super::{
    Audited, Deed, Joining, Spend, Store, dialect::Dialect, prepare, search::Seen, sql::Sql, testing::Place,
};
use crate::tokens;

const EXCHANGES: usize = 300;
const QUERIES: u32 = 800;

struct Bench {
    store: Store,
    agent: Uuid,
    exchanges: Vec<Exchange>,
    /// Behind the store: what is declared later goes later.
    _place: Place,
}

impl Bench {
    async fn with(dialect: Dialect, exchanges: Vec<Exchange>) -> Self {
        let place = Place::new(dialect).await;
        let store = place.open().await;
        store.add_join_token(tokens::hash("t"), "default", 0, u64::MAX >> 1).await.unwrap();
        let agent = Uuid::now_v7();
        let joining = Joining { id: agent, key: rand::random(), name: "edge-1", version: "0.1.0" };
        assert!(matches!(
            store.join(tokens::hash("t"), joining, |_| Audited::nobody(1), 1).await.unwrap(),
            Spend::Joined { .. }
        ));
        let mut packer = zstd::bulk::Compressor::new(1).unwrap();
        let rows: Vec<_> =
            exchanges.iter().map(|exchange| prepare(1, 1, exchange, Some(&mut packer)).unwrap()).collect();
        let (done, written) = tokio::sync::oneshot::channel();
        store.accept(rows, done).await.unwrap();
        assert_eq!(written.await.unwrap().unwrap().new, exchanges.len() as u64);
        let mut bench = Self { store, agent, exchanges, _place: place };
        bench.index().await;
        bench
    }

    /// Most of them are in the index; some of these are gone, or are others since, and of some of those the index knows.
    async fn index(&mut self) {
        while self.store.index_next(&mut -1).await.unwrap() {}
        for (number, again) in [(3, true), (4, false)] {
            let gone = self.exchanges.extract_if(.., |it| it.id[15] % 16 == number);
            let gone: Vec<Uuid> = gone.map(|it| Uuid::from_slice(&it.id).unwrap()).collect();
            self.store.delete_exchanges(&gone, &Deed::default()).await.unwrap();
            for exchange in self.exchanges.iter_mut().filter(|it| it.id[14] % 16 == number) {
                exchange.tags.push(Tag { name: "geo.x".to_owned(), value: Some(Value::Flag(true)) });
                let change = Sql::new("UPDATE exchanges SET coding = 0, detail = $1 WHERE id = $2");
                let change = change.bind(exchange.encode_to_vec()).bind(Uuid::from_slice(&exchange.id).unwrap());
                change.execute(&self.store.writes).await.unwrap();
            }
            if again {
                self.store.index_again().await.unwrap();
            }
        }
    }

    /// By the query alone, oldest first.
    fn expected(&self, query: &Query) -> Vec<Uuid> {
        let agent = (&*self.agent.to_string(), "edge-1");
        let fit = self.exchanges.iter().filter(|exchange| query.matches(&Seen::new(agent, exchange, &[])));
        let mut ids: Vec<_> = fit.map(|exchange| Uuid::from_slice(&exchange.id).unwrap()).collect();
        ids.sort();
        ids
    }

    /// As a listing finds them, page by page, turned round.
    async fn listed(&self, query: &Query) -> Vec<Uuid> {
        let (mut ids, mut before) = (Vec::new(), None);
        loop {
            let page = self.store.exchanges(query, before, 70).await.unwrap();
            ids.extend(page.items.iter().map(|item| item.id));
            before = page.next;
            if before.is_none() {
                assert!(ids.is_sorted_by(|newer, older| newer > older), "the newest first, each once");
                ids.reverse();
                return ids;
            }
        }
    }

    /// As whoever follows is told them.
    async fn followed(&self, query: &Query) -> Vec<Uuid> {
        let (mut ids, mut at) = (Vec::new(), 0);
        loop {
            let arrivals = self.store.arrivals(query, Some(at), 70).await.unwrap();
            ids.extend(arrivals.items.iter().map(|item| item.summary.id));
            if arrivals.next == at {
                ids.sort();
                return ids;
            }
            at = arrivals.next;
        }
    }
}

#[test]
fn sqlite_finds_what_the_query_says() {
    agrees(Dialect::Sqlite);
}

#[test]
fn postgres_finds_what_the_query_says() {
    agrees(Dialect::Postgres);
}

fn agrees(dialect: Dialect) {
    let mut runner = TestRunner::new(Config { cases: QUERIES, failure_persistence: None, ..Config::default() });
    let mut exchanges: Vec<Exchange> =
        (0..EXCHANGES).map(|_| exchange().new_tree(&mut runner).unwrap().current()).collect();
    exchanges.dedup_by(|a, b| a.id == b.id);
    let ids = exchanges.iter().map(|exchange| Uuid::from_slice(&exchange.id).unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::with(dialect, exchanges));
    let (found, all) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let outcome = runner.run(&query(ids), |text| {
        let query = Query::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let expected = bench.expected(&query);
        let (listed, followed) = runtime.block_on(async { (bench.listed(&query).await, bench.followed(&query).await) });
        let differ: Vec<_> = expected
            .iter()
            .filter(|id| !listed.contains(id))
            .chain(listed.iter().filter(|id| !expected.contains(id)))
            .map(|id| bench.exchanges.iter().find(|exchange| exchange.id == id.as_bytes()[..]))
            .collect();
        prop_assert!(differ.is_empty(), "{text}: {} found, {} fit: {:#?}", listed.len(), expected.len(), differ[0]);
        prop_assert_eq!(&followed, &expected, "{}, followed", text);
        found.set(found.get() + usize::from(!expected.is_empty()));
        all.set(all.get() + usize::from(expected.len() == bench.exchanges.len()));
        Ok(())
    });
    runtime.block_on(bench.store.close());
    outcome.unwrap();
    // Else what agrees says little.
    assert!(found.get() > QUERIES as usize / 2, "{} queries found something", found.get());
    assert!(all.get() < QUERIES as usize / 4, "{} queries found all", all.get());
}

#[tokio::test]
async fn the_largest_query_is_within_the_bounds_of_the_database() {
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        let bench = Bench::with(dialect, vec![]).await;
        for text in ["type:a or ".repeat(406), "-a ".repeat(511), "not(".repeat(16)] {
            let close = ")".repeat(text.matches('(').count());
            let query = Query::parse(&format!("{text}host:b{close}")).unwrap();
            assert!(bench.listed(&query).await.is_empty());
        }
        bench.store.close().await;
    }
}

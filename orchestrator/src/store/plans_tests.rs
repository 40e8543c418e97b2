//! How PostgreSQL goes about what readers ask while it has not analyzed a table yet, as in the first minute of one that fills: by
//! indexes, as far as it has to.

use uuid::Uuid;
use weir_proto::v1::{Exchange, Request, Response};
use weir_query::Query;

use super::{
    Row, Store,
    dialect::Dialect,
    prepare,
    search::Search,
    sql::Sql,
    testing::{joined, with_store},
};

const ROWS: usize = 6000;

async fn filled(store: &Store) {
    // It must not be analyzed while the test goes on.
    Sql::new("ALTER TABLE exchanges SET (autovacuum_enabled = off)").execute(&store.writes).await.unwrap();
    let agent = joined(store, "edge-1").await;
    let row = |n: usize| -> Row {
        let authority = format!("h{}.example", n % 3);
        let request = Request { method: "GET".into(), authority, path: format!("/items/{n}"), ..Request::default() };
        let response = Response { status: if n.is_multiple_of(500) { 500 } else { 200 }, ..Response::default() };
        let id = Uuid::now_v7().into_bytes().to_vec().into();
        let exchange = Exchange { id, request: Some(request), response: Some(response), ..Exchange::default() };
        prepare(agent, 1, &exchange, None).unwrap()
    };
    for some in (0..ROWS).collect::<Vec<_>>().chunks(1000) {
        let (done, written) = tokio::sync::oneshot::channel();
        store.accept(some.iter().copied().map(row).collect::<Vec<_>>(), done).await.unwrap();
        written.await.unwrap().unwrap();
    }
}

async fn search(store: &Store, query: &str) -> Search {
    Search::compile(&Query::parse(query).unwrap(), async |column| store.values(column).await).await.unwrap()
}

/// The plan, line by line.
async fn plan(store: &Store, query: Sql) -> String {
    let lines = query.around("EXPLAIN ", "").fetch_all(&store.reads).await.unwrap();
    lines.iter().map(|line| line.get::<String>(0).unwrap() + "\n").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_read_in_the_order_of_an_index_and_no_further() {
    with_store(Dialect::Postgres, async |store| {
        filled(store).await;
        for (query, index) in [
            ("", "exchanges_by_id"),
            ("status:200", "exchanges_by_status"),
            ("status:5xx", "exchanges_by_status"),
            ("host:h1.example", "exchanges_by_host"),
        ] {
            let search = search(store, query).await;
            let plan = plan(store, store.within(&search, (Uuid::max(), None), 101)).await;
            assert!(plan.contains(&format!("Index Scan Backward using {index}")), "{query}: {plan}");
            assert!(!plan.contains("Sort  (") && !plan.contains("Seq Scan on exchanges"), "{query}: {plan}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_index_of_searches_lacks_is_read_by_its_numbers() {
    with_store(Dialect::Postgres, async |store| {
        filled(store).await;
        for query in ["path:/items/7", "header.x-none:value", "items/5"] {
            let search = search(store, query).await;
            let plan = plan(store, store.unnoted(&search, ROWS as i64 - 5, Uuid::max())).await;
            assert!(plan.contains("Index Scan using exchanges_pkey"), "{query}: {plan}");
            assert!(plan.contains("Index Cond: ((number >= "), "{query}: {plan}");
        }
    })
    .await;
}

//! What the index leads to, and what keeps it right: each test on each database.

use uuid::Uuid;
use weir_proto::v1::{Body, Connection, Exchange, Field, Receipt, Request, Response, Tag};
use weir_query::Query;

use super::{Ahead, BLOCK, FORMAT, Hunt};
use crate::store::{
    Row, Store,
    dialect::Dialect,
    prepare,
    search::Search,
    sql::Sql,
    testing::{Place, joined, on_both},
};

on_both! {
    one_among_many_is_led_to_whatever_field_tells_it,
    what_most_of_them_have_is_walked_through,
    what_came_out_of_order_is_listed_in_order,
    what_is_deleted_leaves_the_index,
    what_changes_is_found_as_it_is_now,
    a_block_is_noted_when_it_is_full_or_when_nothing_more_comes,
    an_index_of_another_form_is_made_anew_and_a_later_one_is_left_alone,
}

const BLOCKS: i64 = 8;

/// One that is like others.
fn plain(n: i64) -> Exchange {
    let request = Request {
        method: "GET".into(),
        scheme: "https".into(),
        authority: "a.example".into(),
        path: format!("/items/{n}"),
        version: "HTTP/1.1".into(),
        headers: vec![Field { name: "accept".into(), value: b"*/*"[..].into() }],
        ..Request::default()
    };
    let headers = vec![Field { name: "content-type".into(), value: b"text/html"[..].into() }];
    let response = Response { status: 200, headers, body: Some(Body::default()), ..Response::default() };
    let connection = Connection { client_address: "192.0.2.7:51034".into(), ..Connection::default() };
    Exchange {
        id: Uuid::now_v7().into_bytes().to_vec().into(),
        duration_us: 1000,
        request: Some(request),
        response: Some(response),
        connection: Some(connection),
        ..Exchange::default()
    }
}

/// Unlike all others in every field.
fn odd(n: i64) -> Exchange {
    let mut exchange = plain(n);
    let request = exchange.request.as_mut().unwrap();
    request.method = "PURGE".into();
    request.version = "HTTP/2".into();
    request.path = "/Needle/17?token=abcdef".into();
    request.headers.push(Field { name: "X-Foo".into(), value: b"bar"[..].into() });
    let response = exchange.response.as_mut().unwrap();
    response.headers[0].value = b"application/hal+json"[..].into();
    response.body = Some(Body { size: 5 << 20, ..Body::default() });
    let connection = exchange.connection.as_mut().unwrap();
    connection.user = "ann".into();
    connection.client_address = "198.51.100.9:1".into();
    exchange.error = "connection refused".into();
    exchange.duration_us = 9_000_000;
    exchange.filters = vec![Receipt { name: "block".into(), verdict: "failed".into(), ..Receipt::default() }];
    exchange.tags = vec![Tag { name: "geo.eu".into(), value: None }];
    exchange
}

async fn accept(store: &Store, rows: Vec<Row>) {
    let (done, written) = tokio::sync::oneshot::channel();
    store.accept(rows, done).await.unwrap();
    written.await.unwrap().unwrap();
}

/// So many blocks, all in the index, with the odd one in the second; its id.
async fn filled(store: &Store) -> Uuid {
    let (agent, other) = (joined(store, "edge-1").await, joined(store, "core-1").await);
    let mut id = Uuid::nil();
    let mut rows = Vec::new();
    for n in 1..BLOCKS * BLOCK {
        let is_odd = n == BLOCK + 7;
        let exchange = if is_odd { odd(n) } else { plain(n) };
        id = if is_odd { Uuid::from_slice(&exchange.id).unwrap() } else { id };
        rows.push(prepare(if is_odd { other } else { agent }, 1, &exchange, None).unwrap());
    }
    accept(store, rows).await;
    index(store).await;
    assert_eq!(number(store, "SELECT noted FROM search_index").await, BLOCKS * BLOCK);
    id
}

/// All blocks that are full.
async fn index(store: &Store) {
    while store.index_next(&mut -1).await.unwrap() {}
}

async fn number(store: &Store, sql: &'static str) -> i64 {
    Sql::new(sql).fetch_one(&store.reads).await.unwrap().get(0).unwrap()
}

async fn run(store: &Store, sql: &'static str) {
    Sql::new(sql).execute(&store.writes).await.unwrap();
}

fn parse(query: &str) -> Query {
    Query::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// The ids that the index leads to; none where there is something to walk through.
async fn led_to(store: &Store, query: &str) -> Option<Vec<Uuid>> {
    let query = parse(query);
    let search = Search::compile(&query, async |_| Ok::<_, ()>(None)).await.unwrap();
    let (mut hunt, mut before, mut all) = (Hunt::new(&search), Uuid::max(), Vec::new());
    loop {
        match store.ahead(&mut hunt, (&query, &search), before).await.unwrap() {
            Ahead::Walk(_) => return None,
            Ahead::Ids(ids, end) => {
                all.extend(ids);
                match end {
                    Some(end) => before = end,
                    None => return Some(all),
                }
            }
        }
    }
}

async fn found(store: &Store, query: &str) -> Vec<Uuid> {
    let page = store.exchanges(&parse(query), None, 10_000).await.unwrap();
    assert_eq!(page.next, None);
    page.items.into_iter().map(|item| item.id).collect()
}

async fn one_among_many_is_led_to_whatever_field_tells_it(store: &Store) {
    let id = filled(store).await;
    let queries = [
        "needle",
        "token=abc",
        "path:/Needle/17",
        "path:*Needle*",
        "url:https://a.example/needle/17?*",
        "method:purge",
        "user:ann",
        "user:an*",
        "agent:core-1",
        "client:198.51.100.9",
        "error:*",
        "error:*refused",
        "error~refused$",
        "header.x-foo:bar",
        "header.x-foo~^b",
        "request.header.x-foo:*",
        "type:json",
        "type:hal+json",
        "filter:block",
        "filter:block=failed",
        "filter:*=failed",
        "tag:geo.eu",
        "tag~geo",
        "is:error",
        "is:h2",
        "is:truncated",
        "size:>1MB",
        "duration:>5s",
        "-host:b.example user:ann status:200",
        "(method:GET or user:ann) -method:GET user:ann",
    ];
    for query in queries {
        assert_eq!(led_to(store, query).await, Some(vec![id]), "{query}");
        assert_eq!(found(store, query).await, [id], "{query}");
    }
    assert_eq!(led_to(store, "path:/nowhere").await, Some(vec![]));
    assert_eq!(led_to(store, "agent:nobody").await, Some(vec![]));
}

async fn what_most_of_them_have_is_walked_through(store: &Store) {
    filled(store).await;
    for query in ["method:GET", "path:/items/*", "header.accept:*", "body:x", "-path:/a", "ab"] {
        assert_eq!(led_to(store, query).await, None, "{query}");
    }
    assert_eq!(found(store, "method:GET").await.len() as i64, BLOCKS * BLOCK - 2);
    // Page by page, and both ways within one search.
    let (mut before, mut count) = (None, 0);
    loop {
        let page = store.exchanges(&parse("path:/items/*1"), before, 7).await.unwrap();
        count += page.items.len();
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(count, (1..BLOCKS * BLOCK).filter(|n| n % 10 == 1 && *n != BLOCK + 7).count());
}

async fn what_came_out_of_order_is_listed_in_order(store: &Store) {
    let agent = joined(store, "edge-1").await;
    // Every block holds ids of all times.
    let ids: Vec<Uuid> = (0..BLOCKS * BLOCK).map(|_| Uuid::now_v7()).collect();
    let order = (0..BLOCK).flat_map(|at| (0..BLOCKS).map(move |block| block * BLOCK + at));
    let mut rows = Vec::new();
    let mut rare = Vec::new();
    for (n, place) in (0..).zip(order) {
        let mut exchange = plain(n);
        exchange.id = ids[place as usize].into_bytes().to_vec().into();
        if n % 29 == 0 {
            exchange.request.as_mut().unwrap().path = "/rare".into();
            rare.push(ids[place as usize]);
        }
        rows.push(prepare(agent, 1, &exchange, None).unwrap());
    }
    accept(store, rows).await;
    index(store).await;
    rare.sort_by(|one, other| other.cmp(one));
    assert_eq!(found(store, "path:/rare").await, rare);
    let (mut before, mut all) = (None, Vec::new());
    loop {
        let page = store.exchanges(&parse("path:/rare"), before, 3).await.unwrap();
        all.extend(page.items.into_iter().map(|item| item.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(all, rare);
}

async fn what_is_deleted_leaves_the_index(store: &Store) {
    let id = filled(store).await;
    let parts = number(store, "SELECT count(*) FROM search_parts").await;
    assert_eq!(parts, BLOCKS * super::parts::PARTS as i64);
    // All of the first block, most of the third, and some of the fourth.
    run(store, "DELETE FROM exchanges WHERE number < 64 OR number BETWEEN 128 AND 180 OR number BETWEEN 192 AND 200")
        .await;
    assert_eq!(number(store, "SELECT CAST(sum(gone) AS BIGINT) FROM search_blocks").await, 63 + 53 + 9);
    assert!(found(store, "path:/items/130").await.is_empty());
    assert_eq!(found(store, "path:/items/181").await.len(), 1);
    assert_eq!(store.index_again().await.unwrap(), 2);
    assert_eq!(number(store, "SELECT count(*) FROM search_blocks").await, BLOCKS - 1);
    assert_eq!(number(store, "SELECT count(*) FROM search_parts").await, parts - super::parts::PARTS as i64);
    assert_eq!(number(store, "SELECT rows FROM search_blocks WHERE block = 2").await, 64 - 53);
    assert_eq!(number(store, "SELECT gone FROM search_blocks WHERE block = 2").await, 0);
    assert_eq!(number(store, "SELECT gone FROM search_blocks WHERE block = 3").await, 9);
    assert_eq!(found(store, "path:/items/181").await.len(), 1);
    assert_eq!(found(store, "user:ann").await, [id]);
    assert_eq!(store.index_again().await.unwrap(), 0);
    // What comes next is noted as ever.
    run(store, "DELETE FROM exchanges").await;
    store.index_again().await.unwrap();
    assert_eq!(number(store, "SELECT count(*) FROM search_parts").await, 0);
    accept(store, (0..2 * BLOCK).map(|n| prepare(1, 1, &plain(n), None).unwrap()).collect()).await;
    index(store).await;
    assert!(number(store, "SELECT count(*) FROM search_blocks").await >= 1);
    assert_eq!(found(store, "path:/items/5").await.len(), 1);
}

async fn what_changes_is_found_as_it_is_now(store: &Store) {
    filled(store).await;
    let mut exchange = store.exchange(found(store, "path:/items/30").await[0]).await.unwrap().unwrap().1;
    let id = Uuid::from_slice(&exchange.id).unwrap();
    for tag in ["seen", "done"] {
        exchange.tags = vec![Tag { name: tag.into(), value: None }];
        let detail = prost::Message::encode_to_vec(&exchange);
        let change = Sql::new("UPDATE exchanges SET coding = 0, detail = $1 WHERE id = $2").bind(detail).bind(id);
        change.execute(&store.writes).await.unwrap();
        assert_eq!(found(store, &format!("tag:{tag}")).await, [id], "before it is noted");
        assert_eq!(store.index_again().await.unwrap(), 1);
        assert_eq!(number(store, "SELECT count(*) FROM search_changed").await, 0);
        assert_eq!(led_to(store, &format!("tag:{tag}")).await, Some(vec![id]));
    }
    assert_eq!(led_to(store, "tag:seen").await, Some(vec![]));
}

async fn an_index_of_another_form_is_made_anew_and_a_later_one_is_left_alone(store: &Store) {
    let id = filled(store).await;
    run(store, "UPDATE search_index SET format = format + 1").await;
    assert!(!store.index_next(&mut -1).await.unwrap());
    assert_eq!(store.index_again().await.unwrap(), 0);
    assert_eq!(led_to(store, "user:ann").await, None);
    assert_eq!(found(store, "user:ann").await, [id]);
    assert_eq!(number(store, "SELECT format FROM search_index").await, FORMAT + 1);
    run(store, "UPDATE search_index SET format = 0").await;
    run(store, "DELETE FROM search_parts").await;
    index(store).await;
    assert_eq!(number(store, "SELECT format FROM search_index").await, FORMAT);
    assert_eq!(led_to(store, "user:ann").await, Some(vec![id]));
}

async fn a_block_is_noted_when_it_is_full_or_when_nothing_more_comes(store: &Store) {
    let agent = joined(store, "edge-1").await;
    let mut last = 0;
    let rows = |count: i64| (0..count).map(|n| prepare(agent, 1, &plain(n), None).unwrap()).collect::<Vec<_>>();
    accept(store, rows(BLOCK / 2)).await;
    assert!(!store.index_next(&mut last).await.unwrap(), "more may come");
    assert!(store.index_next(&mut last).await.unwrap(), "none came");
    assert!(!store.index_next(&mut last).await.unwrap(), "none came that is not noted");
    assert_eq!(number(store, "SELECT rows FROM search_blocks").await, BLOCK / 2);
    accept(store, rows(2)).await;
    for _ in 0..3 {
        assert!(!store.index_next(&mut last).await.unwrap(), "few came");
    }
    assert_eq!(found(store, "path:/items/1").await.len(), 2);
    accept(store, rows(BLOCK)).await;
    assert!(store.index_next(&mut last).await.unwrap(), "it is full");
    assert_eq!(number(store, "SELECT rows FROM search_blocks").await, BLOCK - 1);
    assert_eq!(number(store, "SELECT noted FROM search_index").await, BLOCK);
    assert_eq!(found(store, "path:/items/1").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_noted_step_by_step() {
    let place = Place::new(Dialect::Sqlite).await;
    let store = place.open().await;
    let agent = joined(&store, "edge-1").await;
    accept(&store, (0..12 * BLOCK).map(|n| prepare(agent, 1, &plain(n), None).unwrap()).collect()).await;
    // Until few are left that are not noted, searches go without.
    for step in 0..12 {
        let by_index = led_to(&store, "path:/items/5").await.is_some();
        assert_eq!(by_index, step > 4, "{step}");
        assert_eq!(found(&store, "path:/items/5").await.len(), 1);
        store.index_next(&mut -1).await.unwrap();
    }
    store.close().await;
}

//! Bodies in and out of the store, each test on each database: what is kept once, what goes when, what is said of damage.

use std::{
    collections::HashSet,
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::sync::oneshot;
use uuid::Uuid;
use weir_proto::v1::{Body, Exchange, Field, Request, Response};
use weir_query::Query;

use super::super::{
    Database, Deed, Dialect, Sql, Store, StoreError, Telemetry, prepare,
    sql::Pool,
    testing::{Place, limits, on_both},
};
use crate::{BodyConfig, BodyPlace, Retention};

/// Above it the tests' bodies go to the body store.
pub(in super::super) const FROM: usize = 16 << 10;

on_both! {
    each_is_kept_once_and_comes_back,
    what_the_last_exchange_needed_goes_with_it,
    damage_is_told_and_names_the_exchange,
    what_a_killed_writer_left_is_swept_and_nothing_else,
    retention_counts_what_is_stored,
    a_search_reads_bodies_wherever_they_are,
    exchanges_that_come_twice_leave_nothing_behind,
    what_vanished_is_put_again_when_it_comes_again,
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|_| rand::random()).collect()
}

fn body(data: &[u8]) -> Option<Body> {
    Some(Body { data: data.to_vec().into(), size: data.len() as u64, ..Body::default() })
}

fn exchange(request: &[u8], response: &[u8]) -> Exchange {
    Exchange {
        id: Uuid::now_v7().into_bytes().to_vec().into(),
        request: Some(Request { body: body(request), ..Request::default() }),
        response: Some(Response { status: 200, body: body(response), ..Response::default() }),
        ..Exchange::default()
    }
}

fn id(exchange: &Exchange) -> Uuid {
    Uuid::from_slice(&exchange.id).unwrap()
}

async fn keep(store: &Store, exchanges: &[Exchange]) -> u64 {
    let mut packer = zstd::bulk::Compressor::new(1).unwrap();
    let now = crate::clock::now_us();
    let agent = store.import_agent(now).await.unwrap();
    let rows: Vec<_> = exchanges.iter().map(|it| prepare(agent, now, it, Some(&mut packer)).unwrap()).collect();
    let (done, written) = oneshot::channel();
    store.accept(rows, done).await.unwrap();
    written.await.unwrap().unwrap().new
}

async fn whole(store: &Store, exchange: &Exchange) -> Result<Option<Exchange>, StoreError> {
    Ok(store.exchange(id(exchange)).await?.map(|(_, exchange)| exchange))
}

fn folder(store: &Store) -> PathBuf {
    match store.shelves.objects.as_ref().unwrap().place().strip_prefix("file://") {
        Some(folder) => folder.into(),
        None => panic!("no folder"),
    }
}

/// Files of bodies, and those half written.
fn files(store: &Store) -> HashSet<PathBuf> {
    let folders = fs::read_dir(folder(store)).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir());
    folders.flat_map(|it| fs::read_dir(it).unwrap().map(|it| it.unwrap().path())).collect()
}

async fn count(store: &Store, table: &str) -> i64 {
    Sql::new(format!("SELECT count(*) FROM {table}")).fetch_one(&store.reads).await.unwrap().get(0).unwrap()
}

/// Rows, uses, files and sums say the same.
async fn is_consistent(store: &Store) {
    let broken = "SELECT (SELECT count(*) FROM body_uses u WHERE NOT EXISTS (SELECT 1 FROM exchanges e WHERE e.number = u.exchange)), \
                  (SELECT count(*) FROM bodies b WHERE NOT EXISTS (SELECT 1 FROM body_uses u WHERE u.body = b.number)), \
                  (SELECT bytes FROM held WHERE what = 'bodies'), (SELECT CAST(coalesce(sum(stored), 0) AS BIGINT) FROM bodies)";
    let row = Sql::new(broken).fetch_one(&store.writes).await.unwrap();
    let numbers: Vec<i64> = (0..4).map(|column| row.get(column).unwrap()).collect();
    assert_eq!((numbers[0], numbers[1], numbers[2]), (0, 0, numbers[3]), "dangling uses, unused bodies, sums");
    store.clear_bodies().await.unwrap();
    let rows = Sql::new("SELECT object FROM bodies WHERE object IS NOT NULL").fetch_all(&store.writes).await.unwrap();
    let named: HashSet<PathBuf> = rows.iter().map(|row| folder(store).join(row.get::<String>(0).unwrap())).collect();
    assert_eq!(files(store), named);
}

async fn each_is_kept_once_and_comes_back(store: &Store) {
    let (small, middle, large) = (noise(2048), noise(9000), noise(50_000));
    let text = b"all of it is text ".repeat(3000);
    let mut first = exchange(&middle, &large);
    // A filter changed both, the body of one.
    first.filtered_request = first.request.clone();
    first.original_response = first.response.clone();
    first.filtered_request.as_mut().unwrap().body = body(&text);
    let second = exchange(&small, &large);
    let third = exchange(&text, &[]);
    let all = [first, second, third];
    assert_eq!(keep(store, &all).await, 3);
    for exchange in &all {
        assert!(whole(store, exchange).await.unwrap().as_ref() == Some(exchange));
    }
    // The middle one, the text, which is small once it is packed, and the large one.
    assert_eq!((count(store, "bodies").await, count(store, "body_uses").await, files(store).len()), (3, 5, 1));
    let outline = store.outline(id(&all[0])).await.unwrap().unwrap();
    assert_eq!(outline.exchange.response.unwrap().body.unwrap().data.len(), 0);
    is_consistent(store).await;
}

async fn what_the_last_exchange_needed_goes_with_it(store: &Store) {
    let (middle, large) = (noise(9000), noise(50_000));
    let all = [exchange(&middle, &large), exchange(&middle, &large)];
    keep(store, &all).await;
    assert_eq!(store.delete_exchanges(&[id(&all[0])], &Deed::default()).await.unwrap(), 1);
    assert!(whole(store, &all[1]).await.unwrap().as_ref() == Some(&all[1]));
    is_consistent(store).await;
    assert_eq!(store.delete_exchanges(&[id(&all[1])], &Deed::default()).await.unwrap(), 1);
    assert_eq!(count(store, "bodies").await, 0);
    assert_eq!(store.clear_bodies().await.unwrap(), 1);
    assert!(files(store).is_empty());
    assert!(whole(store, &all[1]).await.unwrap().is_none());
    // What comes again is put again.
    keep(store, &[exchange(&middle, &large)]).await;
    is_consistent(store).await;
}

async fn damage_is_told_and_names_the_exchange(store: &Store) {
    let damage = async |exchange: &Exchange, says: &str| {
        let said = whole(store, exchange).await.unwrap_err().to_string();
        assert!(said.contains(says) && said.contains(&id(exchange).to_string()), "{said}");
        let Ok(query) = Query::parse("body~needle") else { panic!("no query") };
        let searched = store.exchanges(&query, None, 10).await.unwrap();
        assert!(searched.items.is_empty(), "a search that cannot look says so");
        let [(left_out, why)] = &searched.unread.first[..] else { panic!("{:?}", searched.unread) };
        assert!(*left_out == id(exchange) && why.contains(says), "{why}");
        store.delete_exchanges(&[id(exchange)], &Deed::default()).await.unwrap();
    };
    let one = exchange(b"", &noise(50_000));
    keep(store, std::slice::from_ref(&one)).await;
    let file = files(store).into_iter().next().unwrap();
    let good = fs::read(&file).unwrap();
    fs::write(&file, &good[..good.len() - 1]).unwrap();
    assert!(whole(store, &one).await.unwrap_err().to_string().contains("49999 bytes of 50000"));
    let mut flipped = good.clone();
    flipped[7] ^= 1;
    fs::write(&file, flipped).unwrap();
    assert!(whole(store, &one).await.unwrap_err().to_string().contains("not those that were stored"));
    fs::write(&file, &good).unwrap();
    assert!(whole(store, &one).await.unwrap().is_some());
    fs::remove_file(&file).unwrap();
    damage(&one, "is missing in the body store").await;

    let text = exchange(b"", &b"text ".repeat(2000));
    keep(store, std::slice::from_ref(&text)).await;
    let change = match &store.writes {
        Pool::Sqlite(_) => "UPDATE bodies SET bytes = substr(bytes, 1, 20)",
        Pool::Postgres(_) => "UPDATE bodies SET bytes = substring(bytes FROM 1 FOR 20)",
    };
    Sql::new(change).execute(&store.writes).await.unwrap();
    damage(&text, "cannot be unpacked").await;
}

async fn what_a_killed_writer_left_is_swept_and_nothing_else(store: &Store) {
    let large = noise(50_000);
    let one = exchange(b"", &large);
    keep(store, std::slice::from_ref(&one)).await;
    let named = files(store).into_iter().next().unwrap();
    let digest = named.file_name().unwrap().to_str().unwrap().split_once('-').unwrap().0.to_owned();
    let beside = |name: &str| {
        let file = named.with_file_name(name);
        fs::write(&file, &large).unwrap();
        file
    };
    let own = |ending: &str| beside(&format!("{digest}-{}{ending}", Uuid::new_v4().simple()));
    let (orphan, half, young) = (own(""), own(".half"), own(""));
    // A folder may be somebody else's, too.
    let theirs = beside("holiday.jpg");
    let now = SystemTime::now();
    for file in [&orphan, &half, &named, &theirs] {
        let old = now - Duration::from_secs(25 * 3600);
        fs::File::options().write(true).open(file).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(store.sweep_bodies(now).await.unwrap(), 2);
    assert_eq!(files(store), [named, young.clone(), theirs.clone()].into());
    assert!(whole(store, &one).await.unwrap().as_ref() == Some(&one));
    fs::remove_file(young).unwrap();
    fs::remove_file(theirs).unwrap();
    is_consistent(store).await;
}

async fn retention_counts_what_is_stored(store: &Store) {
    // The same body many times takes its room once.
    let shared = noise(50_000);
    let same: Vec<_> = (0..200).map(|_| exchange(b"", &shared)).collect();
    keep(store, &same).await;
    let retention = Retention { age: Duration::from_secs(3600), exchanges: u64::MAX, bytes: 2 << 20 };
    assert_eq!(store.retain(retention, crate::clock::now_us()).await.unwrap(), 0);
    // Different ones do not.
    let other: Vec<_> = (0..100).map(|_| exchange(b"", &noise(50_000))).collect();
    keep(store, &other).await;
    let deleted = store.retain(retention, crate::clock::now_us()).await.unwrap();
    let left = count(store, "exchanges").await;
    assert_eq!(deleted, 300 - u64::try_from(left).unwrap());
    assert!((30..38).contains(&left), "nine tenths of 2 MiB, 53 kB each: {left}");
    is_consistent(store).await;
}

async fn a_search_reads_bodies_wherever_they_are(store: &Store) {
    let with = |length: usize| [&noise(length)[..], b"a needle in it"].concat();
    let all =
        [exchange(b"", &with(10)), exchange(b"", &with(9000)), exchange(&with(50_000), b""), exchange(b"", b"hay")];
    keep(store, &all).await;
    let mut cut = exchange(b"", &noise(20_000));
    cut.response.as_mut().unwrap().body.as_mut().unwrap().size += 1;
    cut.response.as_mut().unwrap().headers = vec![Field { name: "x".into(), value: b"y"[..].into() }];
    keep(store, std::slice::from_ref(&cut)).await;
    let find = async |text: &str| {
        let Ok(query) = Query::parse(text) else { panic!("{text}") };
        let items = store.exchanges(&query, None, 100).await.unwrap().items;
        items.iter().rev().map(|item| item.id).collect::<Vec<_>>()
    };
    assert_eq!(find("body~\"n[e]+dle\"").await, all[..3].iter().map(id).collect::<Vec<_>>());
    assert_eq!(find("is:truncated").await, [id(&cut)]);
    assert_eq!(find("-body~needle").await, [id(&all[3]), id(&cut)]);
}

async fn exchanges_that_come_twice_leave_nothing_behind(store: &Store) {
    let one = exchange(b"", &noise(50_000));
    assert_eq!(keep(store, &[one.clone(), one.clone()]).await, 1);
    // With another body: the first one stays.
    let mut other = exchange(b"", &noise(50_000));
    other.id = one.id.clone();
    assert_eq!(keep(store, &[other]).await, 0);
    assert!(whole(store, &one).await.unwrap().as_ref() == Some(&one));
    assert_eq!(count(store, "bodies_gone").await, 1);
    is_consistent(store).await;
}

async fn what_vanished_is_put_again_when_it_comes_again(store: &Store) {
    let large = noise(50_000);
    let all: Vec<_> = (0..4).map(|_| exchange(b"", &large)).collect();
    keep(store, &all[..1]).await;
    let file = files(store).into_iter().next().unwrap();
    let good = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert!(whole(store, &all[0]).await.is_err());
    // What comes back by itself, such as with a disk that was away, is as good.
    fs::write(&file, &good).unwrap();
    assert!(whole(store, &all[0]).await.unwrap().as_ref() == Some(&all[0]));
    fs::remove_file(&file).unwrap();
    keep(store, &all[1..]).await;
    for exchange in &all {
        assert!(whole(store, exchange).await.unwrap().as_ref() == Some(exchange));
    }
    assert_eq!((count(store, "bodies").await, files(store).len(), files(store).contains(&file)), (1, 1, false));
    is_consistent(store).await;
}

/// Another store on the same database and folder, as another orchestrator has it.
async fn beside(place: &Place) -> Store {
    place.open().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_orchestrators_neither_takes_what_the_other_needs() {
    let place = Place::new(Dialect::Postgres).await;
    let stores = [place.open().await, beside(&place).await];
    let bodies: Vec<Vec<u8>> = (0..4).map(|n| noise(if n % 2 == 0 { 6000 } else { 40_000 })).collect();
    // Each stores and deletes exchanges with the same few bodies, which come and go all the time.
    let work = async |store: &Store| {
        let mut left = Vec::new();
        for round in 0..60 {
            let some: Vec<_> = (0..3).map(|n| exchange(&bodies[(round + n) % 4], &bodies[n % 4])).collect();
            keep(store, &some).await;
            let ids: Vec<Uuid> = some.iter().map(id).collect();
            let (gone, stays) = if round < 59 { (&ids[..], None) } else { (&ids[1..], Some(some[0].clone())) };
            store.delete_exchanges(gone, &Deed::default()).await.unwrap();
            store.clear_bodies().await.unwrap();
            left.extend(stays);
        }
        left
    };
    let (here, there) = tokio::join!(work(&stores[0]), work(&stores[1]));
    for exchange in here.iter().chain(&there) {
        assert!(whole(&stores[1], exchange).await.unwrap().as_ref() == Some(exchange));
    }
    is_consistent(&stores[0]).await;
}

#[tokio::test]
async fn what_the_schema_before_kept_in_messages_is_read_as_ever() {
    use sqlx::Connection as _;
    let place = Place::new(Dialect::Sqlite).await;
    let Database::Sqlite(file) = place.database() else { panic!("no file") };
    let mut old = sqlx::SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap();
    super::super::schema::migrator(super::super::schema::SQLITE, |number| number <= 5).run(&mut old).await.unwrap();
    let before = exchange(b"asked", &[noise(200_000), b"needle".to_vec()].concat());
    let rows = "INSERT INTO agents (id, name, grp, joined_us, last_seen_us, version) VALUES (x'00000000000000000000000000000000', 'a', 'g', 0, 0, '')";
    sqlx::raw_sql(rows).execute(&mut old).await.unwrap();
    let row = "INSERT INTO exchanges VALUES (1, 1, 700000, ?, 1, 1, 1, 1, 'GET', '', '', 'h', '/', '', 200, 5, 200006, '', 0, '', '', '', '', '', 0, ?)";
    let message = prost::Message::encode_to_vec(&before);
    sqlx::query(row).bind(before.id.to_vec()).bind(message).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    let store = &place.open().await;
    assert!(whole(store, &before).await.unwrap().as_ref() == Some(&before));
    let Ok(query) = Query::parse("body~needle") else { panic!("no query") };
    assert_eq!(store.exchanges(&query, None, 5).await.unwrap().items.len(), 1);
    // It goes as it came, and what comes from now on is kept beside.
    keep(store, &[exchange(b"", &noise(50_000))]).await;
    assert_eq!(store.delete_exchanges(&[id(&before)], &Deed::default()).await.unwrap(), 1);
    is_consistent(store).await;
}

#[tokio::test]
async fn a_body_store_that_is_not_this_database_s_is_refused() {
    let place = Place::new(Dialect::Sqlite).await;
    let store = place.open().await;
    keep(&store, &[exchange(b"", &noise(50_000))]).await;
    store.close().await;
    let open = async |bodies: BodyPlace| {
        let bodies = BodyConfig { place: bodies, from_bytes: FROM };
        let opened = Store::open(place.database(), &bodies, limits(), std::sync::Arc::new(Telemetry::new())).await;
        opened.map(drop).map_err(|error| error.to_string())
    };
    let none = open(BodyPlace::Database).await.unwrap_err();
    assert!(none.contains("say with `body_store` which one"), "{none}");
    let empty = tempfile::tempdir().unwrap();
    let other = open(BodyPlace::Folder(empty.path().to_owned())).await.unwrap_err();
    assert!(other.contains("name that one, or restore it"), "{other}");
    fs::write(empty.path().join("weir-body-store"), "another").unwrap();
    let foreign = open(BodyPlace::Folder(empty.path().to_owned())).await.unwrap_err();
    assert!(foreign.contains("belongs to another database"), "{foreign}");
    open(BodyPlace::Folder(folder(&store))).await.unwrap();
}

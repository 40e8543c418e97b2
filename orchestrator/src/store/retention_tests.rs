//! What stays and what goes, by rules and by bounds: each test on each database.

use std::time::Duration;

use uuid::Uuid;
use weir_proto::v1::{Exchange, Request, Response};
use weir_query::Query;

use super::{
    rules::Action::*,
    testing::{NOW_US, Place, on_both},
    *,
};
use crate::{
    Retention,
    access::{Areas, Role},
};

const HOUR: Duration = Duration::from_secs(3600);
const ALL: Retention = Retention { age: Duration::from_secs(u32::MAX as u64), exchanges: u64::MAX, bytes: u64::MAX };

on_both! {
    rules_drop_what_is_old_enough_and_not_what_others_keep,
    what_is_kept_outlives_its_age_but_not_the_bounds,
    what_is_kept_is_summed_up_and_not_looked_at_again,
    notes_of_rules_before_count_no_longer_and_go_in_time,
    what_is_being_dropped_stays_when_the_rules_change,
    rules_that_ask_of_bodies_are_asked_of_each_once,
    retention_waits_for_nobody_who_searches,
    rules_that_take_long_go_on_in_the_next_pass,
    deleting_and_retaining_do_not_get_in_each_others_way,
    the_audit_trail_is_bounded_by_its_bytes,
}

/// Exchanges that came so many minutes ago, with these hosts and paths.
async fn came(store: &Store, all: impl IntoIterator<Item = (u64, String, String)>) -> Vec<Uuid> {
    let agent = store.import_agent(NOW_US).await.unwrap();
    let row = |(minutes, authority, path): (u64, String, String)| {
        let request = Request { authority, path, method: "GET".into(), ..Request::default() };
        let id = Uuid::now_v7();
        let response = Response { status: 200, headers: Vec::new(), ..Response::default() };
        let exchange = Exchange {
            id: id.into_bytes().to_vec().into(),
            request: Some(request),
            response: Some(response),
            ..Exchange::default()
        };
        (id, prepare(agent, NOW_US - minutes * 60_000_000, &exchange, None).unwrap())
    };
    let (ids, rows): (Vec<Uuid>, Vec<Row>) = all.into_iter().map(row).unzip();
    let (done, written) = tokio::sync::oneshot::channel();
    store.accept(rows, done).await.unwrap();
    written.await.unwrap().unwrap();
    ids
}

async fn count(store: &Store, query: &str) -> usize {
    let query = Query::parse(query).unwrap_or_else(|error| panic!("{error}"));
    store.exchanges(&query, None, 100_000).await.unwrap().items.len()
}

fn rule(action: Action, query: &str) -> Rule {
    Rule { action, query: query.to_owned() }
}

/// One a minute, the oldest first: every third is of `static`, every seventh path begins with `/keep`.
fn mixed(count: u64) -> impl Iterator<Item = (u64, String, String)> {
    (0..count).map(move |n| {
        let host = if n % 3 == 0 { "static.example" } else { "a.example" };
        let path = if n % 7 == 0 { format!("/keep/{n}") } else { format!("/{n}") };
        (count - 1 - n, host.to_owned(), path)
    })
}

async fn rules_drop_what_is_old_enough_and_not_what_others_keep(store: &Store) {
    came(store, mixed(2100)).await;
    let rules = [rule(Drop { after: HOUR }, "host:static.example"), rule(Keep, "path:/keep/*")];
    store.set_retention_rules(&rules, |_| true, &Deed::default()).await.unwrap();
    assert_eq!(store.retention_rules().await.unwrap(), rules);
    // 700 are of `static`; of those every seventh is kept; the last hour's stay.
    let recent = (0..2100u64).filter(|n| 2099 - n <= 60);
    let stays = (0..2100u64).filter(|n| n % 3 == 0 && (n % 7 == 0 || 2099 - n <= 60)).count();
    let gone = store.retain(ALL, NOW_US).await.unwrap();
    assert_eq!(gone, 700 - stays as u64);
    assert_eq!(count(store, "host:static.example").await, stays);
    assert_eq!(count(store, "host:a.example").await, 1400);
    assert_eq!(store.retain(ALL, NOW_US).await.unwrap(), 0, "nothing new is old enough");
    // An hour later those of that hour go too.
    let more = recent.filter(|n| n % 3 == 0 && n % 7 != 0).count();
    let later = NOW_US + 3_600_000_001;
    assert_eq!(store.retain(ALL, later).await.unwrap(), more as u64);
    // Other rules are asked of all again.
    store
        .set_retention_rules(&[rule(Drop { after: Duration::ZERO }, "host:static.example")], |_| true, &Deed::default())
        .await
        .unwrap();
    assert_eq!(store.retain(ALL, later).await.unwrap(), 100);
    assert_eq!(count(store, "").await, 1400);
}

async fn what_is_kept_outlives_its_age_but_not_the_bounds(store: &Store) {
    came(store, mixed(2100)).await;
    store.set_retention_rules(&[rule(Keep, "path:/keep/*")], |_| true, &Deed::default()).await.unwrap();
    let mut keep = Retention { age: HOUR, ..ALL };
    let stays = (0..2100u64).filter(|n| n % 7 == 0 || 2099 - n <= 60).count();
    assert_eq!(store.retain(keep, NOW_US).await.unwrap(), 2100 - stays as u64);
    assert_eq!(store.retain(keep, NOW_US).await.unwrap(), 0);
    assert_eq!(count(store, "path:/keep/*").await, 300);
    // Of what may be there, half is for what is kept: the oldest of them go.
    keep.exchanges = 200;
    let others = count(store, "-path:/keep/*").await;
    store.retain(keep, NOW_US).await.unwrap();
    assert_eq!(count(store, "path:/keep/*").await, 100 + (2040..2100).filter(|n| n % 7 == 0).count());
    assert_eq!(count(store, "-path:/keep/*").await, others, "there is room for them");
    assert_eq!(count(store, "path:/keep/0").await + count(store, "path:/keep/2093").await, 1, "the newest are kept");
    // Without the rule all have their age.
    store.set_retention_rules(&[], |_| true, &Deed::default()).await.unwrap();
    store.retain(keep, NOW_US).await.unwrap();
    assert_eq!(count(store, "").await, 61);
}

async fn what_is_kept_is_summed_up_and_not_looked_at_again(store: &Store) {
    let ids = came(store, mixed(2100)).await;
    store.set_retention_rules(&[rule(Keep, "path:/keep/*")], |_| true, &Deed::default()).await.unwrap();
    let keep = Retention { age: HOUR, ..ALL };
    store.retain(keep, NOW_US).await.unwrap();
    let sums = async || {
        let sums = "SELECT h.count, h.bytes, (SELECT count(*) FROM kept), (SELECT CAST(coalesce(sum(e.bytes), 0) AS BIGINT) FROM kept k \
                    JOIN exchanges e ON e.number = k.number) FROM held h WHERE h.what = 'kept'";
        let row = Sql::new(sums).fetch_one(&store.reads).await.unwrap();
        let [count, bytes, rows, sum] = [0, 1, 2, 3].map(|column| row.number(column).unwrap());
        assert_eq!((count, bytes), (rows, sum));
        count
    };
    // Those of the last hour were not asked.
    assert_eq!(sums().await, (0..2100 - 61).filter(|n| n % 7 == 0).count() as u64);
    // All up to there is kept; the next step begins behind it.
    assert_eq!(store.all_kept_to().await.unwrap(), 2100 - 61);
    // What is deleted is kept no longer.
    store.delete_exchanges(&[ids[0], ids[7], ids[8]], &Deed::default()).await.unwrap();
    assert_eq!(sums().await, (14..2100 - 61).filter(|n| n % 7 == 0).count() as u64);
    assert_eq!(store.retain(keep, NOW_US).await.unwrap(), 0);
    store.set_retention_rules(&[rule(Keep, "path:/keep/1*")], |_| true, &Deed::default()).await.unwrap();
    assert_eq!(store.all_kept_to().await.unwrap(), 0, "other rules are asked of all again");
    store.retain(keep, NOW_US).await.unwrap();
    let kept = (14..2100 - 61u64).filter(|n| n % 7 == 0 && n.to_string().starts_with('1')).count();
    assert_eq!(sums().await, kept as u64);
}

/// However many are noted, a change of rules takes none of them away in its transaction; an end in the midst of what follows is no harm.
async fn notes_of_rules_before_count_no_longer_and_go_in_time(store: &Store) {
    came(
        store,
        (0..14_000)
            .map(|n| (14_000 - n, "a.example".to_owned(), format!("/{}/{n}", ["keep", "other"][n as usize % 2]))),
    )
    .await;
    let keep = Retention { age: HOUR, ..ALL };
    let rules = async |rules: &[Rule]| store.set_retention_rules(rules, |_| true, &Deed::default()).await.unwrap();
    let notes = async |of: &str| {
        let text = format!("SELECT count(*) FROM kept {of}");
        Sql::new(text).fetch_one(&store.reads).await.unwrap().number(0).unwrap()
    };
    rules(&[rule(Keep, "path:/keep/*")]).await;
    store.retain(keep, NOW_US).await.unwrap();
    let kept = notes("").await;
    assert!(kept > 6900, "{kept}");
    // Others: all notes are there, and none counts.
    rules(&[rule(Keep, "path:/keep/2*")]).await;
    assert_eq!(notes("").await, kept);
    // Some went, and what follows is begun anew, as after a crash; it meets new notes among old ones.
    assert_eq!(store.forget_notes().await.unwrap(), 5000);
    store.keep_by_rules((0, 14_000)).await.unwrap();
    let in_force = format!("WHERE rules = {}", rules::IN_FORCE);
    let stay = (0..14_000u64).filter(|n| n % 2 == 0 && n.to_string().starts_with('2')).count() as u64;
    assert_eq!(notes(&in_force).await, stay);
    assert!(notes("").await > stay);
    store.retain(keep, NOW_US).await.unwrap();
    let old = (0..14_000u64).filter(|n| 14_000 - n > 60);
    let stay = old.filter(|n| n % 2 == 0 && n.to_string().starts_with('2')).count() as u64;
    assert_eq!(count(store, "").await as u64, stay + 60);
    assert_eq!(count(store, "path:/keep/3000").await, 0);
    let held = Sql::new("SELECT count FROM held WHERE what = 'kept'").fetch_one(&store.reads).await.unwrap();
    assert_eq!((notes("").await, held.number(0).unwrap()), (notes(&in_force).await, notes("").await));
    // Without rules nothing is kept.
    rules(&[]).await;
    store.retain(keep, NOW_US).await.unwrap();
    assert_eq!((count(store, "").await, notes("").await), (60, 0));
}

async fn what_is_being_dropped_stays_when_the_rules_change(store: &Store) {
    let ids = came(store, (0..4).map(|n| (60, "a.example".to_owned(), format!("/{n}")))).await;
    let any = |_: Vec<Rule>| true;
    let drops = [rule(Drop { after: HOUR / 2 }, "host:a.example")];
    store.set_retention_rules(&drops, any, &Deed::default()).await.unwrap();
    let walked = store.rules().await.unwrap();
    store.set_retention_rules(&[rule(Keep, "host:a.example")], any, &Deed::default()).await.unwrap();
    let fits = ids.into_iter().collect();
    assert_eq!(store.drop_unless_kept(&fits, &walked, (0, i64::MAX)).await.unwrap(), 0);
    assert_eq!(count(store, "").await, 4);
    // As long as they are the same, they go.
    store.set_retention_rules(&drops, any, &Deed::default()).await.unwrap();
    let walked = store.rules().await.unwrap();
    assert_eq!(store.drop_unless_kept(&fits, &walked, (0, i64::MAX)).await.unwrap(), 4);
}

async fn rules_that_ask_of_bodies_are_asked_of_each_once(store: &Store) {
    came(store, mixed(1500)).await;
    // Only the whole message says it.
    store
        .set_retention_rules(
            &[rule(Drop { after: HOUR }, "-response.header.x:y host:static.example")],
            |_| true,
            &Deed::default(),
        )
        .await
        .unwrap();
    let old = (0..1500u64).filter(|n| n % 3 == 0 && 1499 - n > 60).count();
    assert_eq!(store.retain(ALL, NOW_US).await.unwrap(), old as u64);
    let walked = Sql::new("SELECT walked FROM retention_rules").fetch_one(&store.reads).await.unwrap();
    assert_eq!(walked.number(0).unwrap(), 1500 - 61);
}

async fn retention_waits_for_nobody_who_searches(store: &Store) {
    came(store, (0..4).map(|n| (60, "a.example".to_owned(), format!("/{n}")))).await;
    let drops = [rule(Drop { after: HOUR / 2 }, "-response.header.x:y host:a.example")];
    store.set_retention_rules(&drops, |_| true, &Deed::default()).await.unwrap();
    let every = u32::try_from(UNPACKING).unwrap();
    let _searches = Arc::clone(&store.unpacking).acquire_many_owned(every).await.unwrap();
    let retained = timeout(Duration::from_secs(60), store.retain(ALL, NOW_US)).await;
    assert_eq!(retained.expect("it waits").unwrap(), 4);
}

async fn rules_that_take_long_go_on_in_the_next_pass(store: &Store) {
    came(store, (0..1500).map(|n| (60, "a.example".to_owned(), format!("/{n}")))).await;
    let drops = [rule(Drop { after: HOUR / 2 }, "host:a.example")];
    store.set_retention_rules(&drops, |_| true, &Deed::default()).await.unwrap();
    for (gone, left) in [(1000, 500), (500, 0), (0, 0)] {
        assert_eq!(store.drop_by_rules(NOW_US, tokio::time::Instant::now()).await.unwrap(), gone);
        assert_eq!(count(store, "").await, left);
    }
}

async fn deleting_and_retaining_do_not_get_in_each_others_way(store: &Store) {
    for _ in 0..5 {
        let mut ids = came(store, mixed(1500)).await;
        ids.reverse();
        let keep = Retention { exchanges: 1, ..ALL };
        let delete = async |ids: &[Uuid]| {
            for some in ids.chunks(300) {
                store.delete_exchanges(some, &Deed::default()).await.unwrap();
            }
        };
        let (one, two) = ids.split_at(750);
        let (retained, (), ()) = tokio::join!(store.retain(keep, NOW_US), delete(one), delete(two));
        retained.unwrap();
    }
}

async fn the_audit_trail_is_bounded_by_its_bytes(store: &Store) {
    let entry = |n: u64| Audited {
        number: 0,
        at_us: NOW_US + n,
        actor: "admin".to_owned(),
        role: Some(Role::Admin),
        areas: Areas::UNBOUNDED,
        action: "GET".to_owned(),
        object: "x".repeat(1000),
        status: 200,
        source: "::1".to_owned(),
    };
    for n in 0..40 {
        store.audit(entry(n)).await.unwrap();
    }
    store.retain_audit(20 * 1139, 0).await.unwrap();
    let left = store.audited(None, None, 100).await.unwrap();
    assert_eq!((left.len(), left[0].at_us, left[19].at_us), (20, NOW_US + 39, NOW_US + 20));
    store.retain_audit(u64::MAX, NOW_US + 30).await.unwrap();
    assert_eq!(store.audited(None, None, 100).await.unwrap().len(), 10);
    // However much is refused, what was done stays.
    for n in 40..140 {
        store.audit(Audited { status: 403, ..entry(n) }).await.unwrap();
    }
    store.retain_audit(40 * 1139, 0).await.unwrap();
    let left = store.audited(None, None, 500).await.unwrap();
    let done = left.iter().filter(|entry| entry.status == 200).count();
    assert_eq!((left.len(), done, left[0].at_us), (40, 10, NOW_US + 139));
}

/// Where two orchestrators clear one trail, no more goes than has to.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_orchestrators_neither_drops_what_the_other_did() {
    let place = Place::new(Dialect::Postgres).await;
    let stores = [place.open().await, place.open().await];
    let entry = Audited { object: "x".repeat(1000), actor: "admin".to_owned(), status: 403, ..Audited::nobody(NOW_US) };
    for round in 0..5 {
        let full = "INSERT INTO audit (at_us, actor, role, action, object, status, source, bytes) \
                    SELECT $1, 'admin', '', 'GET', 'x', 403, '', 1000 FROM generate_series(1, 5000)";
        Sql::new(full).bind(signed(NOW_US)).execute(&stores[0].writes).await.unwrap();
        stores[0].audit(Audited { status: 200, ..entry.clone() }).await.unwrap();
        let bytes = 2_000_000;
        let (one, two) = tokio::join!(stores[0].retain_audit(bytes, 0), stores[1].retain_audit(bytes, 0));
        one.and(two).unwrap();
        let held = Sql::new("SELECT bytes FROM held WHERE what = 'audit'").fetch_one(&stores[0].reads).await.unwrap();
        let held = held.number(0).unwrap();
        assert!((bytes - 1000..=bytes).contains(&held), "{held} in round {round}");
    }
}

#[tokio::test]
async fn a_file_gives_back_what_deleted_rows_leave() {
    let place = Place::new(Dialect::Sqlite).await;
    let Database::Sqlite(file) = place.database() else { panic!("a file") };
    let store = place.open().await;
    for _ in 0..4 {
        came(&store, (0..400).map(|n| (n, "a.example".to_owned(), format!("/{}", "x".repeat(30_000))))).await;
    }
    assert_eq!(store.give_back().await.unwrap(), 0, "there is nothing to give");
    let size = || std::fs::metadata(file).unwrap().len();
    Sql::new("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&store.writes).await.unwrap();
    let before = size();
    store.retain(Retention { exchanges: 10, ..ALL }, NOW_US).await.unwrap();
    assert!(store.give_back().await.unwrap() > before / 2);
    Sql::new("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&store.writes).await.unwrap();
    assert!(size() < before / 2, "{} of {before}", size());
    assert_eq!(count(&store, "").await, 10);
    store.close().await;
}

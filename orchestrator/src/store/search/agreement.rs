//! What a real database and the rest of the plan find is what the query says of each exchange by itself. Exchanges and
//! queries are made at random, of values that meet often and of ones that are odd.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use uuid::Uuid;
use weir_proto::v1::{Body, Connection, Exchange, Field, Intervention, Receipt, Request, Response, Tag, tag::Value};
use weir_query::Query;

use super::super::{Joining, Spend, Store, dialect::Dialect, prepare, search::Seen, tests::Place};
use crate::tokens;

/// 2026-11-20T00:00:00Z
const DAY_MS: u64 = 1_795_132_800_000;
const EXCHANGES: usize = 300;
const QUERIES: u32 = 800;

const HOSTS: [&str; 12] = [
    "a.example",
    "A.Example.:80",
    "b.example:8443",
    "x.b.example",
    "[2001:db8::7]:443",
    "",
    "[",
    "u@a.example",
    "é.example",
    "a%_.ex'ample",
    "*.[x]?",
    "nul\0.example",
];
const PATHS: [&str; 14] =
    ["/", "/a", "/A", "/a?x=/b", "/b/a", "/[x]*", "?", "", "/?", "/é%_\\'", "/a\0b", "*", "/aaab?aab", "//a:1/~b"];
const TYPES: [&str; 10] = [
    "",
    "application/json",
    "Application/HAL+JSON; charset=utf-8",
    " text/html ",
    "\ttext/html\t;x",
    ";",
    "a;b",
    "json/x",
    "image/*",
    "te\0xt/x",
];
const NAMES: [&str; 6] = ["block", "headers", "b", "blocker", "No Name", ""];
const VERDICTS: [&str; 3] = ["next", "failed", "responded"];

fn text(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(of).prop_map(str::to_owned)
}

fn field() -> impl Strategy<Value = Field> {
    const NAMES: [&str; 5] = ["x-foo", "X-Foo", "upgrade", "content-encoding", "content-type"];
    let values: [&[u8]; 8] = [b"bar", b"Bar", b"", b"b\xffr", b"h2c, WebSocket", b"gzip", b"br, gzip", b"b*r"];
    (text(&NAMES), select(values.to_vec())).prop_map(|(name, value)| Field { name, value: value.into() })
}

fn body() -> impl Strategy<Value = Option<Body>> {
    let data: [&[u8]; 5] = [b"", b"token", b"a Token here", b"\x1f\x8b\x08\0", b"\xff\0*"];
    let sizes = [0, 1, 5, 1024, 1500, 1 << 20, i64::MAX as u64, u64::MAX];
    let told = (select(data.to_vec()), select(sizes.to_vec()), any::<(bool, bool)>());
    option::of(told.prop_map(|(data, size, (redacted, cut))| Body {
        data: data.into(),
        size,
        redacted,
        cut,
        ..Body::default()
    }))
}

fn request() -> impl Strategy<Value = Request> {
    let path = prop_oneof![9 => text(&PATHS), 1 => "[/ab?é]{8180,8200}"];
    let authority = prop_oneof![9 => text(&HOSTS), 1 => "[a.é]{1015,1030}"];
    let method = text(&["GET", "get", "POST", "P*", "G\0"]);
    let versions = text(&["HTTP/1.1", "HTTP/2", "http/2", "HTTP/2\0"]);
    (method, text(&["http", "https", "HTTPS", ""]), authority, path, versions, vec(field(), 0..4), body()).prop_map(
        |(method, scheme, authority, path, version, headers, body)| Request {
            method,
            scheme,
            authority,
            path,
            version,
            headers,
            body,
            ..Request::default()
        },
    )
}

fn response() -> impl Strategy<Value = Option<Response>> {
    let content_type = (text(&TYPES), any::<bool>(), any::<bool>()).prop_map(|(value, odd, there)| {
        let mut value = value.into_bytes();
        value.extend(odd.then_some(0xfe));
        Some(Field { name: "Content-Type".into(), value: value.into() }).filter(|_| there)
    });
    let status = select(vec![100_u32, 200, 204, 404, 500, 503, 599, 999]);
    option::weighted(
        0.8,
        (status, vec(field(), 0..3), content_type, body()).prop_map(|(status, headers, kind, body)| {
            let headers = kind.into_iter().chain(headers).collect();
            Response { status, headers, body, ..Response::default() }
        }),
    )
}

fn connection() -> impl Strategy<Value = Option<Connection>> {
    let clients = text(&["192.0.2.7:51034", "192.0.2.77:1", "[2001:db8::7]:1", "[2001", "", "a:b:c]:", "\0:1"]);
    let users = text(&["", "ann", "Ann", "a*n", "a n"]);
    let entries = text(&["connect", "Socks5", ""]);
    option::weighted(
        0.8,
        (clients, users, entries, any::<bool>()).prop_map(|(client_address, user, entry, intercepted)| Connection {
            client_address,
            user,
            entry,
            intercepted,
            ..Connection::default()
        }),
    )
}

fn receipts() -> impl Strategy<Value = Vec<Receipt>> {
    let one = || {
        let parts = (text(&NAMES), text(&VERDICTS), any::<bool>());
        parts.prop_map(|(name, verdict, changed)| Receipt { name, verdict, changed, ..Receipt::default() })
    };
    prop_oneof![9 => vec(one(), 0..4), 1 => vec(one(), 60..70)]
}

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    let value = prop_oneof![
        text(&["DE", "", "a=b"]).prop_map(|text| Some(Value::Text(text))),
        Just(Some(Value::Number(1.5))),
        Just(Some(Value::Flag(true))),
        Just(None),
    ];
    vec((text(&["geo.country", "geo.x"]), value).prop_map(|(name, value)| Tag { name, value }), 0..3)
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let id = (DAY_MS - 2..DAY_MS + 3, any::<[u8; 10]>()).prop_map(|(ms, random)| {
        let random = uuid::Builder::from_unix_timestamp_millis(ms, &random);
        random.into_uuid().into_bytes().to_vec().into()
    });
    let numbers = (select(vec![0_u64, 1, 999, 200_000, 250_000, 9_000_000]), select(vec![0_u64, 1, 40_000]));
    let errors = text(&["", "connection refused", "a\0b", "*"]);
    (
        (id, request(), response(), connection()),
        (receipts(), tags(), 0..10_i32, errors, select(vec![0, 0, 15, 16])),
        numbers,
        any::<bool>(),
    )
        .prop_map(
            |(
                (id, request, response, connection),
                (filters, tags, outcome, error, replayed),
                (duration_us, first_byte_us),
                changed,
            )| {
                Exchange {
                    filtered_request: changed.then(|| request.clone()),
                    interventions: vec![Intervention {
                        decision: if first_byte_us == 0 { "continue" } else { "kill" }.to_owned(),
                        by: if changed { "user:ann" } else { "" }.to_owned(),
                        ..Intervention::default()
                    }],
                    id,
                    replay_of: vec![7; replayed].into(),
                    duration_us,
                    first_byte_us,
                    connection,
                    request: Some(request),
                    response,
                    filters,
                    outcome,
                    error,
                    tags,
                    ..Exchange::default()
                }
            },
        )
}

fn quoted(value: &str) -> String {
    let escaped = value.chars().flat_map(|c| matches!(c, '"' | '\\' | '*').then_some('\\').into_iter().chain([c]));
    format!("\"{}\"", escaped.collect::<String>())
}

/// Of a text that may be stored: the whole, or some of it between stars.
fn pattern(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(of), any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..5).prop_map(|(text, from, to, how)| {
        let places: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        let (from, to) = (places[from.index(places.len())], places[to.index(places.len())]);
        let (from, to) = (from.min(to), from.max(to));
        match how {
            0 => quoted(text),
            1 => format!("{}*", quoted(&text[..to])),
            2 => format!("*{}", quoted(&text[from..])),
            3 => format!("*{}*", quoted(&text[from..to])),
            _ => format!("{}*{}", quoted(&text[..from]), quoted(&text[to..])),
        }
    })
}

fn term(id: Vec<Uuid>) -> impl Strategy<Value = String> {
    let ids = (select(id), 0..36_usize, 0..4).prop_map(|(id, at, how)| {
        let text = id.to_string();
        match how {
            0 => format!("id:{text}"),
            1 => format!("id:{}*", &text[..at]),
            2 => format!("id:*{}", &text[at..]),
            _ => format!("id:{}*{}", &text[..at / 2], &text[at..]),
        }
    });
    let moment = (0..6_u64).prop_map(|ms| {
        format!(
            "2026-11-{}Z",
            if ms < 3 { format!("19T23:59:59.99{}", ms + 7) } else { format!("20T00:00:00.00{}", ms - 3) }
        )
    });
    let sizes = select(vec![
        "0",
        "1",
        "1kB",
        "1KiB",
        "1024",
        "1500",
        "1MiB",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
    ]);
    let durations = select(vec!["0us", "1us", "999us", "200ms", "0.25s", "9s", "40ms"]);
    let compare = || select(vec!["", ">", ">=", "<", "<="]);
    let literal = |field: &'static str, of: &'static [&'static str]| {
        pattern(of).prop_map(move |value| format!("{field}:{value}"))
    };
    let columns = prop_oneof![
        4 => literal("host", &["a.example", "b.example", "x.b.example", "2001:db8::7", "a%_.ex'ample"]),
        4 => literal("path", &["/", "/a", "/A", "/b/a", "/[x]*", "/é%_\\'", "/aaab", "//a:1/~b"]),
        3 => pattern(&["https://a.example/a", "http://b.example:8443/a?x=/b", "a.example", "é.example/é%_"]).prop_map(|word| format!("url:{word}")),
        1 => select(&["example", "/a", "\"x=\"", "é", "aab", "https://a", "\"[x]\"", "://", "\0", "*\0*"][..]).prop_map(str::to_owned),
        2 => literal("method", &["GET", "POST", "P*"]),
        1 => select(&["scheme:http", "scheme:https", "scheme:h*", "scheme:*"][..]).prop_map(str::to_owned),
        2 => literal("type", &["json", "application/json", "text/html", "html", "image/*", "hal+json", ""]),
        3 => literal("client", &["192.0.2.7", "192.0.2.7:51034", "2001:db8::7", "[2001", "a:b:c", ""]),
        2 => literal("user", &["ann", "Ann", "a*n", "a n", ""]),
        1 => select(&["entry:connect", "entry:socks5", "entry:*", "agent:edge-1", "agent:*1", "agent:x", "agent:*-*-*"][..]).prop_map(str::to_owned),
        2 => literal("error", &["connection refused", "*", ""]),
        2 => select(&["outcome:complete", "outcome:*", "outcome:*failed", "outcome~^filter-", "outcome:filter-answered"][..]).prop_map(str::to_owned),
        3 => select(&["status:200", "status:5xx", "status:>=500", "status:<=204", "status:200..404", "status:0..999"][..]).prop_map(str::to_owned),
        3 => (select(&["size", "request.size"][..]), compare(), sizes).prop_map(|(field, how, value)| format!("{field}:{how}{value}")),
        2 => (select(&["duration", "first-byte"][..]), compare(), durations).prop_map(|(field, how, value)| format!("{field}:{how}{value}")),
        2 => ids,
        2 => (select(&["after", "before"][..]), moment).prop_map(|(field, moment)| format!("{field}:{moment}")),
        3 => select(&["filter:block", "filter:b", "filter:headers", "filter:b*k", "filter:*", "filter:block=failed", "filter:*=changed", "filter~^b"][..]).prop_map(str::to_owned),
    ];
    let messages = prop_oneof![
        literal("header.x-foo", &["bar", "Bar", "b*r", ""]),
        literal("request.header.x-foo", &["bar", ""]),
        literal("response.header.content-type", &["application/json", ""]),
        literal("tag", &["geo.country=DE", "geo.country", "geo.x=1.5", "geo.x=true", "geo.x=a=b"]),
        select(
            &[
                "body:token",
                "request.body:token",
                "response.body~^token",
                "body~\"(?-u)\\xff\"",
                "path~\"^/[ab]\"",
                "host~^[a-c]\\.",
                "url~\"b(\\?|$)\"",
                "user~^A",
                "client~:1$",
                "type~json",
                "header.x-foo~\"(?-u)b.r\"",
                "error~refused$",
                "id~^019.*7",
                "agent~edge"
            ][..]
        )
        .prop_map(str::to_owned),
        select(
            &[
                "is:websocket",
                "is:error",
                "is:answered",
                "is:changed",
                "is:truncated",
                "is:edited",
                "is:h2",
                "is:tls",
                "is:intercepted",
                "is:replay"
            ][..]
        )
        .prop_map(str::to_owned),
        Just(format!("path:*{}*", "a".repeat(70))),
    ];
    prop_oneof![3 => columns, 1 => messages].prop_filter("that could never fit", |query| Query::parse(query).is_ok())
}

fn query(ids: Vec<Uuid>) -> impl Strategy<Value = String> {
    term(ids).prop_recursive(4, 12, 4, |inner| {
        let joint = select(&[" ", " or "][..]);
        prop_oneof![
            (vec(inner.clone(), 2..4), joint).prop_map(|(parts, by)| parts.join(by)),
            inner.clone().prop_map(|it| format!("not ({it})")),
            inner.prop_map(|it| format!("({it})")),
        ]
    })
}

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
        assert!(matches!(store.join(tokens::hash("t"), joining, 1).await.unwrap(), Spend::Joined { .. }));
        let mut packer = zstd::bulk::Compressor::new(1).unwrap();
        let rows: Vec<_> =
            exchanges.iter().map(|exchange| prepare(1, 1, exchange, Some(&mut packer)).unwrap()).collect();
        let (done, written) = tokio::sync::oneshot::channel();
        store.accept(rows, done).await.unwrap();
        assert_eq!(written.await.unwrap().unwrap().new, exchanges.len() as u64);
        Self { store, agent, exchanges, _place: place }
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

//! Exchanges at random.

use proptest::{collection::vec, option, prelude::*, sample::select};
use weir_proto::v1::{Body, Connection, Exchange, Field, Intervention, Receipt, Request, Response, Tag, tag::Value};

/// 2026-11-20T00:00:00Z
const DAY_MS: u64 = 1_795_132_800_000;

const HOSTS: [&str; 13] = [
    "a.example",
    "A.Example.:80",
    "b.example:8443",
    "x.b.example",
    "[2001:db8::7]:443",
    "",
    "[",
    "u@a.example",
    "é.example",
    "É.EXAMPLE",
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

pub(super) fn exchange() -> impl Strategy<Value = Exchange> {
    let id = (DAY_MS - 2..DAY_MS + 3, any::<[u8; 10]>()).prop_map(|(ms, random)| {
        let random = uuid::Builder::from_unix_timestamp_millis(ms, &random);
        random.into_uuid().into_bytes().to_vec().into()
    });
    let numbers = (select(vec![0_u64, 1, 999, 200_000, 250_000, 9_000_000]), select(vec![0_u64, 1, 40_000]));
    let errors = text(&["", "connection refused", "Connection refusÉ", "a\0b", "*"]);
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

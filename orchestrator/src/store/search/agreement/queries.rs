//! Queries at random, about what exchanges at random have.

use proptest::{collection::vec, prelude::*, sample::select};
use uuid::Uuid;
use weir_query::Query;

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
        3 => pattern(&["https://a.example/a", "http://b.example:8443/a?x=/b", "a.example", "é.example/é%_", "É.example"]).prop_map(|word| format!("url:{word}")),
        1 => select(&["example", "/a", "\"x=\"", "é", "É.", "aab", "https://a", "\"[x]\"", "://", "\0", "*\0*"][..]).prop_map(str::to_owned),
        2 => literal("method", &["GET", "POST", "P*"]),
        1 => select(&["scheme:http", "scheme:https", "scheme:h*", "scheme:*"][..]).prop_map(str::to_owned),
        2 => literal("type", &["json", "application/json", "text/html", "html", "image/*", "hal+json", ""]),
        3 => literal("client", &["192.0.2.7", "192.0.2.7:51034", "2001:db8::7", "[2001", "a:b:c", ""]),
        2 => literal("user", &["ann", "Ann", "a*n", "a n", ""]),
        1 => select(&["entry:connect", "entry:socks5", "entry:*", "agent:edge-1", "agent:*1", "agent:x", "agent:*-*-*"][..]).prop_map(str::to_owned),
        2 => literal("error", &["connection refused", "connection refusÉ", "refusé", "*", ""]),
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

pub(super) fn query(ids: Vec<Uuid>) -> impl Strategy<Value = String> {
    term(ids).prop_recursive(4, 12, 4, |inner| {
        let joint = select(&[" ", " or "][..]);
        prop_oneof![
            (vec(inner.clone(), 2..4), joint).prop_map(|(parts, by)| parts.join(by)),
            inner.clone().prop_map(|it| format!("not ({it})")),
            inner.prop_map(|it| format!("({it})")),
        ]
    })
}

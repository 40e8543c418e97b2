//! What holds for every query: no text panics, print and parse undo each other, De Morgan, stars as a plain model says.

mod subject;
use proptest::prelude::*;
use subject::{parse, sample};
use weir_query::{Expr, Query, Term};

fn term() -> impl Strategy<Value = String> {
    prop_oneof![
        "(host|HOST):[a-c.*]{0,6}x",
        r#"path:/[a-zA-Z*]{0,4}"#,
        r#"(user|error|agent|id):"([a-z ()*]|\\[\\"*]){0,6}""#,
        r#"(user|error|agent|id):([a-z*]|\\[\\"* ()]){1,6}"#,
        "method:(GET|P\\*|put)",
        "status:([1-9]xx|[0-9]{1,3}|>=?[0-9]{1,3}|<=[0-9]{1,3}|100\\.\\.[2-9][0-9]{2})",
        "size:(>|>=|<=|)[0-9]{1,4}(\\.[05])?(|kB|MiB|gb)".prop_filter("half bytes", |t| Query::parse(t).is_ok()),
        "duration:(>|>=|<=|)[0-9]{1,4}(us|µs|ms|s|m)",
        "type:[a-z*+]{1,5}",
        "type:[a-z]{1,3}/[a-z*]{1,3}",
        "header\\.[xX]-[fF]oo:b[a-z*]{0,2}",
        "filter:[bh*][a-z*]{0,5}",
        "tag:[bh*][a-z.=*]{0,5}",
        "filter:[bh*][a-z*]{0,5}=(next|failed|CHANGED)",
        "entry:(connect|\\*)",
        "is:(websocket|ERROR|answered|changed|truncated|h2|tls|intercepted|replay)",
        "(after|before):(-[0-9]{1,3}[smhdw]|20[0-9]{2}-0[1-9]-[12][0-8](T[01][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,4})?(Z|[+-]0[1-9]:30))?)?)",
        "client:(192\\.|\\*)[0-9*.:]{0,5}",
        "(url|client|type|agent|outcome|id)~[a-z./+*]{0,3}[a-z]"
            .prop_filter("stars first", |t| Query::parse(t).is_ok()),
        r#"((|request\.|response\.)(header\.x-foo|body)|path|user|tag|filter)~"([a-z ]|\\"|\\\\|\\d|\\\(){1,6}""#,
        "(|request\\.|response\\.)body:[a-zE*]{0,4}[a-z]",
        "(|request\\.|response\\.)header\\.x-foo:b[a-z*]{0,3}",
        "(request|response)\\.size:<?[0-9]{1,4}(|kB)".prop_filter("below none", |t| Query::parse(t).is_ok()),
        "first-byte:(>|)[0-9]{1,4}ms",
        "[/a-z0-9.*]{1,5}[b-m]".prop_filter("keywords", |t| Query::parse(t).is_ok()),
        r#""[/a-z0-9.*? ()]{1,6}""#.prop_filter("stars", |t| Query::parse(t).is_ok()),
    ]
}

fn query() -> impl Strategy<Value = String> {
    term().prop_recursive(6, 24, 4, |inner| {
        let joint = prop_oneof![Just(" "), Just(" and "), Just(" OR "), Just(" or ")];
        prop_oneof![
            (prop::collection::vec(inner.clone(), 2..4), joint).prop_map(|(parts, by)| parts.join(by)),
            (prop_oneof![Just("not "), Just("-")], inner.clone()).prop_map(|(not, it)| format!("{not}({it})")),
            inner.prop_map(|it| format!("({it})")),
        ]
    })
}

/// `*` by its definition, as slow as that is.
fn model(pattern: &[Option<u8>], value: &[u8]) -> bool {
    match pattern.split_first() {
        None => value.is_empty(),
        Some((None, rest)) => (0..=value.len()).any(|skip| model(rest, &value[skip..])),
        Some((Some(byte), rest)) => value.first() == Some(byte) && model(rest, &value[1..]),
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = Query::parse(&text).map(|query| query.matches(&sample()));
    }

    #[test]
    fn nor_does_text_of_the_right_characters(text in r#"([a-z()\-:"\\* ]|and|or|not|host:|status:|path~|body:|is:|after:-|=|>=|\.\.|header\.){0,40}"#) {
        match Query::parse(&text) {
            Ok(query) => { query.matches(&sample()); }
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column()), "{}", error),
        }
    }

    #[test]
    fn what_is_printed_parses_to_the_same(text in query()) {
        let query = parse(&text);
        let printed = query.to_string();
        prop_assert_eq!(&parse(&printed), &query, "{} -> {}", text, printed);
        prop_assert_eq!(parse(&printed).to_string(), printed);
    }

    #[test]
    fn de_morgan(a in query(), b in query()) {
        for (left, right) in [
            (format!("not (({a}) and ({b}))"), format!("-({a}) or -({b})")),
            (format!("not (({a}) or ({b}))"), format!("-({a}) -({b})")),
            (format!("not not ({a})"), a.clone()),
        ] {
            prop_assert_eq!(parse(&left).matches(&sample()), parse(&right).matches(&sample()), "{} | {}", left, right);
        }
    }

    #[test]
    fn stars_fit_as_defined(pattern in "[ab*]{1,8}", value in "[ab]{0,8}") {
        let query = parse(&format!("user:{pattern}"));
        let Some(Expr::Term(Term::Text(_, compiled))) = query.expr() else { panic!("one term") };
        let by_definition: Vec<_> = pattern.bytes().map(|b| (b != b'*').then_some(b)).collect();
        prop_assert_eq!(compiled.matches(value.as_bytes()), model(&by_definition, value.as_bytes()));
    }
}

/// The longest queries of each bad kind: none takes a time that grows faster than it does, which would be minutes.
#[test]
fn no_query_takes_long_to_read() {
    let long = |piece: &str| piece.repeat(weir_query::MAX_BYTES / piece.len());
    let mut queries: Vec<String> =
        ["(", "-", "\"", "\\", "a*", "a ", "host:*a*", "a or ", ":", "~", "=", "x=", "not ", "/", "path~a|", "é"]
            .map(long)
            .into();
    queries.push(format!("host:a {}", long("or host:b ")));
    queries.push(format!("path~\"{}\"", "(a|b)*".repeat(150)));
    queries.push(r#"path~"(\pL{5}|\w{5}){5}" "#.repeat(8));
    queries.push(format!("{}:a", "x".repeat(4000)));
    for query in queries {
        let begin = std::time::Instant::now();
        let parsed = Query::parse(&query);
        let matched = parsed.map(|query| query.matches(&sample()));
        assert!(begin.elapsed().as_secs() < 10, "{:?} {:?}: {}", begin.elapsed(), matched.is_ok(), &query[..20]);
    }
}

//! Each field by example: what fits and what does not.

mod subject;
use subject::{Sample, parse, sample};
use weir_query::Moment;

fn check(query: &str, fits: bool) {
    assert_eq!(parse(query).matches(&sample()), fits, "{query}");
}

#[test]
fn nothing_fits_everything() {
    check("", true);
    check("  ", true);
}

#[test]
fn host() {
    check("host:api.example.com", true);
    check("host:API.example.COM", true);
    check("host:api.example.com.", true);
    check("host:*.example.com", true);
    check("host:example.com", false);
    check("host:*.api.example.com", false);
    let apex = Sample { host: "EXAMPLE.com.", ..sample() };
    assert!(parse("host:example.com").matches(&apex));
    assert!(!parse("host:*.example.com").matches(&apex));
    let address = Sample { host: "[2001:db8::7]", ..sample() };
    assert!(parse("host:[2001:db8::7]").matches(&address));
    assert!(parse("host:2001:DB8:*").matches(&address));
}

#[test]
fn path_is_cut_at_the_question_mark_and_keeps_its_case() {
    check("path:/admin/users", true);
    check("path:/admin*", true);
    check("path:*users", true);
    check("path:/Admin*", false);
    check("path:/users", false);
}

#[test]
fn words() {
    check("method:get", true);
    check("scheme:HTTPS", true);
    check("entry:connect", true);
    check("outcome:complete agent:edge-* id:01980000*", true);
    check("outcome:client-gone", false);
}

#[test]
fn numbers() {
    check("status:503", true);
    check("status:5xx", true);
    check("status:4xx", false);
    check("status:500..599", true);
    check("status:>=503 status:<=503", true);
    check("status:>503", false);
    check("status:<503", false);
    check("size:>1MB", true);
    check("size:1.5MB", true);
    check("size:1500kB", true);
    check("size:<1MiB", false);
    check("size:1MiB..2MiB", true);
    check("duration:>200ms", true);
    check("duration:0.25s", true);
    check("duration:250000us..1m", true);
    check("duration:>250ms", false);
}

#[test]
fn media_types() {
    for fits in ["json", "hal+json", "application", "application/hal+json", "application/*", "*json*", "JSON", "hal*"] {
        check(&format!("type:{fits}"), true);
    }
    for not in ["js", "application/json", "hal", "charset", "utf-8"] {
        check(&format!("type:{not}"), false);
    }
}

#[test]
fn headers_and_filters_fit_by_any_of_their_values() {
    check("header.x-foo:bar", true);
    check("header.X-Foo:bar", true);
    check("header.x-foo:Bar", false);
    check("header.x-foo:b*r -header.x-foo:bax", true);
    check(r#"header.x-odd:b*r header.x-odd~"(?-u)^b.r$""#, true);
    check("header.x-bar:*", false);
    check("filter:block filter:headers", true);
    check("filter:redact", false);
    check("tag:geo.country tag:geo.country=DE", true);
    check("tag:*.country=D?", false);
    check("tag:*=DE -tag:geo.country=FR", true);
}

#[test]
fn what_is_absent_fits_nothing() {
    let nobody = Sample { user: None, ..sample() };
    assert!(!parse("user:*").matches(&nobody));
    assert!(parse("-user:*").matches(&nobody));
    check("error:*", false);
    let failed = Sample { error: Some("upstream: connection refused"), status: None, ..sample() };
    assert!(parse(r#"error:"*Connection refused""#).matches(&failed));
    assert!(!parse("status:0..999").matches(&failed));
    assert!(parse("-status:0..999").matches(&failed));
}

#[test]
fn logic() {
    check("method:GET status:5xx", true);
    check("method:POST status:5xx", false);
    check("method:GET and status:4xx or scheme:https", true);
    check("method:GET and (status:4xx or scheme:http)", false);
    check("not method:POST", true);
    check("-method:GET", false);
    check("-(method:GET status:4xx)", true);
    check("not not method:GET", true);
    check("--method:GET", true);
    check("NOT(method:POST)AND(method:GET)", true);
}

#[test]
fn quotes_and_escapes() {
    let odd = Sample { user: Some(r#"a (b) "c" *d\"#), ..sample() };
    for fits in [r#"user:"a (b) \"c\" \*d\\""#, r#"user:a\ \(b\)\ \"c\"\ \*d\\"#, r#"user:"a (b"*"#, r#"user:a" "*"#] {
        assert!(parse(fits).matches(&odd), "{fits}");
    }
    assert!(!parse(r"user:\*").matches(&odd));
    assert!(parse(r#"user:"""#).matches(&Sample { user: Some(""), ..sample() }));
}

#[test]
fn a_match_may_only_ask_about_the_request() {
    for fits in [
        "",
        "host:a -path:/b* method:GET scheme:http header.a:b user:c entry:socks5",
        r#"url:*a* client:1.2.3.4 request.header.a:b host~a path~"^/(a|b)" is:h2 -is:tls is:intercepted"#,
    ] {
        parse(fits).request_only().unwrap();
    }
    for (query, column, field) in [
        ("host:a status:5xx", 8, "status"),
        ("-(type:json)", 3, "type"),
        ("filter:a", 1, "filter"),
        ("agent:a", 1, "agent"),
        ("method:GET or Duration:>1s", 15, "Duration"),
        ("host:a body~x", 8, "body"),
        ("response.header.a:b", 1, "response.header.a"),
        ("-(is:error)", 3, "is"),
        ("after:-1h", 1, "after"),
        ("host:a login", 8, "url:*WORD*"),
    ] {
        let error = parse(query).request_only().unwrap_err();
        assert_eq!(error.column(), column, "{error}");
        assert!(error.message().contains(&format!("`{field}`")), "{error}");
    }
}

#[test]
fn a_breakpoint_at_the_response_may_ask_about_its_head() {
    for fits in ["status:5xx host:a", "type:json or response.header.a:b", "header.a:b -is:h2"] {
        parse(fits).answerable(Moment::Response, "a breakpoint").unwrap();
    }
    for (query, column, field) in
        [("status:5xx size:>1kB", 12, "size"), ("body~x", 1, "body"), ("type:json login", 11, "url:*WORD*")]
    {
        let error = parse(query).answerable(Moment::Response, "a breakpoint").unwrap_err();
        assert_eq!(error.column(), column, "{error}");
        assert!(error.message().contains(&format!("`{field}`")), "{error}");
    }
    let error = parse("status:404").answerable(Moment::Request, "a breakpoint at the request").unwrap_err();
    let expect = "`status` is not known when the request arrives: a breakpoint at the request takes host";
    assert!(error.message().starts_with(expect), "{error}");
}

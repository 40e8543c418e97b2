//! Each way a query can be wrong: the column and what was expected.

use weir_query::{MAX_BYTES, MAX_DEPTH, Query};

fn check(query: &str, column: usize, says: &str) {
    let error = Query::parse(query).expect_err(query);
    assert_eq!(error.column(), column, "{query}: {error}");
    assert!(error.message().contains(says), "{query}: {error}");
}

#[test]
fn structure() {
    check("login", 1, "expected `field:value`, `and`, `or` or `not`, found `login`");
    check("host:a or", 10, "found the end");
    check("and host:a", 1, "found `and`");
    check("host:a or or host:b", 11, "found `or`");
    check("()", 2, "found `)`");
    check("(host:a", 8, "`)` to close the `(` of column 1");
    check("host:a)", 7, "closes nothing");
    check("- host:a", 2, "right behind `-`");
    check("host:a -", 9, "right behind `-`");
    check("not", 4, "found the end");
    check("host:", 6, "a value behind `host:`");
    check("(host:)", 7, "a value behind `host:`");
    check("host: a", 6, "a value behind `host:`");
    check(":a", 1, "without a field");
    check("\"a\"", 1, "without a field");
    check("user:\"a b", 10, "close the one of column 6");
    check("user:a\\", 8, "behind `\\`");
    check("host:a(path:/b)", 7, "a space before `(`");
}

#[test]
fn columns_count_characters() {
    check("user:żółć hots:a", 11, "there is no field `hots`: expected one of host, path");
}

#[test]
fn values() {
    check("host:a:80", 6, "without its port");
    check("host:[::1]:80", 6, "without its port");
    check("host:[::*]", 6, "without brackets");
    check("host:http://a/", 6, "a host alone");
    check("host:bücher.example", 6, "xn--");
    check("path:/a?b=c", 6, "without `?`");
    check("path:admin", 6, "begins with `/` or `*`");
    check("scheme:ftp", 8, "one of http, https");
    check("entry:proxy", 7, "one of forward, connect");
    check("outcome:ok", 9, "one of complete");
    check("status:abc", 8, "a status such as");
    check("status:5*", 8, "a status such as");
    check("status:0xx", 8, "a status such as");
    check("status:1000", 8, "a status such as");
    check("status:500..400", 8, "the lower one first");
    check("status:<0", 8, "no number is in this range");
    check("size:big", 6, "a size such as");
    check("size:1.0000001kB", 6, "a size such as");
    check("size:>18446744073709551615", 6, "no number is in this range");
    check("size:18446744073709551616", 6, "a size such as");
    check("size:99999999999GB", 6, "a size such as");
    check("size:-1", 6, "a size such as");
    check("size:1..2..3", 6, "a size such as");
    check("duration:5", 10, "a duration such as");
    check("duration:.5s", 10, "a duration such as");
    check("header.:a", 1, "name of a header field");
    check("header.é:a", 1, "name of a header field");
}

#[test]
fn bounds() {
    let long = format!("user:{}", "a".repeat(MAX_BYTES - 5));
    Query::parse(&long).unwrap();
    check(&format!("{long}a"), 1, "4096 bytes at most");
    let nested = |depth| format!("{}host:a{}", "(".repeat(depth), ")".repeat(depth));
    Query::parse(&nested(MAX_DEPTH)).unwrap();
    check(&nested(MAX_DEPTH + 1), MAX_DEPTH + 2, "32 of `(`, `not` and `-`");
    check(&"-".repeat(4000), MAX_DEPTH + 2, "32 of `(`, `not` and `-`");
}

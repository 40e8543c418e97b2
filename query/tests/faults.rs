//! Each way a query can be wrong: the column and what was expected.

use weir_query::{MAX_BYTES, MAX_DEPTH, MAX_REGEXES, MAX_TERMS, Query};

fn check(query: &str, column: usize, says: &str) {
    let error = Query::parse(query).expect_err(query);
    assert_eq!(error.column(), column, "{query}: {error}");
    assert!(error.message().contains(says), "{query}: {error}");
}

#[test]
fn structure() {
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
    check("~a", 1, "without a field");
    check("\"\"", 1, "some text to look for in the URL");
    check("\"a", 3, "close the one of column 1");
    check("body:\"\"", 6, "some text to look for in the body");
    check("log(in)", 4, "a space before `(`");
    check("user:\"a b", 10, "close the one of column 6");
    check("user:a\\", 8, "behind `\\`");
    check("host:a(path:/b)", 7, "a space before `(`");
}

#[test]
fn columns_count_characters() {
    check("user:żółć hots:a", 11, "there is no field `hots`: did you mean `host`?");
    check("user:żółć xyz:a", 11, "there is no field `xyz`: expected one of host, path");
    check(r#"żółć path~"ż\"[\"ółć""#, 15, "character class");
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
    check("request.header.:a", 1, "name of a header field");
    check("filter:a=done", 8, "behind `=`, expected one of next");
    check("filter:a=faild", 8, "did you mean `failed`?");
    check("filter:a=f*", 8, "behind `=`, expected one of next");
    check("is:*", 4, "expected one of websocket");
    check("is:websockets", 4, "did you mean `websocket`?");
    check("outcome:refuse", 9, "did you mean `refused`?");
    check("status~5", 1, "`status` is no text");
    check("is~h2", 1, "`is` is no text");
    check("after:1969-12-31", 7, "from 1970 on");
    check("request.status:1", 1, "there is no field `request.status`");
    check("request.host:a", 1, "there is no field");
}

#[test]
fn regular_expressions() {
    check("path~", 6, "a regular expression behind `path~`");
    check("path~\"\"", 6, "a regular expression behind `path~`");
    check("path~a(b)", 7, "needs quotes");
    check("path~a\\", 8, "behind `\\`");
    check("path~\"a", 8, "close the one of column 6");
    check("path~\"a\"b", 9, "a space behind the `\"`");
    check("path~\"(\"", 7, "regular expression: unclosed group");
    check("path~\"a(?=b)\"", 8, "look-around");
    check(r#"path~"(a)\1""#, 10, "backreferences are not supported");
    check(r#"path~"a*\"*b)""#, 13, "unopened group");
    check("path~a{99999}{9}", 6, "too large");
    check(r#"path~"((\w{9}){9}){9}""#, 7, "too large");
    check(&format!("path~{}", "a".repeat(1025)), 6, "1024 bytes of regular expression at most, found 1025");
    check(&format!("path~{}a{}", "\"".to_owned() + &"(".repeat(40), ")".repeat(40) + "\""), 6 + 33, "nest");
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
    let words = "a ".repeat(MAX_TERMS);
    Query::parse(&words).unwrap();
    check(&format!("{words}a"), 2 * MAX_TERMS + 1, "no more than 512 terms");
    let regexes = "path~a ".repeat(MAX_REGEXES);
    Query::parse(&regexes).unwrap();
    check(&format!("{regexes}path~a"), 7 * MAX_REGEXES + 1, "no more than 8 regular expressions");
}

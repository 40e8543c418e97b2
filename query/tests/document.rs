//! Every example of docs/query.md.

mod subject;
use subject::sample;
use weir_query::Query;

const DOCUMENT: &str = include_str!("../../docs/query.md");
/// 2026-11-21T00:00:00Z
const NOW_MS: u64 = 1_795_219_200_000;

/// The lines of the blocks marked `query`: query and what is said of it.
fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    let blocks = DOCUMENT.split("```query\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.flat_map(str::lines).map(|line| line.rsplit_once(" # ").expect(line))
}

#[test]
fn every_example_is_as_it_says() {
    for (query, says) in examples() {
        let parsed = Query::parse_at(query.trim_end(), NOW_MS);
        if let Some(fault) = says.strip_prefix("fault ") {
            let (column, words) = fault.split_once(": ").expect(says);
            let error = parsed.expect_err(query);
            assert_eq!(error.column().to_string(), column, "{query}: {error}");
            assert!(error.message().contains(words), "{query}: {error}");
        } else {
            let fits = says.starts_with("yes");
            assert!(fits || says.starts_with("no"), "{says}");
            let parsed = parsed.unwrap_or_else(|error| panic!("{query}: {error}"));
            assert_eq!(parsed.matches(&sample()), fits, "{query}");
        }
    }
}

#[test]
fn every_field_has_a_row() {
    let error = Query::parse("example.com:1").unwrap_err();
    let (_, names) = error.message().split_once("expected one of ").unwrap();
    let (names, _) = names.split_once(';').unwrap();
    assert!(names.split(", ").count() > 20, "{names}");
    for name in names.split(", ") {
        let named = |row: &str| row.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{name}`")));
        assert!(DOCUMENT.lines().filter(|line| line.starts_with('|')).any(named), "{name}");
    }
}

#[test]
fn what_is_said_of_matches_is_so() {
    let marked = DOCUMENT.lines().filter(|line| line.starts_with("| `")).filter_map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells.len() == 3).then(|| (cells[0].to_owned(), cells[2].starts_with('R')))
    });
    let mut count = 0;
    for (names, at_request) in marked {
        for name in names.split(", ").map(|name| name.trim_matches('`')) {
            let value = match name {
                "path" => "/*",
                "scheme" => "http",
                "entry" => "connect",
                "outcome" => "refused",
                "status" | "size" | "request.size" | "response.size" => "200",
                "duration" | "first-byte" => "1s",
                "is" => "error",
                "after" | "before" => "-1h",
                _ => "x",
            };
            let query = Query::parse(&format!("{}:{value}", name.replace("NAME", "x"))).unwrap();
            assert_eq!(query.request_only().is_ok(), at_request, "{name}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

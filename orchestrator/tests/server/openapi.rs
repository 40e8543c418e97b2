//! The description of the interface is part of it: a change shows in `golden/openapi.json`. To accept one, run the test
//! with `WEIR_UPDATE_GOLDEN=1`.

use std::{fs, path::Path};

use serde_json::Value;

use crate::harness::Running;

#[tokio::test]
async fn the_description_is_the_golden_one() {
    let running = Running::start().await;
    let url = format!("{}/openapi.json", running.person.base);
    let text = running.person.http.get(url).send().await.unwrap().text().await.unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/golden/openapi.json");
    if std::env::var_os("WEIR_UPDATE_GOLDEN").is_some() {
        fs::write(&golden, format!("{text}\n")).unwrap();
    }
    let expect = fs::read_to_string(&golden).unwrap();
    assert_eq!(text.trim(), expect.trim(), "accept it with WEIR_UPDATE_GOLDEN=1");
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut missing = Vec::new();
    references(&document, &mut |to| {
        if document.pointer(to.trim_start_matches('#')).is_none() {
            missing.push(to.to_owned());
        }
    });
    assert!(missing.is_empty(), "named and not described: {missing:?}");
    for path in ["/api/v1/exchanges", "/api/v1/exchanges/{id}/response/body", "/api/v1/filters", "/api/v1/join-tokens"]
    {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}

fn references(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| match value.as_str() {
            Some(to) if name == "$ref" => found(to),
            _ => references(value, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

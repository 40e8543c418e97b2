//! The description of the interface is part of it: a change shows in `golden/openapi.json`. To accept one, run the test
//! with `WEIR_UPDATE_GOLDEN=1`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

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

/// Of schemas with the same name the description has one, and says of the other's answers what is not so.
#[test]
fn each_schema_has_a_name_of_its_own() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut named: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut derived = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        derived += text.lines().filter(|line| line.contains("#[derive(") && line.contains("ToSchema")).count();
        for name in schemas(&text) {
            named.entry(name).or_default().push(file.clone());
        }
    }
    let all: usize = named.values().map(Vec::len).sum();
    assert_eq!(all, derived, "each has a name that this test can read");
    assert!(derived > 100, "{derived}");
    named.retain(|_, files| files.len() > 1);
    assert!(named.is_empty(), "give all but one of each another name with #[schema(as = …)]: {named:#?}");
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of the schemas that a source derives: what `#[schema(as = …)]` says, else the type's.
fn schemas(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.contains("#[derive(") || !line.contains("ToSchema") {
            continue;
        }
        let mut name = None;
        for line in lines.by_ref() {
            if let Some((_, given)) = line.split_once("#[schema(").and_then(|(_, rest)| rest.split_once("as = ")) {
                name = given.split([',', ')']).next().map(|name| name.trim().to_owned());
            }
            let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            let kind = words.iter().position(|word| matches!(*word, "struct" | "enum"));
            if let Some(kind) = kind.filter(|_| !line.trim_start().starts_with(['/', '#'])) {
                names.extend(name.or_else(|| words.get(kind + 1).map(|word| (*word).to_owned())));
                break;
            }
        }
    }
    names
}

#[test]
fn names_of_schemas_are_read_as_they_are_given() {
    let text = "/// Of it.\n#[derive(Debug, ToSchema)]\n#[serde(tag = \"struct x\")]\n/// A struct of\n#[schema(as = Other)]\n\
                pub(super) struct Answer {\n}\n#[derive(ToSchema, Debug)]\npub enum Word<T> {}\n#[derive(Debug)]\nstruct No;\n";
    assert_eq!(schemas(text), ["Other", "Word"]);
}

//! What a filter takes as its configuration, its `schema.json` takes too: every configuration of its golden cases that is a good one, and
//! what the schema itself gives as defaults and examples.

mod schema;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::{Value, json};
use weir_golden::Verdict;

use schema::Schema;

/// Folders that have both a schema and cases.
fn folders() -> anyhow::Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for parent in ["filters", "examples"] {
        for entry in fs::read_dir(root.join(parent))? {
            let folder = entry?.path();
            if folder.join("schema.json").exists() && folder.join("cases").is_dir() {
                found.push(folder);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn what_filters_take_their_schemas_take() -> anyhow::Result<()> {
    let (mut count, mut faults) = (0, Vec::new());
    for folder in folders()? {
        let schema = Schema::parse(&fs::read_to_string(folder.join("schema.json"))?)?;
        let here = folder.file_name().unwrap_or_default().display().to_string();
        let own = schema.own_faults().with_context(|| here.clone())?;
        faults.extend(own.into_iter().map(|fault| format!("{here}/schema.json{fault}")));
        for (name, case) in weir_golden::folder(&folder.join("cases"))? {
            if case.expect.verdict == Verdict::Invalid {
                continue;
            }
            count += 1;
            let config: Value = serde_json::from_str(case.config()).with_context(|| format!("{here}/{name}"))?;
            let found = schema.faults(&config).with_context(|| format!("{here}/{name}"))?;
            faults.extend(found.into_iter().map(|fault| format!("{here}/{name}{fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 100, "only {count} configurations were found");
    Ok(())
}

/// A schema that takes everything would hold above.
#[test]
fn a_key_that_nobody_knows_and_a_wrong_type_no_schema_takes() -> anyhow::Result<()> {
    for folder in folders()? {
        let schema = Schema::parse(&fs::read_to_string(folder.join("schema.json"))?)?;
        for document in [json!({ "\u{1}": 1 }), json!([]), json!("text")] {
            assert!(!schema.faults(&document)?.is_empty(), "{}: {document}", folder.display());
        }
    }
    Ok(())
}

#[test]
fn keywords_hold_what_they_say() -> anyhow::Result<()> {
    let check = |schema: Value, good: Value, bad: Value| {
        let schema = Schema::parse(&schema.to_string())?;
        assert_eq!(schema.faults(&good)?, Vec::<String>::new(), "{good}");
        assert!(!schema.faults(&bad)?.is_empty(), "{bad}");
        anyhow::Ok(())
    };
    check(json!({"type": "integer", "minimum": 1, "maximum": 3}), json!(3), json!(3.5))?;
    check(json!({"minimum": 1}), json!("a"), json!(0))?;
    check(json!({"enum": ["a", 1]}), json!(1), json!("b"))?;
    check(json!({"pattern": "^a[^/\\u0000-\\u0020]*$", "maxLength": 3}), json!("aäb"), json!("a b"))?;
    check(json!({"items": {"type": "string"}, "minItems": 1}), json!(["a"]), json!(["a", 1]))?;
    check(json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}), json!({"a": 1}), json!({"a": 1, "b": 1}))?;
    check(json!({"anyOf": [{"const": false}, {"type": "null"}]}), json!(null), json!(true))?;
    check(json!({"propertyNames": {"not": {"pattern": "x"}}, "minProperties": 1}), json!({"a": 1}), json!({"xy": 1}))?;
    check(json!({"dependentRequired": {"a": ["b"]}}), json!({"b": 1}), json!({"a": 1}))?;
    let named = json!({"$defs": {"n": {"type": "number"}}, "additionalProperties": {"$ref": "#/$defs/n"}, "properties": {"s": true}});
    check(named, json!({"s": "x", "a": 1}), json!({"a": "x"}))?;
    assert!(Schema::parse(r#"{"format": "uri"}"#)?.faults(&json!("a")).is_err(), "a keyword that nobody checks");
    Ok(())
}

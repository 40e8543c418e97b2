//! The workspace is one: every member takes its dependencies and lints from the root, names features that exist, and has
//! the entry point of its kind.

use std::{collections::BTreeSet, path::Path};

use toml::{Table, Value};

/// Every member's folder and manifest.
fn members() -> Vec<(String, Table)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("testkit lies in the workspace");
    let read = |path: &Path| -> Table {
        let text = std::fs::read_to_string(path).expect("every member has a manifest");
        text.parse().expect("cargo reads the same manifest")
    };
    let manifest = read(&root.join("Cargo.toml"));
    let names = manifest["workspace"]["members"].as_array().expect("members is an array");
    let folder = |name: &Value| name.as_str().expect("a member is a path").to_owned();
    names.iter().map(folder).map(|name| (name.clone(), read(&root.join(&name).join("Cargo.toml")))).collect()
}

/// Examples stand alone, as a reader's own crate does.
fn stands_alone(folder: &str) -> bool {
    folder.starts_with("examples/")
}

fn dependencies(manifest: &Table) -> impl Iterator<Item = (&String, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
    tables
        .flat_map(|table| ["dependencies", "dev-dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .flatten()
        .filter_map(Value::as_table)
        .flat_map(Table::iter)
}

#[test]
fn dependencies_are_inherited() {
    for (folder, manifest) in members().iter().filter(|(folder, _)| !stands_alone(folder)) {
        for (name, dependency) in dependencies(manifest) {
            let inherited = dependency.get("workspace").and_then(Value::as_bool) == Some(true);
            assert!(inherited, "{folder}: {name} has a version of its own");
        }
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
        assert_eq!(lints, Some(true), "{folder}: lints are not the workspace's");
    }
}

#[test]
fn features_name_what_there_is() {
    for (folder, manifest) in &members() {
        let Some(features) = manifest.get("features").and_then(Value::as_table) else { continue };
        let known: BTreeSet<&str> =
            features.keys().map(String::as_str).chain(dependencies(manifest).map(|(name, _)| name.as_str())).collect();
        for (feature, parts) in features {
            for part in parts.as_array().expect("a feature is an array").iter().filter_map(Value::as_str) {
                let name = part.trim_start_matches("dep:").split(['/', '?']).next().unwrap_or(part);
                assert!(known.contains(name), "{folder}: feature {feature} names {part}, which is not there");
            }
        }
    }
}

#[test]
fn entry_points_match_the_kind_of_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("testkit lies in the workspace");
    for (folder, manifest) in &members() {
        let source = root.join(folder).join("src");
        let (library, program) = (source.join("lib.rs").exists(), source.join("main.rs").exists());
        assert!(library || program, "{folder}: neither src/lib.rs nor src/main.rs");
        let declares = |kind: &str| manifest.get(kind).is_some();
        assert!(library || !declares("lib"), "{folder}: declares a library and has none");
        for bin in manifest.get("bin").and_then(Value::as_array).into_iter().flatten() {
            let path = bin.get("path").and_then(Value::as_str).unwrap_or("src/main.rs");
            assert!(root.join(folder).join(path).exists(), "{folder}: {path} is not there");
        }
    }
}

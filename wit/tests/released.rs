//! Releases of the contract are kept in `wit/released/VERSION`. What one of them has, the present contract has too, unchanged:
//! a component knows types by their shape, so that a new case of a variant is another type to it.
#![cfg(test)]

mod shape;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use shape::shapes;
use wit_parser::Resolve;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn releases() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root().join("released")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

fn of_folder(folder: &Path) -> BTreeMap<String, String> {
    let mut resolve = Resolve::default();
    resolve.push_dir(folder).unwrap();
    shapes(&resolve)
}

fn of_text(text: &str) -> BTreeMap<String, String> {
    let mut resolve = Resolve::default();
    resolve.push_str("filter.wit", text).unwrap();
    shapes(&resolve)
}

/// What a filter of the older contract would miss or misunderstand in the newer.
fn broken(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, shape) in old {
        match new.get(name) {
            None => faults.push(format!("{name} is gone")),
            Some(now) if now != shape => faults.push(format!("{name} was\n  {shape}\nand is\n  {now}")),
            Some(_) => {}
        }
    }
    // a world may offer more, and must not ask for more
    let demands = |name: &&String| name.contains(" exports ");
    faults.extend(new.keys().filter(demands).filter(|name| !old.contains_key(*name)).filter_map(|name| {
        let world = name.split(" exports ").next()?;
        old.keys().any(|known| known.starts_with(&format!("{world} "))).then(|| format!("{name} is new"))
    }));
    faults
}

#[test]
fn what_was_released_is_there_unchanged() {
    let new = of_folder(root());
    for folder in releases() {
        let old = of_folder(&folder);
        assert!(old.len() > 100, "{old:?}");
        let faults = broken(&old, &new);
        assert!(faults.is_empty(), "{}\n{}", folder.display(), faults.join("\n"));
    }
}

#[test]
fn the_newest_release_is_no_newer_than_the_contract() {
    let version = |text: &str| text.split('.').map(|number| number.parse().unwrap()).collect::<Vec<u32>>();
    let newest = releases().iter().map(|folder| version(folder.file_name().unwrap().to_str().unwrap())).max().unwrap();
    assert!(newest <= version(weir_wit::VERSION));
}

#[test]
fn each_kind_of_change_is_seen() {
    const OLD: &str = "package weir:filter@0.1.0;
        interface a { enum e { one, two }  record r { x: u32 }  f: func(of: e) -> result<r, e>; }
        world w { import a; export a; }";
    let changes = [
        ("one, two", "one, two, three", "a e was"),
        ("one, two", "two, one", "a e was"),
        ("x: u32", "x: u64", "a r was"),
        ("of: e", "of: r", "a f was"),
        ("f: func(of: e) -> result<r, e>;", "", "a f is gone"),
        ("import a;", "", "w imports a is gone"),
        ("export a;", "export a; export run: func();", "w exports run is new"),
    ];
    let old = of_text(OLD);
    for (from, to, fault) in changes {
        let new = OLD.replace(from, to);
        let faults = broken(&old, &of_text(&new));
        assert!(faults.iter().any(|told| told.starts_with(fault)), "{to}: {faults:?}");
    }
    let grown = OLD
        .replace("f: func", "g: func();  enum new { a }  f: func")
        .replace("import a;", "import a; import b: interface { h: func(); }");
    assert_eq!(broken(&old, &of_text(&grown)), Vec::<String>::new());
}

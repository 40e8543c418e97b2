//! Every golden case of every filter, in wasm: what runs in production gives what the filter's own tests saw.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use weir_testkit::{binaries, golden::Golden};

/// Filters of any language, with their cases, in `filters/` and `examples/`; and the tour of each SDK: a filter that uses all of
/// it, the same one in each language, with the same cases.
fn filters() -> anyhow::Result<Vec<(String, PathBuf)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in ["filters", "examples"] {
        for entry in fs::read_dir(root.join(folder))? {
            let entry = entry?;
            let cases = entry.path().join("cases");
            if cases.is_dir() {
                found.push((entry.file_name().to_string_lossy().into_owned(), cases));
            }
        }
    }
    for language in ["c", "go", "js", "python"] {
        found.push((format!("tour-{language}"), root.join("sdk/tour")));
    }
    found.sort();
    Ok(found)
}

#[test]
fn every_case_holds_in_wasm() -> anyhow::Result<()> {
    let cache = tempfile::tempdir()?;
    let golden = Golden::new(&cache.path().join("compiled"))?;
    let (mut count, mut failures) = (0, String::new());
    for (filter, cases) in filters()? {
        // a language that could not be built takes no other's cases with it
        let component = match binaries::filter(&filter) {
            Ok(path) => fs::read(path)?,
            Err(missing) => {
                failures.push_str(&format!("\n{filter}: {missing}"));
                continue;
            }
        };
        for (name, case) in weir_golden::folder(&cases)? {
            count += 1;
            let outcome = golden.run(&filter, &component, &case).with_context(|| format!("{filter}/{name}"))?;
            if let Err(mismatch) = case.check(&outcome) {
                failures.push_str(&format!("\n{filter}/{name}: {}\n{mismatch}", case.title));
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(count > 20, "only {count} cases were found");
    Ok(())
}

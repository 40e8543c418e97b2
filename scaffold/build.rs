//! Embeds the examples and the SDKs as they lie in the repository: a list of (path in the repository, contents). What a project
//! needs of the root `Cargo.toml` is written here, so that the versions are those of this build.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Folders that projects are made of.
const FOLDERS: [&str; 11] = [
    "examples/hello-c",
    "examples/hello-go",
    "examples/hello-js",
    "examples/hello-python",
    "examples/hello-rust",
    "golden",
    "sdk/c",
    "sdk/go",
    "sdk/js",
    "sdk/python",
    "sdk/rust",
];

/// What a build leaves, what only this repository's tests read, and crates that no new filter begins with.
const SKIPPED: [&str; 6] = ["__pycache__", "node_modules", "streaming", "target", "tests", "tour"];

/// What the SDK's crates inherit.
const INHERITED: [&str; 5] = ["serde", "serde_json", "thiserror", "wit-bindgen", "weir-golden"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let mut files = vec![root.join("wit/filter.wit"), root.join("LICENSE")];
    for folder in FOLDERS {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        gather(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut list = String::from("[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let path = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
        list.push_str(&format!("    ({path:?}, include_str!({:?})),\n", file.display().to_string()));
    }
    list.push(']');
    let out = PathBuf::from(variable("OUT_DIR")?);
    fs::write(out.join("files.rs"), list)?;
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    fs::write(out.join("workspace.toml"), workspace(&fs::read_to_string(root.join("Cargo.toml"))?))
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() { gather(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// The root `Cargo.toml`, of which only what the SDK's crates inherit is left.
fn workspace(root: &str) -> String {
    let mut kept = String::from(
        "# What the crates in here have in common, as in the repository that they come from.\n[workspace]\nresolver = \"3\"\n\
         members = [\"golden\", \"sdk/rust\"]\n",
    );
    let mut section = "";
    for line in root.lines() {
        if line.starts_with('[') {
            section = line;
            if ["[workspace.package]", "[workspace.dependencies]"].contains(&line) {
                kept.push_str(&format!("\n{line}\n"));
            }
            continue;
        }
        let name = line.split([' ', '=']).next().unwrap_or_default();
        if section == "[workspace.package]" && !name.is_empty()
            || section == "[workspace.dependencies]" && INHERITED.contains(&name)
        {
            kept.push_str(&format!("{line}\n"));
        }
    }
    kept + "\n[workspace.lints]\n"
}

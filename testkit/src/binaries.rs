//! Where the things under test were built: `WEIR_BIN_DIR` and `WEIR_FILTERS_DIR`, else beside the test itself.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

/// The folder of `agent` and `orchestrator`.
pub fn bin_dir() -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("WEIR_BIN_DIR") {
        return Ok(dir.into());
    }
    let exe = std::env::current_exe().context("where this test lies")?;
    let dir = exe.parent().context("a test lies in a folder")?;
    // tests lie in target/PROFILE/deps, programs in target/PROFILE
    let dir = if dir.ends_with("deps") { dir.parent().unwrap_or(dir) } else { dir };
    Ok(dir.to_path_buf())
}

/// cargo's target folder.
pub fn target_dir() -> anyhow::Result<PathBuf> {
    Ok(bin_dir()?.parent().context("a profile's folder lies in the target folder")?.to_path_buf())
}

/// One of the product's programs.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let path = bin_dir()?.join(name);
    ensure!(path.exists(), "{} is missing: `cargo build --workspace` or `cargo xtask test` makes it", path.display());
    Ok(path)
}

/// A filter built by `cargo xtask filters`: one of the product's, or a guest of this kit.
pub fn filter(name: &str) -> anyhow::Result<PathBuf> {
    let dir: PathBuf = match std::env::var_os("WEIR_FILTERS_DIR") {
        Some(dir) => dir.into(),
        None => target_dir()?.join("filters"),
    };
    let path = dir.join(format!("{name}.wasm"));
    let for_tests = dir.join("for-tests").join(format!("{name}.wasm"));
    ensure!(path.exists() || for_tests.exists(), "{} is missing: `cargo xtask filters` makes it", path.display());
    Ok(if path.exists() { path } else { for_tests })
}

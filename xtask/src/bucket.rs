//! A server that speaks S3, for tests of the body store: s3s-fs of crates.io, which keeps objects as files and holds each request against its
//! signature. Built once, under `target/guests`.

use std::{fs, path::Path};

use crate::steps::{cargo, step};

/// Name and version.
const SERVER: (&str, &str) = ("s3s-fs", "0.14.1");

/// Builds it where it is not there; what is there is not asked for again.
pub(crate) fn set_up(target: &Path) -> anyhow::Result<()> {
    let (name, version) = SERVER;
    let root = target.join("guests/s3");
    let installed = fs::read_to_string(root.join(".crates.toml")).unwrap_or_default();
    if installed.contains(&format!("\"{name} {version} ")) && root.join("bin").join(name).is_file() {
        return Ok(());
    }
    // Quickly rather than well: it serves tests.
    let mut install = cargo(&["install", name, "--version", version, "--locked", "--features", "binary", "--debug"]);
    install.args(["--quiet", "--force", "--root"]).arg(&root).arg("--target-dir").arg(root.join("build"));
    step(&format!("{name} {version} from crates.io, a minute or two"), &mut install)?;
    let _ = fs::remove_dir_all(root.join("build"));
    Ok(())
}

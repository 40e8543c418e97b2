//! Sets up what the machine misses for building guests: the standard library of the wasm target, by rustup, or from
//! Debian's packages where rustup cannot fetch it. In: nothing. Out: a cargo that builds for the target.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::{filters::root, steps::works};

/// The target of every Rust guest: a core module without any import of its own.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "cargo-web"];

/// A cargo that can build for [`WASM_TARGET`].
pub(crate) enum WasmCargo {
    /// The cargo that runs us: its toolchain has the target's library.
    Ours,
    /// Debian's, which builds the library from source. Holds the source and a linker for wasm.
    Debian { library: PathBuf, linker: PathBuf },
}

impl WasmCargo {
    /// Finds one, or sets one up and says how.
    pub(crate) fn set_up() -> anyhow::Result<Self> {
        let sysroot = sysroot()?;
        if has_target(&sysroot) {
            return Ok(Self::Ours);
        }
        // what is here already needs no network
        if let (Some(library), Ok(linker)) = (debian_library(), linker(&sysroot)) {
            return Ok(Self::Debian { library, linker });
        }
        eprintln!("wasm target: `rustup target add {WASM_TARGET}`");
        let added = Command::new("rustup").args(["target", "add", WASM_TARGET]).status();
        if added.is_ok_and(|status| status.success()) && has_target(&sysroot) {
            return Ok(Self::Ours);
        }
        eprintln!("wasm target: rustup could not add it; Debian's compiler builds it from source instead");
        Self::debian(&sysroot)
    }

    fn debian(sysroot: &Path) -> anyhow::Result<Self> {
        let library = match debian_library() {
            Some(library) => library,
            None => {
                install(&DEBIAN_PACKAGES)?;
                debian_library().context("the Debian packages brought no library source to /usr/src/rustc-*")?
            }
        };
        Ok(Self::Debian { library, linker: linker(sysroot)? })
    }

    /// `cargo build --target wasm32-unknown-unknown`, to which packages and directories are added. The paths of this machine
    /// are not in what it builds: the same source gives the same component elsewhere.
    pub(crate) fn build(&self) -> Command {
        let mut command = match self {
            Self::Ours => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Self::Debian { .. } => Command::new("/usr/bin/cargo"),
        };
        command.args(["build", "--target", WASM_TARGET]);
        command.arg("--config").arg(format!("target.{WASM_TARGET}.rustflags={:?}", remapped()));
        if let Self::Debian { library, linker } = self {
            command
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("__CARGO_TESTS_ONLY_SRC_ROOT", library)
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command
    }
}

/// Flags by which sources of crates go by the crates' names, and those of this repository by theirs.
fn remapped() -> Vec<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok()).into_iter().flatten().flatten();
    let crates = registries.map(|registry| format!("--remap-path-prefix={}=crates", registry.path().display()));
    crates.chain([format!("--remap-path-prefix={}=weir", root().display())]).collect()
}

impl WasmCargo {
    /// For a script that builds a filter: `CARGO` and `CARGO_FLAGS`.
    pub(crate) fn tell(&self, script: &mut Command) {
        if let Self::Debian { library, linker } = self {
            script
                .env("CARGO", "/usr/bin/cargo")
                .env("CARGO_FLAGS", "-Zbuild-std=std,panic_abort")
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("__CARGO_TESTS_ONLY_SRC_ROOT", library)
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
}

fn rustc(args: &[&str]) -> anyhow::Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(args).output().context("running rustc")?;
    if !output.status.success() {
        bail!("rustc {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn sysroot() -> anyhow::Result<PathBuf> {
    Ok(rustc(&["--print", "sysroot"])?.trim().into())
}

fn host_triple() -> anyhow::Result<String> {
    let version = rustc(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

fn linker(sysroot: &Path) -> anyhow::Result<PathBuf> {
    let linker = sysroot.join("lib/rustlib").join(host_triple()?).join("bin/rust-lld");
    if !linker.exists() {
        bail!("no linker for wasm: {} is not there", linker.display());
    }
    Ok(linker)
}

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(WASM_TARGET).join("lib").is_dir()
}

/// `/usr/src/rustc-VERSION/library` of Debian's compiler, when compiler, cargo and source are all there. Several versions
/// may be, and a compiler builds no library but its own.
fn debian_library() -> Option<PathBuf> {
    let version = Command::new("/usr/bin/rustc").arg("--version").output().ok()?;
    let version = release(std::str::from_utf8(&version.stdout).ok()?)?;
    library_of(Path::new("/usr/src"), version).filter(|_| Path::new("/usr/bin/cargo").exists())
}

/// `1.85.0` of `rustc 1.85.0 (4d91de4e4 2025-02-17) (built from a source tarball)`.
fn release(version: &str) -> Option<&str> {
    version.strip_prefix("rustc ")?.split_whitespace().next()
}

fn library_of(sources: &Path, release: &str) -> Option<PathBuf> {
    let library = sources.join(format!("rustc-{release}")).join("library");
    library.join("std/Cargo.toml").exists().then_some(library)
}

/// rustfmt and clippy, which toolchains of the minimal profile come without.
pub(crate) fn components() -> anyhow::Result<()> {
    let missing: Vec<&str> = [("rustfmt", "fmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(_, command)| !works("cargo", &[command, "--version"]))
        .map(|(component, _)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let add = [&["component", "add"][..], &missing].concat();
    eprintln!("toolchain: `rustup {}`", add.join(" "));
    let added = Command::new("rustup").args(&add).status();
    if !added.is_ok_and(|status| status.success()) {
        bail!("`rustup {}` failed: add what it names to the toolchain by hand", add.join(" "));
    }
    Ok(())
}

/// Installs Debian packages, through sudo for other users than root. Their services are not started.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    eprintln!("installing {}", packages.join(" "));
    let install = [&["install", "-y", "--no-install-recommends"][..], packages].concat();
    // lists may be missing or old: fetch them when the packages cannot be had with what is there
    if apt_get(&install) || (apt_get(&["update"]) && apt_get(&install)) {
        return Ok(());
    }
    bail!("`apt-get {}` failed: install these packages by hand", install.join(" "))
}

fn apt_get(words: &[&str]) -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let sudo: &[&str] = if is_root { &[] } else { &["sudo"] };
    // RUNLEVEL=1 is invoke-rc.d's word for "start nothing"
    let environment = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get"];
    let all = [sudo, &environment, words].concat();
    Command::new(all[0]).args(&all[1..]).status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_that_of_the_compiler() {
        let dir = std::env::temp_dir().join(format!("weir-sources-{}", std::process::id()));
        for release in ["1.63.0", "1.85.0"] {
            let std = dir.join(format!("rustc-{release}/library/std"));
            fs::create_dir_all(&std).unwrap();
            fs::write(std.join("Cargo.toml"), "").unwrap();
        }
        let version = "rustc 1.85.0 (4d91de4e4 2025-02-17) (built from a source tarball)\n";
        let found = library_of(&dir, release(version).unwrap());
        let other = library_of(&dir, "1.90.0");
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found.unwrap(), dir.join("rustc-1.85.0/library"));
        assert!(other.is_none());
    }
}

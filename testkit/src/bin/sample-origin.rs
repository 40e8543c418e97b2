//! The test's origin as a program: `cargo xtask up` sends its sample requests there, and people may too.
//!
//! `sample-origin DIR` keeps its CA in DIR/ca.pem, prints one ready line and serves until it is ended.

use std::path::PathBuf;

use anyhow::Context as _;
use weir_testkit::{ca::Ca, origin::Origin};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir: PathBuf = std::env::args_os().nth(1).context("usage: sample-origin DIR")?.into();
    std::fs::create_dir_all(&dir)?;
    let ca = Ca::new("weir sample origin")?;
    std::fs::write(dir.join("ca.pem"), ca.pem())?;
    let origin = Origin::start(&ca).await?;
    println!("sample origin ready: plain {}, tls {}", origin.plain(), origin.tls());
    std::future::pending().await
}

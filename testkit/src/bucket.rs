//! A bucket on a server that speaks S3 and checks signatures (s3s-fs): objects are files of a folder, so tests see what is there, and it
//! may go away and come back with all of it.

use std::{
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::ensure;

use crate::{
    binaries::target_dir,
    ports::reserve,
    process::Process,
    wait::{PATIENCE, eventually},
};

/// Who may use it.
pub const ACCESS_KEY: &str = "weir-tests";
/// What it signs with.
pub const SECRET_KEY: &str = "only for tests";
/// Its name.
pub const NAME: &str = "weir-bodies";

/// A running server with one bucket.
pub struct Bucket {
    process: Option<Process>,
    address: SocketAddr,
    root: PathBuf,
}

impl Bucket {
    /// An empty bucket in this folder.
    pub async fn start(root: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(root.join(NAME))?;
        let address = ([127, 0, 0, 1], reserve()?).into();
        let mut bucket = Self { process: None, address, root: root.to_owned() };
        bucket.come_back().await?;
        Ok(bucket)
    }

    /// What `body_store_endpoint` says.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// SIGKILL.
    pub async fn go_away(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// At the same address, with what was there.
    pub async fn come_back(&mut self) -> anyhow::Result<()> {
        let program = target_dir()?.join("guests/s3/bin/s3s-fs");
        ensure!(
            program.exists(),
            "{} is missing: `cargo xtask setup` or `cargo xtask test` makes it",
            program.display()
        );
        let port = self.address.port().to_string();
        let arguments = [
            OsStr::new("--host"),
            "127.0.0.1".as_ref(),
            "--port".as_ref(),
            port.as_ref(),
            "--access-key".as_ref(),
            ACCESS_KEY.as_ref(),
            "--secret-key".as_ref(),
            SECRET_KEY.as_ref(),
            self.root.as_os_str(),
        ];
        let log = self.root.join(".log");
        self.process = Some(Process::start("s3s-fs", &program, arguments, &[("RUST_LOG", "info".as_ref())], &log)?);
        let address = self.address;
        eventually(PATIENCE, "the bucket's server", || async move {
            Ok(Some(tokio::net::TcpStream::connect(address).await.map(drop)?))
        })
        .await
    }

    /// A file with credentials that nobody else may read, with this secret.
    pub fn credentials(&self, secret: &str) -> anyhow::Result<PathBuf> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = self.root.join(".credentials.toml");
        let _ = std::fs::remove_file(&file);
        let mut open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
        let text = format!("access_key_id = \"{ACCESS_KEY}\"\nsecret_access_key = \"{secret}\"\n");
        std::io::Write::write_all(&mut open, text.as_bytes())?;
        Ok(file)
    }

    /// Files of its objects.
    pub fn objects(&self) -> Vec<PathBuf> {
        let (mut folders, mut files) = (vec![self.root.join(NAME)], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }
}

//! The file of secrets as it changes: a secret is exchanged without a restart. What cannot be read leaves what was.

use std::{fs, path::PathBuf, sync::Arc, time::Duration, time::SystemTime};

use tokio::time::sleep;

use super::{Secrets, read};

/// Between two looks. Secrets often lie where nothing can be watched: in mounts, behind links.
const LOOK: Duration = Duration::from_secs(1);

/// What tells one state of a file from another; its mode is part of it, since a wrong one is a fault.
type Stamp = Option<(u64, Option<SystemTime>, u64, u32)>;

impl Secrets {
    /// Follows the file, and those that it names, for ever.
    pub async fn follow(self: Arc<Self>) {
        let Some(path) = &self.path else { return };
        let mut files = vec![path.clone()];
        let (mut seen, mut loaded, mut told) = (Vec::new(), Vec::new(), String::new());
        loop {
            let now = stamps(&files);
            // at rest since the last look, and another state than the one that was read
            if now == seen && now != loaded {
                match read::read(path) {
                    Ok(known) => {
                        tracing::info!("{}: {} secrets", path.display(), known.secrets.len());
                        self.known.store(Arc::new(known.secrets));
                        loaded = if files == known.files { now.clone() } else { stamps(&known.files) };
                        files = known.files;
                        told.clear();
                    }
                    // what it names may come later, so each look tries again; once is enough to be told
                    Err(fault) if told != fault.to_string() => {
                        told = fault.to_string();
                        tracing::error!("secrets stay as they were: {told}");
                    }
                    Err(_) => {}
                }
            }
            seen = now;
            sleep(LOOK).await;
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let of = |path: &PathBuf| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.len(), meta.modified().ok(), meta.ino(), meta.mode()))
    };
    files.iter().map(of).collect()
}

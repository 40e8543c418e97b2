//! Files that must be whole or not there at all, and that only their owner may read. Bytes enter, a durable file leaves.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Writes a file of mode 0600 so that after a crash at any moment there is either the old content or the new.
///
/// # Errors
/// Of the file system; the old content is still there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, 0o600)
}

/// The same for what everybody may read.
///
/// # Errors
/// Of the file system; the old content is still there.
pub fn write_atomic_for_all(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, 0o644)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = folder.join(name);
    // left by a crash: its mode may not be ours
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// Makes a folder, and those above it, that only its owner may enter.
///
/// # Errors
/// Of the file system.
pub fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a folder this process's own until the returned file is closed, which the end of the process does too.
///
/// # Errors
/// Another process has it.
pub fn lock(folder: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))?;
    file.try_lock().map_err(|error| match error {
        TryLockError::Error(error) => error,
        TryLockError::WouldBlock => io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another agent uses it; --data-dir gives this one a folder of its own",
        ),
    })?;
    Ok(file)
}

/// The file's content; `None` when there is no such file.
///
/// # Errors
/// Of the file system.
pub fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The bits of the mode that let others at the file; none when only its owner can.
///
/// # Errors
/// Of the file system.
pub fn exposure(path: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let own = lock(dir.path()).unwrap();
        let refused = lock(dir.path()).unwrap_err().to_string();
        assert!(refused.starts_with("another agent uses it"), "{refused}");
        drop(own);
        lock(dir.path()).unwrap();
    }

    #[test]
    fn a_write_replaces_the_whole_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/state");
        private_folder(path.parent().unwrap()).unwrap();
        assert_eq!(read_if_there(&path).unwrap(), None);
        write_atomic(&path, b"long old content").unwrap();
        fs::write(path.with_file_name("state.new"), b"left by a crash").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(read_if_there(&path).unwrap().unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}

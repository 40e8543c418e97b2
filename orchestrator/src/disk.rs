//! Files that are whole or not there, whatever moment the power goes, and that nobody else may read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Writes a file in place of the one that was there; it is on disk when this returns.
pub(crate) fn write(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let new = file.with_extension("new");
    // Left by a crash: its mode may be another.
    let _ = fs::remove_file(&new);
    let mut handle = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    handle.write_all(text.as_bytes())?;
    handle.sync_all()?;
    fs::rename(&new, file)?;
    settle(file)
}

/// Puts the name of a file on disk, which it is when its folder is.
pub(crate) fn settle(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The bits of the mode that let others at the file; none when only its owner can.
pub(crate) fn exposure(file: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(file)?.permissions().mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

/// Takes the file from all but its owner; true if others could get at it.
pub(crate) fn make_private(file: &Path) -> io::Result<bool> {
    match exposure(file) {
        Ok(None) => Ok(false),
        Ok(Some(_)) => fs::set_permissions(file, fs::Permissions::from_mode(0o600)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_whole_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(dir.path().join("token.new"), "left by a crash").unwrap();
        for text in ["a long first text", "short"] {
            write(&file, text, 0o600).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(exposure(&file).unwrap(), None);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(exposure(&file).unwrap(), Some(0o640));
    }
}

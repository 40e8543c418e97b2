//! An archive that is being read: nothing of it is believed before its end was seen.

use std::io::{self, BufRead as _, BufReader, Read};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{ArchiveError, Cell, End, FORM, Head, Line, Table, hex};

/// Of one line: the longest component in base64, and more.
const LONGEST_LINE: u64 = 256 << 20;
/// Of the SHA-256 of a head, bytes.
const ID: usize = 16;
/// What every frame of zstd begins with (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An archive that is being read.
pub(crate) struct Reader<R: Read> {
    lines: BufReader<zstd::Decoder<'static, BufReader<R>>>,
    head: Head,
    id: String,
    digest: Sha256,
    rows: u64,
    width: Option<usize>,
}

impl<R: Read> Reader<R> {
    /// Reads the head.
    pub(crate) fn open(from: R) -> Result<Self, ArchiveError> {
        let mut from = BufReader::new(from);
        if !from.fill_buf().map_err(ArchiveError::Io)?.starts_with(&ZSTD) {
            return Err(ArchiveError::NotOne);
        }
        let mut lines = BufReader::new(zstd::Decoder::with_buffer(from).map_err(ArchiveError::Io)?);
        let line = read_line(&mut lines)?.ok_or(ArchiveError::NotOne)?;
        let form: Value = serde_json::from_slice(&line).map_err(|_| ArchiveError::NotOne)?;
        match form["weir_backup"].as_u64() {
            Some(form) if form == u64::from(FORM) => {}
            Some(form) => return Err(ArchiveError::Newer(u32::try_from(form).unwrap_or(u32::MAX))),
            None => return Err(ArchiveError::NotOne),
        }
        let head = serde_json::from_value(form).map_err(|error| damaged("its head", &error))?;
        let digest = Sha256::new_with_prefix(&line);
        let id = digest.clone().finalize().iter().take(ID).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { lines, head, id, digest, rows: 0, width: None })
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Which backup it is, of all that were ever taken: its head has the microsecond.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The next line; nothing follows the end.
    pub(crate) fn next(&mut self) -> Result<Line, ArchiveError> {
        let line = read_line(&mut self.lines)?.ok_or(ArchiveError::Cut)?;
        if line.first() == Some(&b'[') {
            let values: Vec<Value> = serde_json::from_slice(&line).map_err(|error| damaged("a row", &error))?;
            let cells: Option<Vec<_>> = values.into_iter().map(Cell::read).collect();
            let cells = cells.filter(|cells| Some(cells.len()) == self.width);
            self.rows += 1;
            self.digest.update(&line);
            return cells.map(Line::Row).ok_or_else(|| ArchiveError::Damaged(format!("row {} is none", self.rows)));
        }
        if let Ok(table) = serde_json::from_slice::<Table>(&line) {
            self.width = Some(table.columns.len());
            self.digest.update(&line);
            return Ok(Line::Table(table));
        }
        let end: End = serde_json::from_slice(&line).map_err(|error| damaged("a line", &error))?;
        let digest = hex(&self.digest.clone().finalize());
        if end.sha256 != digest || end.rows != self.rows {
            return Err(ArchiveError::Damaged("it is not what its last line says (SHA-256)".to_owned()));
        }
        match read_line(&mut self.lines)? {
            None => Ok(Line::End),
            Some(_) => Err(ArchiveError::Damaged("something follows its end".to_owned())),
        }
    }
}

fn damaged(what: &str, error: &serde_json::Error) -> ArchiveError {
    ArchiveError::Damaged(format!("{what}: {error}"))
}

/// With its end; none at the end of all.
fn read_line(lines: &mut impl io::BufRead) -> Result<Option<Vec<u8>>, ArchiveError> {
    let mut line = Vec::new();
    let read = lines.take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|error| match error.kind() {
        // What zstd says of bytes that it did not write, or that end too soon.
        io::ErrorKind::UnexpectedEof => ArchiveError::Cut,
        io::ErrorKind::Other | io::ErrorKind::InvalidData => ArchiveError::Damaged(error.to_string()),
        _ => ArchiveError::Io(error),
    })?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if read as u64 == LONGEST_LINE => Err(ArchiveError::Damaged("a line is too long".to_owned())),
        Some(_) => Err(ArchiveError::Cut),
    }
}

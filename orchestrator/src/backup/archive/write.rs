//! An archive that is being written.

use std::io::{self, Write as _};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Cell, End, Head, Table, hex};

/// Fast; what compresses badly is packed already.
const LEVEL: i32 = 1;

/// An archive that is being written, to memory; whoever writes it takes away what there is.
pub(crate) struct Writer {
    packed: zstd::Encoder<'static, Vec<u8>>,
    digest: Sha256,
    rows: u64,
}

impl Writer {
    pub(crate) fn new(head: &Head) -> io::Result<Self> {
        let mut packed = zstd::Encoder::new(Vec::new(), LEVEL)?;
        packed.include_checksum(true)?;
        let mut writer = Self { packed, digest: Sha256::new(), rows: 0 };
        writer.line(head)?;
        Ok(writer)
    }

    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        self.line(table)
    }

    pub(crate) fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        self.rows += 1;
        self.line(&cells)
    }

    /// Bytes that can be taken away.
    pub(crate) fn ready(&self) -> usize {
        self.packed.get_ref().len()
    }

    /// What was written since the last time.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.packed.get_mut())
    }

    /// The rest.
    pub(crate) fn finish(mut self) -> io::Result<Vec<u8>> {
        let end = End { rows: self.rows, sha256: hex(&self.digest.clone().finalize()) };
        self.line(&end)?;
        self.packed.finish()
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.digest.update(&text);
        self.packed.write_all(&text)
    }
}

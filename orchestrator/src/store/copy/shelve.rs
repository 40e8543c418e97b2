//! Bodies, put back: those that are large enough go to the body store of the database that is restored, if it has one, before the row
//! that names them is written. What a restoration that breaks off leaves there is named by nobody, and is swept in time.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::future::try_join_all;
use weir_artifact::Digest;

use super::{
    super::{
        bodies::{Objects, own_id, unpack},
        sql::Transaction,
    },
    into::RestoreError,
    places::Places,
};
use crate::{
    BodyConfig,
    backup::archive::{ArchiveError, Cell},
    store::StoreError,
};

/// On their way at a time.
const AT_ONCE: usize = 8;
/// Behind the id in the mark of a body store whose database is not whole yet; then comes which backup it is restored from.
pub(in super::super) const RESTORING: &str = " restoring";

/// Where bodies go.
pub(super) struct Shelving {
    objects: Option<Objects>,
    from_bytes: usize,
    /// Which backup they come from.
    backup: String,
    /// Whose bodies these are, once there is one.
    id: Option<String>,
    /// Of bodies that are not what their name says.
    damaged: u64,
    /// Numbers of those that are not there at all: what comes with the same bytes is stored anew, not taken for one of them.
    lost: HashSet<i64>,
}

impl Shelving {
    pub(super) fn new(bodies: &BodyConfig, backup: &str) -> Result<Self, StoreError> {
        let objects = Objects::open(&bodies.place)?;
        let (from_bytes, backup) = (bodies.from_bytes, backup.to_owned());
        Ok(Self { objects, from_bytes, backup, id: None, damaged: 0, lost: HashSet::new() })
    }

    /// Looks at the bodies of these rows, and takes the large ones out.
    pub(super) async fn take(
        &mut self,
        transaction: &mut Transaction,
        places: &Places,
        rows: &mut Vec<Vec<Cell<'static>>>,
    ) -> Result<(), RestoreError> {
        rows.retain(|row| !self.is_lost(places, row));
        let mut large = Vec::new();
        for row in rows {
            let Some((digest, bytes)) = self.look(places, row)? else { continue };
            if self.objects.is_some() && bytes >= self.from_bytes {
                large.push((digest, row));
            }
        }
        if large.is_empty() {
            return Ok(());
        }
        self.claim(transaction).await?;
        let Some(objects) = &self.objects else { return Ok(()) };
        for some in large.chunks_mut(AT_ONCE) {
            let puts = some.iter_mut().map(|(digest, row)| {
                let bytes = std::mem::replace(&mut row[places.bytes], Cell::Null);
                let bytes = if let Cell::Bytes(bytes) = bytes { Bytes::from(bytes.into_owned()) } else { Bytes::new() };
                objects.put(*digest, bytes)
            });
            let keys = try_join_all(puts).await?;
            for ((_, row), key) in some.iter_mut().zip(keys) {
                row[places.object] = Cell::Text(key.into());
            }
        }
        Ok(())
    }

    /// Is it one that could not be read when the backup was taken?
    fn is_lost(&mut self, places: &Places, row: &[Cell<'static>]) -> bool {
        match (&row[places.object], &row[places.bytes], &row[places.number]) {
            (Cell::Null, Cell::Null, Cell::Int(number)) => {
                self.damaged += 1;
                self.lost.insert(*number);
                true
            }
            _ => false,
        }
    }

    /// Leaves out that somebody needs what is not there; `body` is where the column stands.
    pub(super) fn forget_lost(&self, body: usize, rows: &mut Vec<Vec<Cell<'static>>>) {
        rows.retain(|row| !matches!(&row[body], Cell::Int(number) if self.lost.contains(number)));
    }

    /// The digest and the packed bytes of a body that stands in its row and is what it should be.
    fn look(&mut self, places: &Places, row: &[Cell<'static>]) -> Result<Option<(Digest, usize)>, RestoreError> {
        let (Cell::Bytes(digest), Cell::Int(size), Cell::Int(coding)) =
            (&row[places.digest], &row[places.size], &row[places.coding])
        else {
            return Err(ArchiveError::Damaged("a body without a name".to_owned()).into());
        };
        let Some(digest) = Digest::from_slice(digest) else {
            return Err(ArchiveError::Damaged("a body without a name".to_owned()).into());
        };
        // An archive of an earlier version names what lies in a body store.
        let Cell::Bytes(bytes) = &row[places.bytes] else { return Ok(None) };
        let size = usize::try_from(*size).unwrap_or(usize::MAX).min(weir_proto::MAX_MESSAGE_BYTES);
        if unpack(digest, size, *coding, Bytes::copy_from_slice(bytes)).is_err() {
            // It stays as it is, and says so whenever it is read.
            self.damaged += 1;
            return Ok(None);
        }
        Ok(Some((digest, bytes.len())))
    }

    /// The body store is the restored database's from here on, unless it is another's. Where this backup was being restored into it before,
    /// this one goes on.
    async fn claim(&mut self, transaction: &mut Transaction) -> Result<(), RestoreError> {
        let (Some(objects), None) = (&self.objects, &self.id) else { return Ok(()) };
        let mark = objects.mark().await?;
        match mark.as_deref().map(|mark| mark.split_once(RESTORING)) {
            Some(None) => {
                return Err(objects.fault(
                    "it belongs to another database: move it away first, or name another place with --body-store",
                ))?;
            }
            Some(Some((_, backup))) if backup.trim() != self.backup => {
                return Err(objects.fault(
                    "another backup is being restored into it, or that broke off: restore that one to its end, or name another \
                     place with --body-store. Where nobody will, delete `weir-body-store` there and try again",
                ))?;
            }
            _ => {}
        }
        let id = own_id(transaction).await?;
        objects.set_mark(&self.mark(&id)).await?;
        self.id = Some(id);
        Ok(())
    }

    fn mark(&self, id: &str) -> String {
        format!("{id}{RESTORING} {}", self.backup)
    }

    /// Before all of it counts: is the body store still the one that it was put into?
    pub(super) async fn holds(&self) -> Result<(), StoreError> {
        let (Some(objects), Some(id)) = (&self.objects, &self.id) else { return Ok(()) };
        if objects.mark().await? == Some(self.mark(id)) {
            return Ok(());
        }
        Err(objects.fault("somebody else took it over meanwhile: let one restore at a time"))
    }

    /// The database is there, whole.
    pub(super) async fn finish(self) -> Result<u64, StoreError> {
        if let (Some(objects), Some(id)) = (&self.objects, &self.id) {
            objects.set_mark(id).await?;
        }
        Ok(self.damaged)
    }
}

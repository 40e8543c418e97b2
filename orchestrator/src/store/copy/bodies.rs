//! Bodies, taken out whole: what lies in the body store stands in the archive as if it lay in the database, so that one file has all of
//! it, and it can be put back into any body store, or none. They are read before the exchanges that need them: one that retention
//! takes meanwhile took its last exchange with it, so whatever exchange is in the archive has its bodies there.

use bytes::Bytes;
use futures_util::future::try_join_all;
use weir_artifact::Digest;

use super::{
    super::bodies::{Lack, unpack},
    out::{cells, writing},
    places::Places,
};
use crate::{
    backup::archive::{Cell, Writer},
    store::{
        Store, StoreError,
        sql::{Row, Sql},
    },
};

/// Its table.
pub(super) const BODIES: &str = "bodies";
/// Which exchange needs which: it has no numbers of its own.
pub(super) const USES: &str = "body_uses";

/// Rows of one look.
const PAGE: i64 = 200;
/// Uses are short.
const USES_PAGE: i64 = 2000;
/// Bytes of one look, unless one body has more.
const ENOUGH: u64 = 1 << 20;

impl Store {
    /// Writes the bodies behind `after` up to `newest` that fit together; where to go on, or none at the end.
    pub(super) async fn copy_bodies(
        &self,
        columns: &[&str],
        list: &str,
        (after, newest): (i64, i64),
        archive: &mut Writer,
    ) -> Result<Option<i64>, StoreError> {
        let places = Places::of(columns).ok_or(StoreError::Damaged("a table of bodies"))?;
        let Some(to) = self.end_of_page(after, newest).await? else { return Ok(None) };
        let page = Sql::new(format!("SELECT {list} FROM bodies WHERE number > $1 AND number <= $2 ORDER BY number"));
        // All rows before the first body is asked for: whoever waits for a bucket holds no reader.
        let rows = page.bind(after).bind(to).fetch_all(&self.reads).await?;
        let bodies = try_join_all(rows.iter().map(|row| self.elsewhere(row, &places))).await?;
        for (row, body) in rows.iter().zip(bodies) {
            let mut cells = cells(row, columns.len())?;
            match body {
                Elsewhere::No => {}
                Elsewhere::Gone => continue,
                Elsewhere::Lost => (cells[places.object], cells[places.bytes]) = (Cell::Null, Cell::Null),
                Elsewhere::Found(bytes) => {
                    (cells[places.object], cells[places.bytes]) = (Cell::Null, Cell::Bytes(bytes.to_vec().into()));
                    if let Some(lost) = places.lost {
                        // It was missing once, and came back.
                        cells[lost] = Cell::Int(0);
                    }
                }
            }
            archive.row(&cells).map_err(writing)?;
        }
        Ok(Some(to))
    }

    /// The last number of a page.
    async fn end_of_page(&self, after: i64, newest: i64) -> Result<Option<i64>, StoreError> {
        let look = "SELECT number, stored FROM bodies WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3";
        let rows = Sql::new(look).bind(after).bind(newest).bind(PAGE).fetch_all(&self.reads).await?;
        let (mut to, mut bytes) = (None, 0);
        for row in &rows {
            bytes += row.number(1)?;
            if to.is_some() && bytes > ENOUGH {
                break;
            }
            to = Some(row.get(0)?);
        }
        Ok(to)
    }

    /// What the body store has of it. One that is away ends the backup; one body that is damaged does not.
    async fn elsewhere(&self, row: &Row, places: &Places) -> Result<Elsewhere, StoreError> {
        let Some(key) = row.get::<Option<String>>(places.object)? else { return Ok(Elsewhere::No) };
        let digest = Digest::from_slice(row.get(places.digest)?).ok_or(StoreError::Damaged("a body"))?;
        let (size, coding) = (usize::try_from(row.number(places.size)?).unwrap_or(usize::MAX), row.get(places.coding)?);
        let reason = match self.shelves.object(&key).await {
            Ok(bytes) => match unpack(digest, size, coding, bytes.clone()) {
                Ok(_) => return Ok(Elsewhere::Found(bytes)),
                Err(error) => error.to_string(),
            },
            Err(Lack::Away(error)) => return Err(StoreError::BodyAway(error)),
            Err(Lack::Missing) => {
                let number = row.get::<i64>(places.number)?;
                let there = Sql::new("SELECT 1 FROM bodies WHERE number = $1").bind(number);
                if there.fetch_optional(&self.reads).await?.is_none() {
                    return Ok(Elsewhere::Gone);
                }
                self.shelves.is_lost(number, &key).await;
                format!("{key} is missing in the body store")
            }
        };
        tracing::error!(%digest, reason, "a damaged body is in the backup by its name only");
        Ok(Elsewhere::Lost)
    }

    /// Writes which of the exchanges up to `newest` need which bodies, from behind a pair; where to go on, or none at the end.
    pub(super) async fn copy_uses(
        &self,
        (columns, list): (usize, &str),
        (exchange, body): (i64, i64),
        newest: i64,
        archive: &mut Writer,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let page = format!(
            "SELECT {list}, exchange, body FROM body_uses WHERE (exchange, body) > ($1, $2) AND exchange <= $3 \
             ORDER BY exchange, body LIMIT {USES_PAGE}"
        );
        let rows = Sql::new(page).bind(exchange).bind(body).bind(newest).fetch_all(&self.reads).await?;
        let mut last = None;
        for row in &rows {
            archive.row(&cells(row, columns)?).map_err(writing)?;
            last = Some((row.get(columns)?, row.get(columns + 1)?));
        }
        Ok(last)
    }
}

/// Of a body that does not stand in its row.
enum Elsewhere {
    /// It stands there.
    No,
    Found(Bytes),
    /// Its last exchange went meanwhile.
    Gone,
    /// It is damaged, or missing.
    Lost,
}

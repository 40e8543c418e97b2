//! Exchanges that somebody wants gone.

use uuid::Uuid;

use super::{Sql, Store, StoreError};

impl Store {
    /// Deletes these and their messages, at most some hundreds at a time; how many there were.
    pub(crate) async fn delete_exchanges(&self, ids: &[Uuid]) -> Result<u64, StoreError> {
        let Some((first, rest)) = ids.split_first() else { return Ok(0) };
        self.delete_messages(ids).await?;
        let mut query = Sql::new("DELETE FROM exchanges WHERE id IN (");
        query.push_bind(*first);
        for id in rest {
            query.push(", ").push_bind(*id);
        }
        query.push(")");
        query.execute(&self.writes).await
    }
}

//! Exchanges that somebody wants gone.

use uuid::Uuid;

use super::{Sql, Store, StoreError, sql::Lock};

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
        // Retention deletes too, in another order: on PostgreSQL each would wait for what the other has.
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Retention).await?;
        let gone = query.execute(&mut transaction).await?;
        transaction.commit().await?;
        Ok(gone)
    }
}

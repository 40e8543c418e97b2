//! Exchanges that somebody wants gone.

use uuid::Uuid;

use super::{
    Deed, Outline, Sql, Store, StoreError,
    sql::{Lock, Transaction},
};

/// What became of a change that somebody wanted of what they saw.
#[derive(Debug)]
pub(crate) enum Changed<T = ()> {
    Done(T),
    /// It is not what they saw.
    Otherwise,
    /// There is none.
    Absent,
}

impl Store {
    /// Deletes one exchange, if `still` says so of what it is in this transaction.
    pub(crate) async fn delete_exchange(
        &self,
        id: Uuid,
        still: impl FnOnce(Outline) -> bool,
        deed: &Deed,
    ) -> Result<Changed, StoreError> {
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Retention).await?;
        let Some(outline) = self.outline_to_change(id, &mut transaction).await? else { return Ok(Changed::Absent) };
        if !still(outline) {
            return Ok(Changed::Otherwise);
        }
        if let Transaction::Postgres(..) = transaction {
            // First what whoever records takes first, or each would wait for the other.
            let first = "SELECT newest FROM held WHERE what = 'exchanges' FOR UPDATE";
            Sql::new(first).fetch_one(&mut transaction).await?;
        }
        // Which messages are its, the exchange says.
        let messages =
            "DELETE FROM messages WHERE exchange = $1 AND agent = (SELECT agent FROM exchanges WHERE id = $1)";
        Sql::new(messages).bind(id).execute(&mut transaction).await?;
        Sql::new("DELETE FROM exchanges WHERE id = $1").bind(id).execute(&mut transaction).await?;
        deed.commit(transaction).await?;
        Ok(Changed::Done(()))
    }

    /// Deletes these and their messages, at most some hundreds at a time; how many there were.
    pub(crate) async fn delete_exchanges(&self, ids: &[Uuid], deed: &Deed) -> Result<u64, StoreError> {
        self.delete_while(ids, deed, None).await
    }

    /// The same where a rule has it, as long as these rules are in force, the first of which has this place: what somebody has kept from
    /// now on stays.
    pub(super) async fn delete_by_rules(&self, ids: &[Uuid], first: i64) -> Result<u64, StoreError> {
        self.delete_while(ids, &Deed::default(), Some(first)).await
    }

    async fn delete_while(&self, ids: &[Uuid], deed: &Deed, rules: Option<i64>) -> Result<u64, StoreError> {
        let Some((first, rest)) = ids.split_first() else { return Ok(0) };
        self.delete_messages(ids, deed, rules).await?;
        let mut query = Sql::new("DELETE FROM exchanges WHERE id IN (");
        query.push_bind(*first);
        for id in rest {
            query.push(", ").push_bind(*id);
        }
        query.push(")");
        // Retention deletes too, in another order: on PostgreSQL each would wait for what the other has.
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Retention).await?;
        if !transaction.has_rules(rules).await? {
            return Ok(0);
        }
        let gone = query.execute(&mut transaction).await?;
        deed.commit(transaction).await?;
        Ok(gone)
    }
}

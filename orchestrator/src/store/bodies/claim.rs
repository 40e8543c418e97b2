//! A database and its body store belong together: each says whose it is, so that nobody goes on with another one, in which
//! the bodies are not.

use uuid::Uuid;

use super::super::{Dialect, Sql, Store, StoreError, Transaction, copy::RESTORING};

/// By which a database and its body store know each other.
pub(in super::super) async fn own_id(transaction: &mut Transaction) -> Result<String, StoreError> {
    let own = Sql::new("INSERT INTO body_store (one, id) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    let own = match transaction.dialect() {
        Dialect::Sqlite => own.bind(1_i64),
        Dialect::Postgres => own.bind(true),
    };
    own.bind(Uuid::new_v4().to_string()).execute(&mut *transaction).await?;
    Sql::new("SELECT id FROM body_store").fetch_one(transaction).await?.get(0)
}

impl Store {
    /// Whether this is the body store that the database's bodies are in; a new one is from now on.
    pub(in super::super) async fn claim_bodies(&self) -> Result<(), StoreError> {
        let named = Sql::new("SELECT 1 FROM bodies WHERE object IS NOT NULL LIMIT 1");
        let is_needed = named.fetch_optional(&self.reads).await?.is_some();
        let Some(objects) = &self.shelves.objects else {
            if is_needed {
                return Err(StoreError::BodyStore {
                    place: "database".to_owned(),
                    error: "some bodies are in a body store: say with `body_store` which one it is".to_owned(),
                });
            }
            return Ok(());
        };
        let (place, from_bytes) = (objects.place(), self.shelves.from_bytes);
        tracing::info!(place, from_bytes, "large bodies are kept in the body store");
        let mut transaction = self.begin().await?;
        let id = own_id(&mut transaction).await?;
        transaction.commit().await?;
        match objects.mark().await? {
            Some(mark) if mark == id => Ok(()),
            // Its restoration ended before it could say so.
            Some(mark) if mark.split_once(RESTORING).is_some_and(|(of, _)| of == id) => objects.set_mark(&id).await,
            None if !is_needed => objects.set_mark(&id).await,
            None => Err(objects.fault(format!(
                "it is not the one that this database's bodies are in: name that one, or restore it. To go on without \
                 them, write {id} into `weir-body-store` there"
            ))),
            // A database that was restored has a new name of its own: the old one may still be there.
            Some(_) => Err(objects.fault(format!(
                "it belongs to another database: give this one a place of its own. If it was restored from a backup and takes \
                 the place of that one, write {id} into `weir-body-store` there"
            ))),
        }
    }
}

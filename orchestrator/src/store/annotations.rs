//! What people say of exchanges: a note, and tags without a dot, beside those of filters. They stand in the stored message, so that
//! whatever reads or searches an exchange knows them.

use uuid::Uuid;
use weir_proto::v1::Exchange;

use super::{Changed, Deed, Outline, Sql, Store, StoreError, record};

/// Is it a person's? Those of filters have the filter's name before a dot.
pub(crate) fn is_of_people(tag: &str) -> bool {
    !tag.contains('.')
}

/// What an agent sends is without what only people say.
pub(crate) fn without(exchange: &mut Exchange) {
    exchange.note.clear();
    exchange.tags.retain(|tag| !is_of_people(&tag.name));
}

impl Store {
    /// Changes what people said of an exchange, as `change` has it of what it is in this transaction; false leaves it. The exchange
    /// as it is then.
    pub(crate) async fn annotate<E: From<StoreError>>(
        &self,
        id: Uuid,
        change: impl FnOnce(&mut Outline) -> Result<bool, E>,
        deed: &Deed,
    ) -> Result<Changed<Outline>, E> {
        let mut transaction = self.begin().await?;
        let Some(mut outline) = self.outline_to_change(id, &mut transaction).await? else { return Ok(Changed::Absent) };
        if !change(&mut outline)? {
            return Ok(Changed::Otherwise);
        }
        let (coding, detail) = record::repack(&outline.exchange, outline.kept.clone());
        let sql = Sql::new("UPDATE exchanges SET coding = $1, detail = $2 WHERE id = $3");
        sql.bind(coding).bind(detail).bind(id).execute(&mut transaction).await?;
        deed.commit(transaction).await?;
        Ok(Changed::Done(outline))
    }
}

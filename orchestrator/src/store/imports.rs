//! Where imported exchanges say that they came from: a row among the agents that no agent has. Its id is in no certificate,
//! and its group, which has no name, is nobody's.

use uuid::Uuid;

use super::{Sql, Store, StoreError, signed};

/// `import` in a UUID of no time and no chance (RFC 9562 section 5.8).
pub(crate) const IMPORT_AGENT: Uuid = Uuid::from_u128(0x0000_0000_0000_8000_8000_696d_706f_7274);

impl Store {
    /// The number that stands for imports in rows of exchanges.
    pub(crate) async fn import_agent(&self, now_us: u64) -> Result<i64, StoreError> {
        let sql = "INSERT INTO agents (id, name, grp, joined_us, last_seen_us, version) \
                   VALUES ($1, 'import', '', $2, $2, '') ON CONFLICT (id) DO UPDATE SET last_seen_us = $2 RETURNING number";
        let row = Sql::new(sql).bind(IMPORT_AGENT).bind(signed(now_us)).fetch_one(&self.writes).await?;
        row.get(0)
    }
}

//! Signed statements and components. Every statement is kept as it was signed. The state of a group is, of each publisher
//! key, the newest statement about each of its filters and about its configuration: which keys count is for agents to say, and one they do not trust
//! must not hide what another signed. The revision of that state is the number of its newest statement.

use prost::bytes::Bytes;
use weir_artifact::{
    Digest, Envelope, GroupName, Mark, Name, Publication, Ratchet, Refusal, Signed, Statement, TrustedKey,
};
use weir_proto::v1::DesiredState;

use super::{
    Deed, Store, StoreError, signed,
    sql::{Lock, Row, Sql, Transaction},
};

/// The state of a group is one message to its agents; this leaves room in it.
const MAX_STATE_BYTES: i64 = (weir_proto::MAX_MESSAGE_BYTES - (1 << 20)) as i64;

/// Of statements `s`: no newer one of the same key is about the same filter. Endorsements, which have no name, all stand.
const STANDS: &str = "NOT EXISTS (SELECT 1 FROM statements n WHERE n.grp = s.grp AND n.name = s.name AND \
                      n.public_key = s.public_key AND n.sequence > s.sequence)";

/// A statement with all that is stored of it.
pub(crate) struct Publishing<'a> {
    pub(crate) signed: &'a Signed,
    pub(crate) envelope: &'a Envelope,
    pub(crate) key: &'a TrustedKey,
    /// Sent along; else one that is already here is meant.
    pub(crate) component: Option<&'a [u8]>,
    pub(crate) now_us: u64,
}

/// What became of a statement.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// It is the newest; the revision it makes.
    New(u64),
    /// The same statement came before.
    Known(u64),
    /// Agents would not admit it after the statements before it.
    Refused(Refusal),
    /// A removal of what is not there.
    NoSuchFilter,
    /// No component with this digest was ever sent.
    NoSuchComponent,
    /// The group's statements would not fit in one message, or their outcomes in one answer.
    TooMany,
}

/// One accepted statement.
#[derive(Debug, Clone)]
pub(crate) struct StatementRow {
    pub(crate) statement: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) parsed: Statement,
    pub(crate) key_id: String,
    pub(crate) received_us: u64,
}

/// A filter of a group: its newest publication and, where it was removed since, the removal.
#[derive(Debug, Clone)]
pub(crate) struct FilterRow {
    pub(crate) publication: Publication,
    pub(crate) published: StatementRow,
    pub(crate) removed: Option<StatementRow>,
}

/// Stands where statements about filters have a name; no filter can be called so.
pub(super) const CONFIGURATION: &str = "@configuration";

pub(super) const COLUMNS: &str = "SELECT statement, key_id, received_us, signature FROM statements";

impl Store {
    /// Checks the order and stores, in one transaction.
    pub(crate) async fn publish(&self, publishing: Publishing<'_>, deed: &Deed) -> Result<Accepted, StoreError> {
        let Publishing { signed: statement, envelope, key, component, now_us } = publishing;
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Statements).await?;
        let known = Sql::new("SELECT number FROM statements WHERE statement = $1")
            .bind(envelope.statement.clone())
            .fetch_optional(&mut transaction)
            .await?;
        if let Some(row) = known {
            return Ok(Accepted::Known(row.number(0)?));
        }
        let subject = match statement.statement() {
            Statement::Configure(_) => Some(CONFIGURATION),
            other => other.subject().map(|(_, name, _)| name.as_str()),
        };
        let group = statement.statement().group();
        let mut ratchet = Ratchet::default();
        if let Some(subject) = subject {
            let mark = mark(&mut transaction, group, subject).await?;
            if mark.is_none() && matches!(statement.statement(), Statement::Remove(_)) {
                return Ok(Accepted::NoSuchFilter);
            }
            ratchet = match statement.statement().subject() {
                Some((_, name, _)) => Ratchet::restore(mark.map(|mark| (group.clone(), name.clone(), mark))),
                None => ratchet.with_configurations(mark.map(|mark| (group.clone(), mark))),
            };
        }
        // The very rules that agents go by.
        if let Err(refusal) = ratchet.admit(statement, group, now_us / 1_000_000) {
            return Ok(Accepted::Refused(refusal));
        }
        let (kind, version, mut digest) = match statement.statement() {
            Statement::Publish(publication) => ("publish", Some(signed(publication.version)), None),
            Statement::Remove(_) => ("remove", None, None),
            Statement::Endorse(_) => ("endorse", None, None),
            Statement::Configure(configuration) => ("configure", Some(signed(configuration.version)), None),
        };
        if let Statement::Publish(publication) = statement.statement() {
            digest = Some(key_of(&publication.digest));
            if let Some(bytes) = component {
                Sql::new("INSERT INTO components (digest, size, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                    .bind(digest.clone())
                    .bind(signed(bytes.len() as u64))
                    .bind(bytes.to_vec())
                    .execute(&mut transaction)
                    .await?;
            } else {
                let found = Sql::new("SELECT 1 FROM components WHERE digest = $1").bind(digest.clone());
                if found.fetch_optional(&mut transaction).await?.is_none() {
                    return Ok(Accepted::NoSuchComponent);
                }
            }
        }
        let number = Sql::new(
            "INSERT INTO statements (kind, grp, name, sequence, version, digest, statement, signature, key_id, \
             public_key, received_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING number",
        )
        .bind(kind)
        .bind(group.as_str())
        .bind(subject)
        .bind(signed(statement.statement().sequence()))
        .bind(version)
        .bind(digest)
        .bind(envelope.statement.clone())
        .bind(envelope.signature.clone())
        .bind(envelope.key_id.as_str().to_owned())
        .bind(key.to_text())
        .bind(signed(now_us))
        .fetch_one(&mut transaction)
        .await?
        .number(0)?;
        let state = format!(
            "SELECT coalesce(sum(length(statement) + 256), 0), count(name) FROM statements s WHERE grp = $1 AND {STANDS}"
        );
        let state = Sql::new(state).bind(group.as_str()).fetch_one(&mut transaction).await?;
        let filters = usize::try_from(state.get::<i64>(1)?).unwrap_or(usize::MAX);
        if state.get::<i64>(0)? > MAX_STATE_BYTES || filters > weir_proto::MAX_OUTCOMES {
            return Ok(Accepted::TooMany);
        }
        transaction.tell_others().await?;
        deed.commit(transaction).await?;
        Ok(Accepted::New(number))
    }

    /// What the agents of a group should run.
    pub(crate) async fn desired_state(&self, group: &str) -> Result<DesiredState, StoreError> {
        let state = format!(
            "SELECT number, statement, signature, key_id FROM statements s WHERE grp = $1 AND {STANDS} ORDER BY number"
        );
        let rows = Sql::new(state).bind(group).fetch_all(&self.reads).await?;
        let mut state = DesiredState::default();
        for row in &rows {
            state.revision = state.revision.max(row.number(0)?);
            state.statements.push(weir_proto::v1::Envelope {
                statement: row.get::<Vec<u8>>(1)?.into(),
                signature: row.get::<Vec<u8>>(2)?.into(),
                key_id: row.get(3)?,
            });
        }
        Ok(state)
    }

    /// Did a statement of this group ever name the component?
    pub(crate) async fn may_see(&self, digest: &Digest, group: &str) -> Result<bool, StoreError> {
        let row = Sql::new("SELECT 1 FROM statements WHERE grp = $1 AND digest = $2 LIMIT 1")
            .bind(group)
            .bind(key_of(digest))
            .fetch_optional(&self.reads)
            .await?;
        Ok(row.is_some())
    }

    /// A component's bytes.
    pub(crate) async fn component(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let row = Sql::new("SELECT bytes FROM components WHERE digest = $1")
            .bind(key_of(digest))
            .fetch_optional(&self.reads)
            .await?;
        row.map(|row| Ok(Bytes::from(row.get::<Vec<u8>>(0)?))).transpose()
    }

    /// Filters of every group, or of one, or one filter of every group.
    pub(crate) async fn filters(
        &self,
        group: Option<&GroupName>,
        name: Option<&Name>,
    ) -> Result<Vec<FilterRow>, StoreError> {
        let rows = Sql::new(
            "SELECT statement, key_id, received_us, signature FROM statements s WHERE kind IN ('publish', 'remove') AND \
             ($1 IS NULL OR grp = $1) AND ($2 IS NULL OR name = $2) AND NOT EXISTS (SELECT 1 FROM statements n WHERE \
             n.grp = s.grp AND n.name = s.name AND n.kind = s.kind AND n.sequence > s.sequence) ORDER BY name, grp, kind",
        )
        .bind(group.map(GroupName::as_str))
        .bind(name.map(Name::as_str))
        .fetch_all(&self.reads)
        .await?;
        let mut filters: Vec<FilterRow> = Vec::new();
        for row in &rows {
            let row = statement_row(row)?;
            match &row.parsed {
                Statement::Publish(publication) => {
                    filters.push(FilterRow { publication: (**publication).clone(), published: row, removed: None });
                }
                // Its publication came just before: `publish` sorts before `remove`.
                Statement::Remove(removal) => {
                    if let Some(filter) = filters.last_mut()
                        && (&filter.publication.name, &filter.publication.group) == (&removal.name, &removal.group)
                        && filter.publication.sequence < removal.sequence
                    {
                        filter.removed = Some(row);
                    }
                }
                Statement::Endorse(_) | Statement::Configure(_) => {}
            }
        }
        Ok(filters)
    }

    /// Every publication of a filter, newest first.
    pub(crate) async fn publications(&self, group: &GroupName, name: &Name) -> Result<Vec<StatementRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE grp = $1 AND name = $2 AND kind = 'publish' ORDER BY sequence DESC");
        let rows = Sql::new(sql).bind(group.as_str()).bind(name.as_str());
        rows.fetch_all(&self.reads).await?.iter().map(statement_row).collect()
    }
}

/// How far the statements about a filter, or a configuration, have come.
async fn mark(transaction: &mut Transaction, group: &GroupName, name: &str) -> Result<Option<Mark>, StoreError> {
    let newest = Sql::new(
        "SELECT sequence, statement, (SELECT coalesce(max(version), 0) FROM statements WHERE grp = $1 AND name = $2) \
         FROM statements WHERE grp = $1 AND name = $2 ORDER BY sequence DESC LIMIT 1",
    )
    .bind(group.as_str())
    .bind(name)
    .fetch_optional(transaction)
    .await?;
    let mark = |row: Row| {
        let statement: &[u8] = row.get(1)?;
        let (sequence, version) = (row.number(0)?, row.number(2)?);
        Ok(Mark { sequence, statement: Digest::of(statement), version })
    };
    newest.map(mark).transpose()
}

fn key_of(digest: &Digest) -> Vec<u8> {
    digest.hex().into_bytes()
}

pub(super) fn statement_row(row: &Row) -> Result<StatementRow, StoreError> {
    let statement: Vec<u8> = row.get(0)?;
    Ok(StatementRow {
        parsed: Statement::parse(&statement).map_err(|_| StoreError::Damaged("a statement"))?,
        statement,
        key_id: row.get(1)?,
        received_us: row.number(2)?,
        signature: row.get(3)?,
    })
}

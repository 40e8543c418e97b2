//! Where the databases say the same in other words. Everything else in the store is said once.

use weir_query::Pattern;

use super::sql::Sql;

/// Whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// A text up to the first mark, or the whole.
    pub(super) fn before(self, text: &str, mark: char) -> String {
        match self {
            Self::Sqlite => format!("substr({text}, 1, instr({text} || '{mark}', '{mark}') - 1)"),
            Self::Postgres => format!("split_part({text}, '{mark}', 1)"),
        }
    }

    /// The function of a text and a part of it that gives the part's place, from 1, or 0.
    pub(super) fn place(self) -> &'static str {
        match self {
            Self::Sqlite => "instr",
            Self::Postgres => "strpos",
        }
    }

    /// An id as UUIDs are written.
    pub(super) fn id_text(self, id: &str) -> String {
        match self {
            Self::Sqlite => {
                let part = |place: &str| format!("substr(hex({id}),{place})");
                let parts = ["1,8", "9,4", "13,4", "17,4", "21"].map(part).join("||'-'||");
                format!("lower({parts})")
            }
            Self::Postgres => format!("{id}::text"),
        }
    }

    /// The operator that compares a text with a pattern, and the pattern as it wants it.
    pub(super) fn like(self, pattern: &Pattern) -> (&'static str, String) {
        let (operator, star) = match self {
            Self::Sqlite => (" GLOB ", '*'),
            Self::Postgres => (" LIKE ", '%'),
        };
        let mut text = String::new();
        for (place, piece) in pattern.pieces().enumerate() {
            if place > 0 {
                text.push(star);
            }
            for character in piece.chars() {
                match (self, character) {
                    (Self::Sqlite, '*' | '?' | '[') => text.extend(['[', character, ']']),
                    (Self::Postgres, '%' | '_' | '\\') => text.extend(['\\', character]),
                    (_, other) => text.push(other),
                }
            }
        }
        (operator, text)
    }

    /// Exchanges `e` by one of their indexes. PostgreSQL is not told: it knows what is in them.
    pub(super) fn exchanges_by(self, index: &str) -> String {
        match self {
            Self::Sqlite => format!(" FROM exchanges e INDEXED BY {index}"),
            Self::Postgres => " FROM exchanges e".to_owned(),
        }
    }

    /// Exchanges `e` in the order of their table.
    pub(super) fn exchanges_in_order(self) -> &'static str {
        match self {
            Self::Sqlite => " FROM exchanges e NOT INDEXED",
            Self::Postgres => " FROM exchanges e",
        }
    }

    /// Rows of a table that have one of these numbers in a column, each looked up by it.
    pub(super) fn push_listed(self, sql: &mut Sql, numbers: &[i64], table: &str, column: &str) {
        let list = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        match self {
            Self::Sqlite => {
                sql.push(" FROM json_each(").push_bind(format!("[{list}]"));
                sql.push(") n CROSS JOIN ").push(table).push(" ON n.value = ").push(column);
            }
            Self::Postgres => {
                sql.push(" FROM unnest(CAST(CAST(").push_bind(format!("{{{list}}}")).push(" AS text) AS bigint[]))");
                sql.push(" AS n(value) JOIN ").push(table).push(" ON n.value = ").push(column);
            }
        }
    }

    /// Agents `a` beside exchanges `e`. SQLite keeps the order of a cross join, which is that of the index of exchanges.
    pub(super) fn with_agents(self) -> &'static str {
        match self {
            Self::Sqlite => " CROSS JOIN agents a ON a.number = e.agent",
            Self::Postgres => " JOIN agents a ON a.number = e.agent",
        }
    }

    /// Behind a selection of exchanges `e` that are to change: until the end of the transaction nobody else changes them. With
    /// SQLite nobody else writes.
    pub(super) fn to_change_exchanges(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE OF e",
        }
    }

    /// The highest number that an exchange ever had, whether or not it is still there.
    pub(super) fn newest_exchange(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "coalesce((SELECT max(number) FROM exchanges), \
                 (SELECT seq FROM sqlite_sequence WHERE name = 'exchanges'), 0)"
            }
            Self::Postgres => "(SELECT newest FROM held WHERE what = 'exchanges')",
        }
    }

    /// Rows that are looked at in one go. PostgreSQL sends all that a statement finds, wanted or not.
    pub(super) fn block(self, with_detail: bool) -> i64 {
        match self {
            Self::Postgres if with_detail => 500,
            Self::Sqlite | Self::Postgres => 10_000,
        }
    }
}

//! Which database the server keeps things in: a file of SQLite, or PostgreSQL, by URL. A URL may hold a password, so
//! neither errors nor the log ever show one.

use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

use reqwest::Url;
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Parameters of a PostgreSQL URL, as libpq names them. A misspelt one is refused: it may be the one that asks for TLS.
const PARAMETERS: [&str; 12] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "options",
    "application_name",
];

/// A URL as it was given.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

/// A database that can be opened.
#[derive(Debug, Clone)]
pub enum Database {
    /// The file.
    Sqlite(PathBuf),
    /// Where it is, and who we are there.
    Postgres(PostgresUrl),
}

/// A URL of PostgreSQL that was understood.
#[derive(Clone)]
pub struct PostgresUrl(Box<PgConnectOptions>);

impl DatabaseUrl {
    /// The database it names.
    ///
    /// # Errors
    /// What is wrong with it, without what it says.
    pub(crate) fn parse(&self) -> Result<Database, String> {
        let scheme = self.0.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme {
            "sqlite" => self.file().map(Database::Sqlite),
            "postgres" | "postgresql" => postgres(&self.0).map(Database::Postgres),
            _ => Err("neither sqlite://FILE nor postgres://USER@HOST/DATABASE".to_owned()),
        }
    }

    fn file(&self) -> Result<PathBuf, String> {
        let path = self.0.strip_prefix("sqlite://").or_else(|| self.0.strip_prefix("sqlite:")).unwrap_or_default();
        if path.is_empty() || path.contains('?') || path.contains(":memory:") {
            return Err("name a file, such as sqlite:///var/lib/weir/weir.db".to_owned());
        }
        Ok(path.into())
    }
}

fn postgres(text: &str) -> Result<PostgresUrl, String> {
    let url = Url::parse(text).map_err(|error| format!("no URL: {error}"))?;
    let mut asks_for_tls = std::env::var_os("PGSSLMODE").is_some();
    for (name, value) in url.query_pairs() {
        if !PARAMETERS.contains(&&*name) {
            return Err(format!("there is no parameter `{name}`; there are {}", PARAMETERS.join(", ")));
        }
        asks_for_tls |= name == "sslmode";
        if name == "sslmode" && value == "allow" {
            return Err("sslmode=allow means plain text here: say disable, or better verify-full".to_owned());
        }
    }
    let mut options = PgConnectOptions::from_str(text).map_err(|error| error.to_string())?;
    if !asks_for_tls && !is_near(&options) {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    }
    Ok(PostgresUrl(Box::new(options)))
}

/// Nothing is between us and it that could listen.
fn is_near(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']');
    let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || host == "localhost" || loopback
}

impl PostgresUrl {
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.0
    }

    /// Host and database, for people.
    pub(crate) fn place(&self) -> String {
        let options = &self.0;
        let host = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let database = options.get_database().unwrap_or(options.get_username());
        format!("{host}:{}, database {database}", options.get_port())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a database URL")
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> PgConnectOptions {
        match url.parse::<DatabaseUrl>().unwrap().parse() {
            Ok(Database::Postgres(url)) => *url.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_network_is_not_trusted_unless_one_says_so() {
        let mode = |url: &str| format!("{:?}", options(url).get_ssl_mode());
        assert_eq!(mode("postgres://weir:secret@db.example/weir"), "VerifyFull");
        assert_eq!(mode("postgresql://weir@10.0.0.7:6432/weir?application_name=x"), "VerifyFull");
        assert_eq!(mode("postgres://weir@db.example/weir?sslmode=require"), "Require");
        for near in ["127.0.0.1", "localhost", "[::1]", "%2Fvar%2Frun%2Fpostgresql"] {
            assert_eq!(mode(&format!("postgres://weir@{near}/weir")), "Prefer", "{near}");
        }
        assert_eq!(mode("postgres://weir@x/weir?host=/run/postgresql"), "Prefer");
    }

    #[test]
    fn no_error_shows_a_password() {
        for url in [
            "mysql://weir:secret@db/weir",
            "secret",
            "postgres://weir:secret@db:port/weir",
            "postgres://weir:secret@db/weir?sslmode=secure",
            "postgres://weir:secret@db/weir?sslmode=allow",
            "postgres://weir:secret@db/weir?pasword=secret",
            "postgres://weir:secret@[db/weir",
            "postgres://weir:sec%ffret@db/weir",
            "sqlite:",
        ] {
            let url: DatabaseUrl = url.parse().unwrap();
            let said = format!("{:?} {}", url, url.parse().unwrap_err());
            assert!(!said.contains("secret"), "{said}");
        }
        let url: DatabaseUrl = "postgres://weir:secret@db/traffic?password=secret".parse().unwrap();
        assert_eq!(format!("{:?}", url.parse().unwrap()), "Postgres(db:5432, database traffic)");
    }
}

//! Connections to PostgreSQL that readers, or writers, share. Nothing here waits for ever: whatever a connection waits for
//! has its time, and one whose server vanished is dropped as it is, since ending TLS in order would wait for the other side.

use std::{
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

use async_stream::try_stream;
use deadpool::managed::{self, Metrics, Object, QueueMode, RecycleError, RecycleResult};
use futures_util::{Stream, TryStreamExt as _, future::join_all, stream::BoxStream};
use sqlx::{
    Connection as _, Error, Executor as _, PgConnection, Postgres,
    postgres::{PgArguments, PgConnectOptions, PgQueryResult, PgRow},
    query::Query,
};
use tokio::{runtime::Handle, time::timeout};

use super::Listener;

/// To reach the server, or to get a connection that others use.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// For one that was not in use to answer; whoever asked has time left for another.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// One that is older is made anew: a name may lead to another server by now.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Between two attempts to reach a server that is just starting.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Makes them.
struct Connector {
    options: PgConnectOptions,
    /// what each session is told first
    session: Vec<&'static str>,
}

struct Held {
    connection: PgConnection,
    since: Instant,
}

/// See the module.
#[derive(Clone)]
pub(in crate::store) struct PgPool {
    all: managed::Pool<Connector>,
    limit: Duration,
}

/// One of them, until it is dropped.
struct Lease {
    held: Option<Object<Connector>>,
    left: Left,
}

/// What is to be done before somebody else may have it.
enum Left {
    Nothing,
    /// An answer may be under way.
    Answer,
    Rollback,
}

/// Statements on one of them that are done as one, or not at all.
pub(in crate::store) struct PgTransaction {
    lease: Lease,
    limit: Duration,
}

/// A statement that is given up when it takes longer.
pub(super) async fn in_time<T>(limit: Duration, statement: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(limit, statement).await.unwrap_or(Err(Error::PoolTimedOut))
}

/// The same rows, each of which is waited for so long. Whoever takes their time over one does not count.
fn each_in_time<'a>(
    limit: Duration,
    mut rows: BoxStream<'a, Result<PgRow, Error>>,
) -> impl Stream<Item = Result<PgRow, Error>> + Send + 'a {
    try_stream! {
        while let Some(row) = in_time(limit, rows.try_next()).await? {
            yield row;
        }
    }
}

impl PgPool {
    /// None is made before it is needed. A statement is waited for `limit` at most, which is more than the server lets it run.
    pub(super) fn new(most: usize, options: &PgConnectOptions, session: Vec<&'static str>, limit: Duration) -> Self {
        let connector = Connector { options: options.clone(), session };
        // The one used last knows the statements and has the tables at hand.
        let all = managed::Pool::builder(connector).max_size(most).queue_mode(QueueMode::Lifo).build();
        Self { all: all.expect("times are kept here, not there"), limit }
    }

    async fn get(&self) -> Result<Lease, Error> {
        let held = timeout(PATIENCE, self.all.get()).await.map_err(|_| Error::PoolTimedOut)?;
        let held = held.map_err(|error| match error {
            managed::PoolError::Backend(error) => error,
            managed::PoolError::Closed => Error::PoolClosed,
            _ => Error::PoolTimedOut,
        })?;
        Ok(Lease { held: Some(held), left: Left::Answer })
    }

    pub(in crate::store) async fn begin(&self) -> Result<PgTransaction, Error> {
        self.begin_with("BEGIN").await
    }

    pub(in crate::store) async fn begin_with(&self, begin: &'static str) -> Result<PgTransaction, Error> {
        let mut lease = self.get().await?;
        lease.left = Left::Rollback;
        in_time(self.limit, lease.execute(begin)).await?;
        Ok(PgTransaction { lease, limit: self.limit })
    }

    /// Rows one by one.
    pub(in crate::store) fn fetch(
        &self,
        query: Query<'static, Postgres, PgArguments>,
    ) -> impl Stream<Item = Result<PgRow, Error>> + Send + '_ {
        try_stream! {
            let mut lease = self.get().await?;
            let mut rows = query.fetch(&mut *lease);
            while let Some(row) = in_time(self.limit, rows.try_next()).await? {
                yield row;
            }
            drop(rows);
            lease.left = Left::Nothing;
        }
    }

    /// A connection of its own that hears what is said on these channels.
    pub(in crate::store) async fn listen(
        &self,
        channels: impl IntoIterator<Item = &str> + Send,
    ) -> Result<Listener, Error> {
        Listener::connect(self.all.manager().options.clone(), channels).await
    }

    /// Those that are not in use take their leave.
    pub(in crate::store) async fn close(&self) {
        let idle = self.all.retain(|_, _| false).removed;
        self.all.close();
        join_all(idle.into_iter().map(|held| timeout(PATIENCE, held.connection.close()))).await;
    }
}

impl PgTransaction {
    pub(in crate::store) async fn commit(mut self) -> Result<(), Error> {
        in_time(self.limit, self.lease.execute("COMMIT")).await?;
        self.lease.left = Left::Nothing;
        Ok(())
    }

    /// Rows one by one.
    pub(in crate::store) fn fetch<'a>(
        &'a mut self,
        query: Query<'static, Postgres, PgArguments>,
    ) -> impl Stream<Item = Result<PgRow, Error>> + Send + 'a {
        each_in_time(self.limit, query.fetch(&mut *self.lease))
    }
}

macro_rules! statements {
    ($($method:ident: $answer:ty;)+) => {
        impl PgPool {
            $(pub(in crate::store) async fn $method(
                &self,
                query: Query<'_, Postgres, PgArguments>,
            ) -> Result<$answer, Error> {
                let mut lease = self.get().await?;
                let answer = in_time(self.limit, query.$method(&mut *lease)).await;
                if let Ok(_) | Err(Error::Database(_)) = &answer {
                    lease.left = Left::Nothing;
                }
                answer
            })+
        }

        impl PgTransaction {
            $(pub(in crate::store) async fn $method(
                &mut self,
                query: Query<'_, Postgres, PgArguments>,
            ) -> Result<$answer, Error> {
                in_time(self.limit, query.$method(&mut *self.lease)).await
            })+
        }
    };
}

statements! {
    execute: PgQueryResult;
    fetch_all: Vec<PgRow>;
    fetch_one: PgRow;
    fetch_optional: Option<PgRow>;
}

impl Connector {
    async fn connect(&self) -> Result<Held, Error> {
        let mut pause = PAUSES.0;
        let mut connection = loop {
            match PgConnection::connect_with(&self.options).await {
                Err(error) if is_starting(&error) => tokio::time::sleep(pause).await,
                other => break other?,
            }
            pause = (pause * 2).min(PAUSES.1);
        };
        for told in &self.session {
            connection.execute(*told).await?;
        }
        Ok(Held { connection, since: Instant::now() })
    }
}

/// Is it there in a moment?
fn is_starting(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        // It starts or stops, or has too many connections (appendix A of its manual).
        Error::Database(error) => error.code().is_some_and(|code| ["57P03", "53300"].contains(&&*code)),
        _ => false,
    }
}

impl managed::Manager for Connector {
    type Type = Held;
    type Error = Error;

    async fn create(&self) -> Result<Held, Error> {
        self.connect().await
    }

    /// One whose server was started anew, or vanished, is found out before it is used.
    async fn recycle(&self, held: &mut Held, _: &Metrics) -> RecycleResult<Error> {
        if held.since.elapsed() > LIFETIME {
            let old = std::mem::replace(held, self.connect().await.map_err(RecycleError::Backend)?);
            tokio::spawn(timeout(PATIENCE, old.connection.close()));
            return Ok(());
        }
        in_time(SIGN_OF_LIFE, held.connection.ping()).await.map_err(RecycleError::Backend)
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.held.as_ref().expect("it is there until it is dropped").connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.held.as_mut().expect("it is there until it is dropped").connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        let rollback = match self.left {
            Left::Nothing => return,
            Left::Answer => false,
            Left::Rollback => true,
        };
        let Ok(runtime) = Handle::try_current() else { return drop(Object::take(held)) };
        // What was given up may never be answered, and would keep its place.
        runtime.spawn(async move {
            let connection = &mut held.connection;
            let settled = async {
                if rollback { connection.execute("ROLLBACK").await.map(drop) } else { connection.ping().await }
            };
            if in_time(PATIENCE, settled).await.is_err() {
                drop(Object::take(held));
            }
        });
    }
}

impl Deref for PgTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.lease
    }
}

impl DerefMut for PgTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.lease
    }
}

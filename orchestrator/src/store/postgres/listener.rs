//! Hears what sessions notify each other of.

use std::time::Duration;

use sqlx::{
    Error, Executor as _,
    postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions},
};
use tokio::time::timeout;

use super::pool::{PATIENCE, in_time};

/// On a connection of its own, which is gone with it.
pub(in crate::store) struct Listener(PgListener);

impl Listener {
    pub(super) async fn connect(
        options: PgConnectOptions,
        channels: impl IntoIterator<Item = &str> + Send,
    ) -> Result<Self, Error> {
        let own = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&own).await?;
        in_time(PATIENCE, listener.listen_all(channels)).await?;
        Ok(Self(listener))
    }

    /// What is said within that time. When nothing is, the server is asked whether it is still there: a connection to one
    /// that vanished would be quiet for ever. After an error it hears no more.
    pub(in crate::store) async fn hear(&mut self, within: Duration) -> Result<Option<PgNotification>, Error> {
        match timeout(within, self.0.try_recv()).await {
            Ok(said) => said?.map(Some).ok_or(Error::WorkerCrashed),
            Err(_) => in_time(PATIENCE, self.0.execute("SELECT 1")).await.map(|_| None),
        }
    }
}

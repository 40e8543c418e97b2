//! What a request was let in by, looked at again while it goes on: a stream does not outlive the credential that opened it.

use std::{sync::Arc, time::Duration};

use crate::{access::Role, clock::now_us, orchestrator::Orchestrator, store::StoreError, tokens, tokens::TokenHash};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Looks in a row that may fail because the database is away.
const AWAY: u32 = 15;

/// As it was when the request came.
#[derive(Clone)]
pub(crate) enum Standing {
    /// The token of the first start.
    First(TokenHash),
    Token(TokenHash),
    User {
        name: String,
        role: Role,
        /// What is kept of the password: another one is another standing.
        password: String,
    },
    /// A token of the issuer.
    Issued(String),
}

impl Standing {
    async fn counts(&self, orchestrator: &Orchestrator) -> Result<bool, StoreError> {
        match self {
            Self::First(hash) => Ok(tokens::same(hash, &orchestrator.admin.read())),
            Self::Token(hash) => Ok(orchestrator.store.access_token(*hash, now_us()).await?.is_some()),
            Self::User { name, role, password } => {
                let user = orchestrator.store.user(name).await?;
                Ok(user.is_some_and(|user| user.role == *role && user.password == *password))
            }
            // It ends, and its key may be taken away.
            Self::Issued(token) => match &orchestrator.oidc {
                Some(oidc) => Ok(oidc.principal(token).await.is_ok()),
                None => Ok(false),
            },
        }
    }

    /// Until it counts no longer.
    pub(crate) async fn lapsed(self, orchestrator: Arc<Orchestrator>) {
        let mut away = 0;
        loop {
            tokio::time::sleep(LOOK).await;
            match self.counts(&orchestrator).await {
                Ok(true) => away = 0,
                Ok(false) => return,
                Err(_) if away >= AWAY => return,
                Err(_) => away += 1,
            }
        }
    }
}

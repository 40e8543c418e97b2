//! What a request was let in by, looked at again while it goes on: neither a stream nor a long answer outlives the credential that asked
//! for it, and no request does that is not there to its end (`vouched.rs`).

use std::{future::pending, sync::Arc, time::Duration};

use axum::response::Response;

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

/// On an answer that ends with its credential by itself, and says why.
#[derive(Clone, Copy)]
pub(crate) struct SeesToIt;

impl Standing {
    /// This answer is to end when the credential counts no longer.
    pub(crate) fn bind(self, response: &mut Response) {
        if response.extensions_mut().remove::<SeesToIt>().is_none() {
            response.extensions_mut().insert(self);
        }
    }

    /// Until the credential counts no longer that this answer is bound to; for ever where it is bound to none.
    pub(super) fn lapse_of(
        response: &mut Response,
        orchestrator: Arc<Orchestrator>,
    ) -> impl Future<Output = ()> + use<> {
        let standing = response.extensions_mut().remove::<Self>();
        async move {
            match standing {
                Some(standing) => standing.lapsed(orchestrator).await,
                None => pending().await,
            }
        }
    }

    /// Whether it does now.
    pub(super) async fn counts(&self, orchestrator: &Orchestrator) -> Result<bool, StoreError> {
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

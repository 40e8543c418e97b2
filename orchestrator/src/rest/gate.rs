//! Who may pass. A request's credential becomes a `Principal` before anything else of it is looked at; each route says what
//! it asks for; and what somebody changed is in the audit trail.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, MatchedPath, OriginalUri, Request, State},
    http::{HeaderMap, Method, Uri, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{conditional, limit, occupied::Asking, once, problem::Problem, standing::Standing, vouched::vouched};
use crate::{
    access::{Area, Areas, Budget, Denied, Oidc, OidcError, PasswordError, Permission, Principal},
    clock::now_us,
    orchestrator::Orchestrator,
    store::{AccessToken, Deed},
    tokens,
};

/// Bytes of an address in the audit trail.
pub(super) const LONGEST_OBJECT: usize = 1024;
/// Longest name of a user that is looked up.
const LONGEST_NAME: usize = 64;

/// What a request's `Authorization` says (RFC 6750, RFC 7617).
enum Credential {
    Bearer(String),
    Basic { user: String, password: String },
}

/// Routes that ask for something.
pub(super) trait Asks {
    /// For whoever may do that in this area.
    fn asks(self, permission: Permission, area: Area) -> Self;

    /// For whoever may do that, in whatever area: what is answered has an area each, which the handler asks for.
    fn asks_of_each(self, permission: Permission) -> Self;
}

impl Asks for MethodRouter<Arc<Orchestrator>, Infallible> {
    fn asks(self, permission: Permission, area: Area) -> Self {
        guarded(self, move |principal| principal.may(permission, area))
    }

    fn asks_of_each(self, permission: Permission) -> Self {
        guarded(self, move |principal| match principal.role.may(permission) {
            true => Ok(()),
            false => Err(Denied::Role(principal.role, permission)),
        })
    }
}

fn guarded(
    routes: MethodRouter<Arc<Orchestrator>, Infallible>,
    may: impl Fn(&Principal) -> Result<(), Denied> + Copy + Send + Sync + 'static,
) -> MethodRouter<Arc<Orchestrator>, Infallible> {
    routes.route_layer(from_fn(move |request: Request, next: Next| async move {
        match request.extensions().get::<Principal>().map(may) {
            Some(Ok(())) => next.run(request).await,
            Some(Err(denied)) => Problem::from(denied).into_response(),
            None => Problem::unauthorized().into_response(),
        }
    }))
}

/// Nothing of a request is looked at before its credential.
pub(super) async fn authenticate(
    State(orchestrator): State<Arc<Orchestrator>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let (principal, standing) = match signed_in(&orchestrator, request.headers(), client).await {
        Ok(found) => found,
        Err(problem) => return problem.into_response(),
    };
    if let Some(asking) = request.extensions().get::<Asking>() {
        asking.is_signed_in();
    }
    let budget = orchestrator.rates.request(&principal.name);
    if let Some(refusal) = limit::refusal(budget) {
        return refusal;
    }
    request.extensions_mut().insert(standing.clone());
    let request = vouched(request, &standing, &orchestrator);
    let mut response = carry_out(orchestrator, principal, client, request, next).await;
    standing.bind(&mut response);
    limit::tell(response.headers_mut(), budget);
    response
}

/// What somebody may ask for as far as their credential goes.
async fn carry_out(
    orchestrator: Arc<Orchestrator>,
    principal: Principal,
    client: SocketAddr,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(principal.clone());
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !is_change {
        return orchestrator.untaken.count(&principal.name, next.run(request).await);
    }
    let unheeded = conditional::unheeded(&request);
    let action = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let action = format!("{} {action}", request.method());
    let object = object(request.extensions().get::<OriginalUri>().map_or(request.uri(), |uri| &uri.0));
    let deed = Deed::new(principal.did(&action, &object, 0, client.ip(), now_us()));
    // What the store changes is told with the change, the rest when it has come to its end.
    request.extensions_mut().insert(deed.clone());
    // Whoever hangs up stops neither the change, once it has begun, nor the entry.
    let changing = orchestrator.changing.clone();
    let done = changing.spawn(async move {
        let response = match unheeded {
            None => next.run(request).await,
            Some(problem) => problem.into_response(),
        };
        if response.headers().contains_key(once::REPLAYED) {
            // Told when it was done.
            return response;
        }
        let Some(entry) = deed.untold(response.status().as_u16()) else { return response };
        if let Err(error) = orchestrator.store.audit(entry).await {
            tracing::error!(%error, actor = principal.name, action, object, "a change is not in the audit trail");
        }
        response
    });
    done.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change ended abnormally");
        Problem::unavailable().into_response()
    })
}

/// An address as it stands in the audit trail.
pub(super) fn object(uri: &Uri) -> String {
    let text = uri.path_and_query().map_or("", |path| path.as_str());
    text[..text.floor_char_boundary(LONGEST_OBJECT)].to_owned()
}

/// Whose request it is, where that is not looked at before, and how they stand with it: one too many is to be refused.
pub(crate) async fn identify(
    orchestrator: &Orchestrator,
    headers: &HeaderMap,
    client: SocketAddr,
) -> Result<(Principal, Standing, Option<Budget>), Problem> {
    let (principal, standing) = signed_in(orchestrator, headers, client).await?;
    let budget = orchestrator.rates.request(&principal.name);
    Ok((principal, standing, budget))
}

/// Whose credential it is, if it counts.
async fn signed_in(
    orchestrator: &Orchestrator,
    headers: &HeaderMap,
    client: SocketAddr,
) -> Result<(Principal, Standing), Problem> {
    let address = client.ip();
    let refused = |who: &str| {
        tracing::info!(%client, who, "a credential was refused");
        limit::failed_sign_in(orchestrator.rates.sign_in(address)).unwrap_or_else(Problem::not_accepted)
    };
    match credential(headers).ok_or_else(Problem::unauthorized)? {
        Credential::Bearer(token) => {
            let hash = tokens::hash(&token);
            let admin = *orchestrator.admin.read();
            if tokens::same(&hash, &admin) {
                return Ok((Principal::first(), Standing::First(hash)));
            }
            if let Some(oidc) = orchestrator.oidc.as_ref().filter(|_| Oidc::is_one(&token)) {
                let found = oidc.principal(&token).await.map_err(|error| match error {
                    OidcError::Token(reason) => {
                        tracing::info!(%client, reason, "a token of the issuer was refused");
                        let too_many = limit::failed_sign_in(orchestrator.rates.sign_in(address));
                        too_many.unwrap_or_else(|| Problem::invalid_token(&error.to_string()))
                    }
                    OidcError::NoRole(_) => Problem::no_role(error.to_string()),
                    OidcError::NoArea(_) => Problem::no_area(error.to_string()),
                    OidcError::Issuer(_) => Problem::issuer_away(error.to_string()),
                });
                return found.map(|principal| (principal, Standing::Issued(token)));
            }
            let found = orchestrator.store.access_token(hash, now_us()).await?;
            let token = found.ok_or_else(|| refused("a token"))?;
            let AccessToken { name, role, areas, .. } = token;
            Ok((Principal { name: format!("token:{name}"), role, areas }, Standing::Token(hash)))
        }
        Credential::Basic { user, password } => {
            let known = orchestrator.store.user(&user).await?;
            let (role, kept) = known.map_or((None, None), |user| (Some(user.role), Some(user.password)));
            let known = orchestrator.passwords.is_known(kept.as_deref(), &password);
            // Before it costs anything: guesses are bounded, a password that was right a moment ago is no guess.
            if !known && let Some(problem) = limit::failed_sign_in(orchestrator.rates.sign_in(address)) {
                return Err(problem);
            }
            match (orchestrator.passwords.is_right(kept.clone(), password).await, role) {
                (Ok(true), Some(role)) => {
                    let principal = Principal { name: format!("user:{user}"), role, areas: Areas::UNBOUNDED };
                    Ok((principal, Standing::User { name: user, role, password: kept.unwrap_or_default() }))
                }
                (Err(PasswordError::Busy), _) => Err(Problem::busy("too many passwords are being tried: try again")),
                _ => {
                    tracing::info!(%client, user, "a password was refused");
                    Err(Problem::not_accepted())
                }
            }
        }
    }
}

fn credential(headers: &HeaderMap) -> Option<Credential> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (kind, rest) = given.next()?.to_str().ok()?.split_once(' ')?;
    if given.next().is_some() {
        return None;
    }
    let rest = rest.trim();
    if kind.eq_ignore_ascii_case("bearer") {
        return Some(Credential::Bearer(rest.to_owned()));
    }
    if !kind.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    (user.len() <= LONGEST_NAME).then(|| Credential::Basic { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        credential(&headers).map(|credential| match credential {
            Credential::Bearer(token) => token,
            Credential::Basic { user, password } => format!("{user} {password}"),
        })
    }

    #[test]
    fn one_credential_or_none() {
        assert_eq!(read(&[b"Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(read(&[b"bEARER  abc "]).as_deref(), Some("abc"));
        assert_eq!(read(&[b"Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ=="]).as_deref(), Some("Aladdin open:sesame"));
        for other in
            [&b"abc"[..], b"", b"Bearer", b"Digest x", b"Basic %%", b"Basic YWJj", b"Basic /w==", b"Bearer \xff"]
        {
            assert_eq!(read(&[other]), None, "{other:?}");
        }
        assert_eq!(read(&[b"Bearer abc", b"Bearer abc"]), None);
        assert_eq!(read(&[]), None);
    }
}

//! A browser's question before the request itself (Fetch standard, CORS-preflight fetch), and its answer.

use weir_sdk::{LocalResponse, Refusal, Request, field};

use crate::policy::{Names, Policy};

/// Bytes of field names that one question may have: as many as go into one answer.
const LONGEST: usize = 4096;

/// What the page wants to send.
pub(crate) struct Preflight {
    method: String,
    headers: String,
    private_network: bool,
}

impl Preflight {
    /// None: an ordinary request, OPTIONS or not.
    pub(crate) fn of(request: &Request, has_origin: bool) -> Option<Self> {
        if !has_origin || request.method() != "OPTIONS" {
            return None;
        }
        let headers = request.headers();
        Some(Self {
            method: headers.get("access-control-request-method")?,
            headers: headers.get_all("access-control-request-headers").join(","),
            private_network: headers.get("access-control-request-private-network").as_deref() == Some("true"),
        })
    }

    /// A browser compares what is allowed with what it asked for and says on its console what is missing, so an origin that
    /// is let in gets the lists, whatever it asked.
    pub(crate) fn answer(&self, policy: &Policy, allow_origin: Option<&str>, request: &Request) -> LocalResponse {
        let Some(origin) = allow_origin else { return refuse(request) };
        let mut response = vary(LocalResponse::new(204)).header("access-control-allow-origin", origin);
        if policy.credentials {
            response = response.header("access-control-allow-credentials", "true");
        }
        if let Some(methods) = self.methods(&policy.methods) {
            response = response.header("access-control-allow-methods", methods);
        }
        if let Some(headers) = self.headers(&policy.headers) {
            response = response.header("access-control-allow-headers", headers);
        }
        if let Some(seconds) = &policy.max_age {
            response = response.header("access-control-max-age", seconds);
        }
        if policy.private_network && self.private_network {
            response = response.header("access-control-allow-private-network", "true");
        }
        response
    }

    /// `*` would mean a method of that name where there are credentials, and never covers Authorization: what was asked for
    /// is named instead.
    fn methods(&self, allowed: &Names) -> Option<String> {
        match allowed {
            Names::Any => Some(self.method.clone()).filter(|method| field::is_token(method)),
            Names::These(names) => Some(names.join(", ")).filter(|names| !names.is_empty()),
        }
    }

    fn headers(&self, allowed: &Names) -> Option<String> {
        let Names::These(names) = allowed else {
            let mut names = self.headers.split(',').map(str::trim).filter(|name| !name.is_empty());
            let is_good = self.headers.len() <= LONGEST && names.all(field::is_token);
            let names: Vec<&str> = self.headers.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            return Some(names.join(", ")).filter(|names| is_good && !names.is_empty());
        };
        Some(names.join(", ")).filter(|names| !names.is_empty())
    }
}

fn refuse(request: &Request) -> LocalResponse {
    let refusal = Refusal {
        filter: "cors",
        status: 403,
        kind: "origin-not-allowed",
        title: "The origin is not allowed",
        detail: "The filter `cors` lets no page of this origin read what is here.",
        rule: None,
    };
    vary(refusal.response(request))
}

/// OPTIONS is not cached (RFC 9110 section 9.3.7), but not every cache knows.
fn vary(response: LocalResponse) -> LocalResponse {
    response.header("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
}

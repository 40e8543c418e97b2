//! Asks the server over REST. Finds the server and the token; answers come out as values, problem documents as failures.

use std::{
    fs,
    io::{self, IsTerminal as _},
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use reqwest::{
    Body, Certificate, Client as Http, ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url,
    redirect::Policy,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{failure::Failure, person};
use crate::default_data_dir;

/// What one page of a list holds at most.
const PAGE: usize = 500;
/// Of what may be as long as a database.
const LONG: Duration = Duration::from_secs(86_400);
/// Of what goes on as long as the command.
const ENDLESS: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Where the server is and who asks.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Connect {
    /// REST address of the orchestrator
    #[arg(long, env = "WEIR_ORCHESTRATOR", value_name = "URL", default_value = "http://127.0.0.1:7080")]
    orchestrator: Url,
    /// Token [default: the file `token` in the data folder, for a server on this machine]
    #[arg(long, env = "WEIR_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// CA certificate that signed an https:// server's, PEM, and no other [default: the system's, and the file `ca.pem` in the data folder, for a server on this machine]
    #[arg(long, env = "WEIR_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The server's data folder, read for the token [default: ~/.local/share/weir/orchestrator]
    #[arg(long, env = "WEIR_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) struct Client {
    http: Http,
    base: Url,
    token: String,
    /// For the message when it is not taken.
    source_of_token: String,
}

/// A page of a list.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    pub(crate) next: Option<String>,
    /// How far a search went that took its time.
    #[serde(default)]
    pub(crate) searched_to: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    errors: Vec<Value>,
}

impl Connect {
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let base = self.orchestrator.clone();
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(Failure::Usage(format!(
                "--orchestrator {base}: expected http://HOST:PORT or https://HOST:PORT"
            )));
        }
        let (token, source_of_token) = self.token()?;
        let http = self
            .trusting(Http::builder())?
            // Not through the proxy that these commands look after, and the token goes where it was meant to.
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(120))
            .user_agent(concat!("weir-orchestrator/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::Usage(format!("TLS for {base} cannot be set up: {}", text_of(&error))))?;
        Ok(Client { http, base, token, source_of_token })
    }

    /// Of a server on this machine.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(default_data_dir)
    }

    fn token(&self) -> Result<(String, String), Failure> {
        if let Some(token) = &self.token {
            return Ok((token.trim().to_owned(), "--token or WEIR_TOKEN".to_owned()));
        }
        // The token of the server here is nothing to send to a server elsewhere, unless that is asked for.
        if self.data_dir.is_none() && !self.is_here() {
            return Err(Failure::NoToken(self.orchestrator.to_string()));
        }
        let path = self.data_dir().join("token");
        match fs::read_to_string(&path) {
            Ok(token) => Ok((token.trim().to_owned(), path.display().to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.data_dir.is_none() => {
                // Perhaps no server ever ran here; what cannot be reached is the better thing to tell.
                Ok((String::new(), format!("{}, which does not exist", path.display())))
            }
            Err(error) => Err(Failure::File { path, error }),
        }
    }
}

impl Connect {
    /// Who may have signed the server's certificate.
    fn trusting(&self, http: ClientBuilder) -> Result<ClientBuilder, Failure> {
        if self.orchestrator.scheme() != "https" {
            return Ok(http);
        }
        if let Some(file) = &self.ca {
            return Ok(http.tls_certs_only(authorities(file)?));
        }
        let own = self.data_dir.clone().unwrap_or_else(default_data_dir).join("ca.pem");
        if (self.data_dir.is_some() || self.is_here()) && own.exists() {
            return Ok(http.tls_certs_merge(authorities(&own)?));
        }
        Ok(http)
    }

    /// Is the server on this machine?
    fn is_here(&self) -> bool {
        let host = self.orchestrator.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.map_or(host == "localhost", |address| address.is_loopback())
    }
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, Failure> {
    let pem = fs::read(file).map_err(|error| Failure::File { path: file.to_owned(), error })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Failure::Usage(format!("{}: there is no certificate in PEM in it", file.display()))),
    }
}

impl Client {
    /// The value at a path under `/api/v1/`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Failure> {
        let url = self.url(path, query)?;
        let response = self.send(Method::GET, &url, None).await?;
        read(&format!("GET {}", url.path()), response).await
    }

    /// The same, with the tag that says which it is.
    pub(crate) async fn get_tagged<T: DeserializeOwned>(&self, path: &[&str]) -> Result<(T, String), Failure> {
        let url = self.url(path, &[])?;
        let response = self.send(Method::GET, &url, None).await?;
        let tag = response.headers().get(reqwest::header::ETAG).and_then(|tag| tag.to_str().ok());
        // An orchestrator of before gave none: there is something, that is all that can be asked.
        let tag = tag.unwrap_or("*").to_owned();
        Ok((read(&format!("GET {}", url.path()), response).await?, tag))
    }

    /// The same, none where there is nothing.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Failure> {
        match self.get(path, query).await {
            Ok(found) => Ok(Some(found)),
            Err(Failure::Problem { status: 404, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The bytes at a path, none where there are none.
    pub(crate) async fn bytes(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Option<Vec<u8>>, Failure> {
        let url = self.url(path, query)?;
        match self.send(Method::GET, &url, None).await {
            Ok(response) => match response.bytes().await {
                Ok(bytes) => Ok(Some(bytes.to_vec())),
                Err(error) => Err(self.unreachable(&error)),
            },
            Err(Failure::Problem { status: 404, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The bytes at a path as they come, however many.
    pub(crate) async fn download(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let url = self.url(path, query)?;
        let mut response = self.ask(self.http.get(url.clone()).timeout(LONG)).await?;
        loop {
            let broken = |error| Failure::Answer {
                asked: format!("GET {}", url.path()),
                reason: format!("it broke off: {}", text_of(&error)),
            };
            match response.chunk().await.map_err(broken)? {
                Some(chunk) => take(&chunk)?,
                None => return Ok(()),
            }
        }
    }

    /// What comes at a path for as long as somebody follows, from behind the last id that came.
    pub(crate) async fn follow(&self, path: &[&str], query: &[(&str, &str)], last: &str) -> Result<Response, Failure> {
        let url = self.url(path, query)?;
        let request = self.http.get(url).timeout(ENDLESS).header("Last-Event-ID", last);
        self.ask(request).await
    }

    /// Posts what may be as long as a disk.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        path: &[&str],
        kind: &str,
        body: Body,
    ) -> Result<T, Failure> {
        let url = self.url(path, &[])?;
        let request = self.http.post(url.clone()).timeout(LONG).header(reqwest::header::CONTENT_TYPE, kind).body(body);
        read(&format!("POST {}", url.path()), self.ask(request).await?).await
    }

    /// Deletes what fits, however much; what the server says of it.
    pub(crate) async fn delete_all(&self, path: &[&str], query: &str) -> Result<Value, Failure> {
        let url = self.url(path, &[("query", query)])?;
        let response = self.ask(self.http.delete(url.clone()).timeout(LONG)).await?;
        read(&format!("DELETE {}", url.path()), response).await
    }

    /// Every item of a short list.
    pub(crate) async fn all(&self, path: &[&str]) -> Result<Vec<Value>, Failure> {
        let page: Page = self.get(path, &[]).await?;
        let mut items = page.items;
        let mut next = page.next;
        while let Some(cursor) = next.take() {
            let page: Page = self.get(path, &[("cursor", &cursor)]).await?;
            items.extend(page.items);
            next = page.next.filter(|next| *next != cursor);
        }
        Ok(items)
    }

    /// The first `limit` items of a long list, page after page.
    pub(crate) async fn list(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < limit {
            let page_size = (limit - items.len()).min(PAGE).to_string();
            let mut query = query.to_vec();
            query.push(("limit", &page_size));
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let page: Page = self.get(path, &query).await?;
            let full = page.items.len() == (limit - items.len()).min(PAGE);
            items.extend(page.items);
            if let (false, Some(to)) = (full, page.searched_to)
                && io::stderr().is_terminal()
            {
                eprintln!("(searched back to {}, {} found; ctrl-c ends it)", person::line(&to), items.len());
            }
            match page.next {
                Some(next) if Some(&next) != cursor.as_ref() => cursor = Some(next),
                _ => break,
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    /// Posts JSON.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T, Failure> {
        self.post_to(path, &[], body).await
    }

    /// The same, with a query.
    pub(crate) async fn post_to<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: &Value,
    ) -> Result<T, Failure> {
        let url = self.url(path, query)?;
        let response = self.send(Method::POST, &url, Some(body)).await?;
        read(&format!("POST {}", url.path()), response).await
    }

    /// The same for what takes as long as an exchange does.
    pub(crate) async fn post_long<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T, Failure> {
        let url = self.url(path, &[])?;
        let response = self.ask(self.http.post(url.clone()).timeout(LONG).json(body)).await?;
        read(&format!("POST {}", url.path()), response).await
    }

    /// Deletes what these say of it; what the server says.
    pub(crate) async fn delete_where(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Failure> {
        let url = self.url(path, query)?;
        read(&format!("DELETE {}", url.path()), self.send(Method::DELETE, &url, None).await?).await
    }

    /// Deletes one thing, with where to look for it.
    pub(crate) async fn delete_one(&self, path: &[&str], query: &[(&str, &str)]) -> Result<(), Failure> {
        self.send(Method::DELETE, &self.url(path, query)?, None).await.map(drop)
    }

    /// Puts JSON in place of what is at a path, if it still has this tag: else a problem with status 412.
    pub(crate) async fn put_if<T: DeserializeOwned>(
        &self,
        path: &[&str],
        tag: &str,
        body: &Value,
    ) -> Result<T, Failure> {
        let url = self.url(path, &[])?;
        let request = self.http.put(url.clone()).header(reqwest::header::IF_MATCH, tag).json(body);
        read(&format!("PUT {}", url.path()), self.ask(request).await?).await
    }

    /// Changes what these say of something (RFC 7396).
    pub(crate) async fn patch<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T, Failure> {
        let url = self.url(path, &[])?;
        read(&format!("PATCH {}", url.path()), self.send(Method::PATCH, &url, Some(body)).await?).await
    }

    /// Deletes what is at a path.
    pub(crate) async fn delete(&self, path: &[&str]) -> Result<(), Failure> {
        self.send(Method::DELETE, &self.url(path, &[])?, None).await.map(drop)
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::Usage(format!("--orchestrator {} cannot carry a path", self.base)))?
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn send(&self, method: Method, url: &Url, body: Option<&Value>) -> Result<Response, Failure> {
        let mut request = self.http.request(method, url.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        self.ask(request).await
    }

    /// An answer that is no failure.
    async fn ask(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.bearer_auth(&self.token).send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(Failure::Unauthorized {
                url: self.base.to_string(),
                source_of_token: self.source_of_token.clone(),
            });
        }
        let text = response.text().await.unwrap_or_default();
        Err(Failure::Problem { status: status.as_u16(), text: problem_text(status, &text) })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let (url, reason) = (self.base.to_string(), text_of(error));
        if reason.contains("peer certificate") {
            return Failure::Untrusted { url, reason };
        }
        Failure::Unreachable { url, reason }
    }
}

async fn read<T: DeserializeOwned>(asked: &str, response: Response) -> Result<T, Failure> {
    let fault = |reason: String| Failure::Answer { asked: asked.to_owned(), reason };
    let bytes = response.bytes().await.map_err(|error| fault(text_of(&error)))?;
    serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))
}

/// `title: detail` of a problem document (RFC 9457), else the first of what came.
fn problem_text(status: StatusCode, body: &str) -> String {
    let problem: Problem = serde_json::from_str(body).unwrap_or_default();
    let mut text = match (problem.title, problem.detail) {
        (Some(title), Some(detail)) if !detail.starts_with(&title) => format!("{title}: {detail}"),
        (_, Some(text)) | (Some(text), None) => text,
        (None, None) if body.trim().is_empty() => status.canonical_reason().unwrap_or("no reason given").to_owned(),
        (None, None) => body.trim().chars().take(200).collect(),
    };
    for error in problem.errors {
        let pointer = error["pointer"].as_str().unwrap_or_default();
        let detail = error["detail"].as_str().or_else(|| error["message"].as_str()).unwrap_or_default();
        text.push_str(&format!("\n  {pointer}: {detail}"));
    }
    text
}

/// An error with its causes: reqwest's own text leaves out the one that matters.
pub(crate) fn text_of(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: &str) {
        assert_eq!(problem_text(StatusCode::CONFLICT, body), expect);
    }

    #[test]
    fn problems_read_well() {
        check(r#"{"title":"Conflict","detail":"version 1 is not above 2"}"#, "Conflict: version 1 is not above 2");
        check(r#"{"title":"Conflict","detail":"Conflict with 2"}"#, "Conflict with 2");
        check(r#"{"title":"Conflict"}"#, "Conflict");
        check(r#"{"detail":"d","errors":[{"pointer":"/a","detail":"b"}]}"#, "d\n  /a: b");
        check("", "Conflict");
        check("gone wrong", "gone wrong");
    }
}

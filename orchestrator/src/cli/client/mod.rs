//! Asks the server over REST. Answers come out as values, problem documents as failures.

mod answer;
mod connect;
mod pages;

use std::time::Duration;

use reqwest::{Body, Client as Http, Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::Failure;
pub(crate) use answer::text_of;
use answer::{advice, problem_text, read, stranger};
pub(crate) use connect::Connect;

/// Of what may be as long as a database.
const LONG: Duration = Duration::from_secs(86_400);
/// Of what goes on as long as the command.
const ENDLESS: Duration = Duration::from_secs(10 * 365 * 86_400);

pub(crate) struct Client {
    http: Http,
    base: Url,
    token: String,
    /// For the message when it is not taken.
    source_of_token: String,
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
    pub(crate) async fn delete_all(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Failure> {
        let url = self.url(path, query)?;
        let response = self.ask(self.http.delete(url.clone()).timeout(LONG)).await?;
        read(&format!("DELETE {}", url.path()), response).await
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
        if let Some(what) = stranger(&response) {
            return Err(Failure::Refused(format!("no orchestrator's REST answers at {}: {what}", self.base)));
        }
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
        let reason = match advice(&reason, self.base.scheme()) {
            Some(advice) => format!("{reason}; {advice}"),
            None => reason,
        };
        Failure::Unreachable { url, reason }
    }
}

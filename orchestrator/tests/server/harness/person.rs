//! Somebody who asks over REST.

use std::{net::SocketAddr, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Somebody with the admin token.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) http: reqwest::Client,
}

impl Person {
    pub(crate) fn new(rest: SocketAddr, dir: &Path) -> Self {
        let token = std::fs::read_to_string(dir.join("token")).unwrap().trim().to_owned();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base: format!("http://{rest}"), token, http }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    pub(crate) async fn ask(&self, path: &str) -> (StatusCode, Value) {
        let response = self.request(Method::GET, path).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let response = self.request(Method::POST, path).json(body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    pub(crate) async fn join_token(&self, group: &str) -> JoinTicket {
        let (status, body) = self.post("/api/v1/join-tokens", &json!({ "group": group })).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let ca = STANDARD.decode(body["ca"].as_str().unwrap()).unwrap();
        JoinTicket { token: body["token"].as_str().unwrap().to_owned(), ca }
    }

    /// Exchanges that fit, over all pages.
    pub(crate) async fn ids(&self, query: &str, limit: usize) -> Vec<String> {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let url = format!("{}/api/v1/exchanges?limit={limit}{cursor}", self.base);
            let request = self.http.get(url).query(&[("query", query)]).bearer_auth(&self.token);
            let page: Value = request.send().await.unwrap().json().await.unwrap();
            let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
            assert!(items.len() <= limit);
            ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    }
}

/// What a join token holds of the orchestrator.
#[derive(Clone)]
pub(crate) struct JoinTicket {
    pub(crate) token: String,
    pub(crate) ca: Vec<u8>,
}

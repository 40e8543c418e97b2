//! Finds the server, the token, and who may have signed the server's certificate.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use reqwest::{Certificate, Client as Http, ClientBuilder, Url, redirect::Policy};

use super::{Client, text_of};
use crate::{cli::failure::Failure, default_data_dir};

/// Where the server is and who asks.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Connect {
    /// REST address of the orchestrator
    #[arg(long, env = "WEIR_ORCHESTRATOR", value_name = "URL", default_value = "http://127.0.0.1:7080", value_parser = address)]
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

impl Connect {
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let base = self.orchestrator.clone();
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
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.data_dir.is_none() => {
                // Perhaps no server ever ran here; what cannot be reached is the better thing to tell.
                Ok((String::new(), format!("{}, which does not exist", path.display())))
            }
            Err(error) => Err(Failure::File { path, error }),
        }
    }

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

/// Where REST is.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    url.ok_or_else(|| "expected http://HOST:PORT or https://HOST:PORT".to_owned())
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, Failure> {
    let pem = fs::read(file).map_err(|error| Failure::File { path: file.to_owned(), error })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Failure::Usage(format!("{}: there is no certificate in PEM in it", file.display()))),
    }
}

//! `orchestrator ca`: the root that clients of a fleet trust for interception. Made and used where its key lies, which may be
//! a machine that runs no server; shown and handed out by the server.

use std::{fs, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clap::{Args, Subcommand};
use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};

use super::{
    client::Connect,
    failure::Failure,
    output::{self, Format},
    person, units,
};
use crate::{pki::PkiError, root::Roots};

/// Make, show, hand out and use the root for interception by agents
#[derive(Debug, Args)]
pub(crate) struct Ca {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a root. In the server's data folder, agents get their intermediates from the server; in a folder elsewhere the key
    /// stays there: copy interception-ca.pem alone to the server
    Create {
        /// Folder for interception-ca.pem and interception-ca.key [default: the data folder of a server]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// The root of the server
    Show {
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        connect: Connect,
    },
    /// The root's certificate, for clients to trust
    Export {
        /// File to write [default: standard output]
        file: Option<PathBuf>,
        #[command(flatten)]
        connect: Connect,
    },
    /// Sign what `agent ca --request` printed, where the root's key is; what it prints is for `agent ca --install`
    Sign {
        /// The request
        request: PathBuf,
        /// Folder with interception-ca.pem and interception-ca.key [default: the data folder of a server]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Name of the agent, for people who look at a chain
        #[arg(long, value_name = "NAME", default_value = "signed by hand")]
        name: String,
        /// How long it lasts
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = units::duration)]
        expires_in: Duration,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Shown {
    certificate: String,
    subject: String,
    fingerprint: String,
    begins: String,
    ends: String,
    online: bool,
}

impl Ca {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Create { dir } => {
                let roots = roots(dir, Duration::ZERO);
                let root = roots.create().map_err(failed)?;
                let key = roots.key_file();
                Ok(output::say(format!(
                    "made {}\n{}\nwhoever has {} can pass for any site to every client that trusts it",
                    root.subject,
                    root.fingerprint(),
                    key.display()
                ))?)
            }
            Command::Show { format, connect } => {
                let shown: Shown = connect.client()?.get(&["ca"], &[]).await?;
                if format == Format::Json {
                    return Ok(output::json(&shown)?);
                }
                let key = if shown.online { "at the server" } else { "elsewhere" };
                let lines = [
                    ("subject", &*shown.subject),
                    ("sha-256", &shown.fingerprint),
                    ("from", &shown.begins),
                    ("until", &shown.ends),
                    ("key", key),
                ];
                let lines = lines.map(|(name, value)| format!("{name:<8} {}", person::line(value)));
                Ok(output::say(lines.join("\n"))?)
            }
            Command::Export { file, connect } => {
                let shown: Shown = connect.client()?.get(&["ca"], &[]).await?;
                match file {
                    Some(path) => fs::write(&path, &shown.certificate).map_err(|error| Failure::File { path, error }),
                    None => Ok(output::bytes(shown.certificate.as_bytes())?),
                }
            }
            Command::Sign { request, dir, name, expires_in } => {
                let text = fs::read(&request).map_err(|error| Failure::File { path: request.clone(), error })?;
                let wrong = |error: rustls_pki_types::pem::Error| {
                    Failure::Usage(format!("{}: it is no certificate request: {error}", request.display()))
                };
                let request = CertificateSigningRequestDer::from_pem_slice(&text).map_err(wrong)?;
                let roots = roots(dir, expires_in);
                let none = || Failure::Refused(format!("there is no root in {}", roots.dir.display()));
                let root = roots.load().map_err(failed)?.ok_or_else(none)?;
                let chain = roots.sign(&root, &name, &request).map_err(failed)?;
                Ok(output::bytes(chain.iter().map(|der| pem(der)).collect::<String>().as_bytes())?)
            }
        }
    }
}

fn roots(dir: Option<PathBuf>, lifetime: Duration) -> Roots {
    Roots { dir: dir.unwrap_or_else(crate::default_data_dir), lifetime }
}

fn failed(error: PkiError) -> Failure {
    Failure::Refused(error.to_string())
}

/// RFC 7468.
fn pem(der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

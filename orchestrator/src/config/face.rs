//! How people and programs meet REST: in plain HTTP or over TLS, with whose certificate, from which pages, how often.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf};

use clap::ValueEnum;
use reqwest::Url;
use serde::Deserialize;

use super::{ConfigError, OidcArgs, value};
use crate::access::{Network, NetworkError, OidcConfig, Proxies, ProxyHeader, RateLimits};

/// Requests a second, and failed sign-ins a minute.
const REQUESTS: u32 = 200;
const SIGN_INS: u32 = 60;
/// Connections of one address at a time.
const CONNECTIONS: u32 = 512;

/// What `--rest-tls` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// With a certificate of the orchestrator's own CA, the file `ca.pem` of the data folder
    Own,
    /// Plain HTTP, on this machine only
    Off,
}

/// How REST is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestTls {
    /// Plain HTTP.
    Off,
    /// A certificate of the own CA, made anew at each start and now and then.
    Own,
    /// The operator's files, read again when they change.
    Files {
        /// PEM, the server's certificate first.
        certificate: PathBuf,
        /// PEM.
        key: PathBuf,
    },
}

/// What people and programs meet.
#[derive(Debug, Clone)]
pub struct Face {
    /// TLS, or none.
    pub tls: RestTls,
    /// Pages of these origins may ask.
    pub origins: Vec<String>,
    /// How often somebody may ask.
    pub rates: RateLimits,
    /// Whose word on who asks counts.
    pub proxies: Proxies,
    /// Whose tokens sign people in, beside the orchestrator's own.
    pub oidc: Option<OidcConfig>,
}

/// Flags about what people and programs meet at REST. Each is also a key of the file and a variable.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FaceArgs {
    /// TLS on REST: `own` for a certificate of the orchestrator's CA [default: off; files where they are given]
    #[arg(long, env = "WEIR_REST_TLS", value_name = "MODE")]
    pub rest_tls: Option<TlsMode>,
    /// Certificate chain for TLS on REST, PEM; read again when it changes
    #[arg(long, env = "WEIR_REST_TLS_CERT", value_name = "FILE")]
    pub rest_tls_cert: Option<PathBuf>,
    /// Its key, PEM, which others cannot read
    #[arg(long, env = "WEIR_REST_TLS_KEY", value_name = "FILE")]
    pub rest_tls_key: Option<PathBuf>,
    /// Serve REST in plain HTTP beyond this machine: whoever can listen on the way learns the admin token
    #[arg(long, env = "WEIR_ALLOW_REMOTE_PLAIN_REST", num_args = 0..=1, default_missing_value = "true")]
    pub allow_remote_plain_rest: Option<bool>,
    /// Origins whose pages may ask from a browser, such as https://tools.example.com [default: none]
    #[arg(long, env = "WEIR_CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origins: Option<Vec<String>>,
    /// Requests a second of one token or user, ten times as many at once; 0 for no bound [default: 200]
    #[arg(long, env = "WEIR_RATE_LIMIT", value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Sign-ins a minute that one address may fail; 0 for no bound [default: 60]
    #[arg(long, env = "WEIR_SIGN_IN_LIMIT", value_name = "N")]
    pub sign_in_limit: Option<u32>,
    /// Connections of one address at a time; 0 for no bound [default: 512]
    #[arg(long, env = "WEIR_CONNECTION_LIMIT", value_name = "N")]
    pub connection_limit: Option<u32>,
    /// Addresses or networks of proxies before this server, such as 10.0.0.0/8: what they say of who asks counts for rates and the
    /// audit trail [default: none]
    #[arg(long, env = "WEIR_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',')]
    pub trusted_proxies: Option<Vec<String>>,
    /// Where these proxies say it, which each of them has to set or add to [default: x-forwarded-for]
    #[arg(long, env = "WEIR_PROXY_HEADER", value_name = "NAME")]
    pub proxy_header: Option<ProxyHeader>,
    /// Tokens of an issuer
    #[command(flatten)]
    pub oidc: OidcArgs,
}

impl FaceArgs {
    /// These, and where they are silent those of `file`.
    pub(super) fn over(self, file: Self) -> Self {
        // One mode, or one pair of files: what a flag says of it is not mixed with what the file says.
        let tls = if self.says_tls() { &self } else { &file };
        Self {
            rest_tls: tls.rest_tls,
            rest_tls_cert: tls.rest_tls_cert.clone(),
            rest_tls_key: tls.rest_tls_key.clone(),
            allow_remote_plain_rest: self.allow_remote_plain_rest.or(file.allow_remote_plain_rest),
            cors_origins: self.cors_origins.or(file.cors_origins),
            rate_limit: self.rate_limit.or(file.rate_limit),
            sign_in_limit: self.sign_in_limit.or(file.sign_in_limit),
            connection_limit: self.connection_limit.or(file.connection_limit),
            trusted_proxies: self.trusted_proxies.or(file.trusted_proxies),
            proxy_header: self.proxy_header.or(file.proxy_header),
            oidc: self.oidc.over(file.oidc),
        }
    }

    fn says_tls(&self) -> bool {
        self.rest_tls.is_some() || self.rest_tls_cert.is_some() || self.rest_tls_key.is_some()
    }

    /// Is the key set by flag or variable?
    pub(super) fn sets(&self, key: &str) -> bool {
        match key {
            "rest_tls" => self.rest_tls.is_some(),
            "rest_tls_cert" => self.rest_tls_cert.is_some(),
            "rest_tls_key" => self.rest_tls_key.is_some(),
            "cors_origins" => self.cors_origins.is_some(),
            "trusted_proxies" => self.trusted_proxies.is_some(),
            "proxy_header" => self.proxy_header.is_some(),
            key => self.oidc.sets(key),
        }
    }

    /// All of it, checked, for this address.
    pub(super) fn face(self, rest: SocketAddr) -> Result<Face, ConfigError> {
        let origins = self.cors_origins.iter().flatten().map(|text| origin(text)).collect::<Result<_, _>>()?;
        let rates = RateLimits {
            requests: NonZeroU32::new(self.rate_limit.unwrap_or(REQUESTS)),
            sign_ins: NonZeroU32::new(self.sign_in_limit.unwrap_or(SIGN_INS)),
            connections: NonZeroU32::new(self.connection_limit.unwrap_or(CONNECTIONS)),
        };
        let oidc = self.oidc.clone().oidc()?;
        let proxies = proxies(self.trusted_proxies.as_deref(), self.proxy_header)?;
        Ok(Face { tls: self.tls(rest)?, origins, rates, proxies, oidc })
    }

    /// How REST is served at this address.
    fn tls(self, rest: SocketAddr) -> Result<RestTls, ConfigError> {
        let tls = match (self.rest_tls, self.rest_tls_cert, self.rest_tls_key) {
            (None, Some(certificate), Some(key)) => RestTls::Files { certificate, key },
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                return Err(value(
                    "rest_tls",
                    "either a mode, or a certificate and a key in files, not both".to_owned(),
                ));
            }
            (None, Some(_), None) => return Err(value("rest_tls_cert", "needs rest_tls_key beside it".to_owned())),
            (None, None, Some(_)) => return Err(value("rest_tls_key", "needs rest_tls_cert beside it".to_owned())),
            (Some(TlsMode::Own), None, None) => RestTls::Own,
            (Some(TlsMode::Off) | None, None, None) => RestTls::Off,
        };
        let forced = self.allow_remote_plain_rest.unwrap_or(false);
        if tls == RestTls::Off && !rest.ip().is_loopback() && !forced {
            return Err(value("rest", remote_plain(rest)));
        }
        Ok(tls)
    }
}

fn proxies(trusted: Option<&[String]>, header: Option<ProxyHeader>) -> Result<Proxies, ConfigError> {
    let fault = |reason: String| value("trusted_proxies", reason);
    let network = |text: &String| {
        let network: Network = text.trim().parse().map_err(|error: NetworkError| fault(error.to_string()))?;
        if network.is_all() {
            return Err(fault(format!(
                "`{text}` is everybody: any client could then choose the address it is known by"
            )));
        }
        Ok(network)
    };
    let trusted = trusted.unwrap_or_default().iter().map(network).collect::<Result<Vec<_>, _>>()?;
    if header.is_some() && trusted.is_empty() {
        return Err(value("proxy_header", "needs trusted_proxies beside it".to_owned()));
    }
    Ok(Proxies { trusted, header: header.unwrap_or_default() })
}

/// As browsers write it in `Origin` (RFC 6454 section 6.2). All of them is no origin: with what a browser knows of a user, any page
/// could then do what the user may.
fn origin(text: &str) -> Result<String, ConfigError> {
    let fault = || value("cors_origins", format!("`{text}` is no origin: SCHEME://HOST, or SCHEME://HOST:PORT"));
    let url = Url::parse(text).map_err(|_| fault())?;
    let alone = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let origin = url.origin();
    (alone && origin.is_tuple()).then(|| origin.ascii_serialization()).ok_or_else(fault)
}

fn remote_plain(rest: SocketAddr) -> String {
    format!(
        "{rest} is reachable from other machines, and in plain HTTP whoever can listen on the way learns the admin token. \
         One of: rest_tls = \"own\" (a certificate of the orchestrator's CA), rest_tls_cert and rest_tls_key (files), or a \
         loopback address behind a TLS proxy. allow_remote_plain_rest forces it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: FaceArgs, rest: &str, expect: Result<RestTls, &str>) {
        match (args.tls(rest.parse().unwrap()), expect) {
            (Ok(tls), Ok(expect)) => assert_eq!(tls, expect),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (got, expect) => panic!("{got:?}, not {expect:?}"),
        }
    }

    #[test]
    fn plain_stays_on_this_machine() {
        check(FaceArgs::default(), "127.0.0.1:1", Ok(RestTls::Off));
        check(FaceArgs::default(), "[::1]:1", Ok(RestTls::Off));
        for way in ["rest_tls = \"own\"", "rest_tls_cert", "TLS proxy", "allow_remote_plain_rest"] {
            check(FaceArgs::default(), "0.0.0.0:1", Err(way));
            let off = FaceArgs { rest_tls: Some(TlsMode::Off), ..FaceArgs::default() };
            check(off, "[::]:1", Err(way));
        }
        let forced = FaceArgs { allow_remote_plain_rest: Some(true), ..FaceArgs::default() };
        check(forced, "0.0.0.0:1", Ok(RestTls::Off));
        let own = FaceArgs { rest_tls: Some(TlsMode::Own), ..FaceArgs::default() };
        check(own, "0.0.0.0:1", Ok(RestTls::Own));
    }

    #[test]
    fn origins_are_as_browsers_write_them() {
        for (text, expect) in [
            ("https://Tools.example.com", Some("https://tools.example.com")),
            ("https://tools.example.com:443/", Some("https://tools.example.com")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("*", None),
            ("null", None),
            ("tools.example.com", None),
            ("https://a.example/x", None),
            ("https://a.example?x", None),
            ("https://anna@a.example", None),
            ("file:///x", None),
        ] {
            assert_eq!(origin(text).ok().as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn proxies_are_named_and_not_everybody() {
        let read = |trusted: &[&str], header| {
            let trusted: Vec<String> = trusted.iter().map(|text| (*text).to_owned()).collect();
            proxies(Some(&trusted), header).map_err(|error| error.to_string())
        };
        assert_eq!(read(&["10.0.0.0/8", " ::1 "], Some(ProxyHeader::Forwarded)).unwrap().trusted.len(), 2);
        assert!(proxies(None, None).unwrap().trusted.is_empty());
        for (trusted, header, reason) in [
            (&["proxy.example"][..], None, "trusted_proxies: `proxy.example` is neither an IP address nor a network"),
            (&["10.0.0.1/8"], None, "trusted_proxies: `10.0.0.1/8` is an address within a network"),
            (&["0.0.0.0/0"], None, "trusted_proxies: `0.0.0.0/0` is everybody"),
            (&["::/0"], None, "trusted_proxies: `::/0` is everybody"),
            (&[], Some(ProxyHeader::Forwarded), "proxy_header: needs trusted_proxies beside it"),
        ] {
            let refused = read(trusted, header).unwrap_err();
            assert!(refused.starts_with(reason), "{refused}");
        }
    }

    #[test]
    fn files_come_in_pairs_and_alone() {
        let cert = || FaceArgs { rest_tls_cert: Some("c".into()), ..FaceArgs::default() };
        check(cert(), "127.0.0.1:1", Err("rest_tls_cert: needs rest_tls_key"));
        let key = FaceArgs { rest_tls_key: Some("k".into()), ..FaceArgs::default() };
        check(key, "127.0.0.1:1", Err("rest_tls_key: needs rest_tls_cert"));
        check(FaceArgs { rest_tls: Some(TlsMode::Own), ..cert() }, "127.0.0.1:1", Err("not both"));
        let both = FaceArgs { rest_tls_key: Some("k".into()), ..cert() };
        let files = RestTls::Files { certificate: "c".into(), key: "k".into() };
        check(both.clone(), "0.0.0.0:1", Ok(files.clone()));
        let own = FaceArgs { rest_tls: Some(TlsMode::Own), ..FaceArgs::default() };
        check(both.over(own), "0.0.0.0:1", Ok(files));
    }
}

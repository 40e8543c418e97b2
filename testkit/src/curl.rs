//! curl as a client of the proxy: a program that is not ours and that people use.

use std::{net::SocketAddr, path::Path};

use anyhow::Context as _;

use crate::process::{Finished, run};

/// curl through a proxy, trusting a CA file.
pub struct Curl<'a> {
    proxy: SocketAddr,
    ca: &'a Path,
}

/// What curl got.
#[derive(Debug)]
pub struct CurlReply {
    /// Status of the last response; 0 for none.
    pub status: u16,
    /// "1.1" or "2".
    pub version: String,
    /// Response heads, CONNECT's left out.
    pub head: String,
    /// The body.
    pub body: String,
    /// curl's own words (`--verbose`).
    pub verbose: String,
}

const MARK: &str = "\n--curl ";

impl<'a> Curl<'a> {
    /// See the type.
    pub fn new(proxy: SocketAddr, ca: &'a Path) -> Self {
        Self { proxy, ca }
    }

    /// Runs curl with further arguments, whatever comes of it.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        let proxy = format!("http://{}", self.proxy);
        let ca = self.ca.to_str().context("a path in UTF-8")?;
        let mut all = vec!["--proxy", &proxy, "--noproxy", "", "--cacert", ca, "--silent", "--show-error"];
        all.extend(["--verbose", "--max-time", "60", "--suppress-connect-headers"]);
        all.extend(arguments);
        run(Path::new("curl"), all, &[]).await
    }

    /// Runs curl, which must get a response.
    pub async fn get(&self, arguments: &[&str]) -> anyhow::Result<CurlReply> {
        let format = format!("{MARK}%{{http_code}} %{{http_version}}");
        let mut all = vec!["--include", "--write-out", &format];
        all.extend(arguments);
        let finished = self.run(&all).await?;
        let verbose = finished.stderr.clone();
        let text = finished.ok()?;
        let (rest, tail) = text.rsplit_once(MARK).context("curl's last line")?;
        let (status, version) = tail.split_once(' ').context("status and version")?;
        // with 100 (Continue) there are several heads
        let (mut head, mut body) = (String::new(), rest);
        while body.starts_with("HTTP/") {
            let (one, after) = body.split_once("\r\n\r\n").context("the end of a head")?;
            head.push_str(one);
            head.push_str("\r\n\r\n");
            body = after;
        }
        Ok(CurlReply {
            status: status.parse()?,
            version: version.trim().to_owned(),
            head,
            body: body.to_owned(),
            verbose,
        })
    }
}

//! What every measurement stands on: a folder under target/bench, certificates, an nginx origin on CPU 1, tools.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::{
    child::Child,
    steps::{cargo, output, step, target_dir, works},
    test::programs,
};

/// CPU of the proxy.
pub(super) const PROXY_CPU: &str = "0";
/// CPU of load, origin and orchestrator.
pub(super) const OTHER_CPU: &str = "1";
/// Server-sent events in one response of the origin.
pub(super) const EVENTS: usize = 100;

/// See the module.
pub(super) struct Site {
    pub(super) dir: PathBuf,
    /// The release build.
    pub(super) bin: PathBuf,
    pub(super) filters: PathBuf,
    pub(super) oha: PathBuf,
    /// host:port of the origin.
    pub(super) plain: String,
    /// localhost:port of the origin with TLS.
    pub(super) tls: String,
    _origin: Child,
}

impl Site {
    /// Without `oha` only what wrk measures can be measured.
    pub(super) fn prepare(with_oha: bool) -> anyhow::Result<Self> {
        programs(&[("nginx", "nginx-light"), ("wrk", "wrk"), ("openssl", "openssl"), ("taskset", "util-linux")])?;
        let target = target_dir()?;
        let dir = target.join("bench");
        fs::create_dir_all(&dir)?;
        let oha = if with_oha { oha(&target)? } else { "oha".into() };
        certificates(&dir)?;
        let (plain, tls) = (free_port()?, free_port()?);
        fs::write(dir.join("slow.txt"), "0123456789".repeat(2400))?;
        let events = (0..EVENTS).map(|event| format!("id: {event}\ndata: {{\"price\": {event}}}\n\n"));
        fs::write(dir.join("events.txt"), events.collect::<String>())?;
        let config = dir.join("origin.conf");
        fs::write(&config, origin_config(&dir, plain, tls))?;
        let mut nginx = pinned(OTHER_CPU, Path::new("nginx"));
        nginx.arg("-p").arg(&dir).arg("-c").arg(&config);
        let origin = Child::spawn("origin", &mut nginx, &dir.join("origin.log"))?;
        wait_for(plain, "the origin")?;
        Ok(Self {
            bin: target.join("release"),
            filters: target.join("filters"),
            oha,
            plain: format!("127.0.0.1:{plain}"),
            tls: format!("localhost:{tls}"),
            dir,
            _origin: origin,
        })
    }
}

/// A program bound to one CPU.
pub(super) fn pinned(cpu: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cpu]).arg(program);
    command
}

pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

pub(super) fn wait_for(port: u16, what: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(Instant::now() < deadline, "{what} does not listen on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Unique bodies: nginx's random request id and the client's random path, 100 bytes that compress badly.
fn origin_config(dir: &Path, plain: u16, tls: u16) -> String {
    format!(
        "daemon off; master_process off; pid origin.pid; error_log stderr;\n\
         events {{ worker_connections 12288; }}\n\
         http {{ access_log off; keepalive_requests 100000000; client_body_temp_path ob; proxy_temp_path op;\n\
         fastcgi_temp_path of; uwsgi_temp_path ou; scgi_temp_path os;\n\
         server {{ listen 127.0.0.1:{plain} backlog=1024; listen 127.0.0.1:{tls} ssl backlog=1024;\n\
         ssl_certificate {dir}/leaf.pem; ssl_certificate_key {dir}/leaf.key; ssl_protocols TLSv1.3;\n\
         location ~ ^/u/(.*)$ {{ default_type application/octet-stream; return 200 \"$request_id$1\"; }}\n\
         location = /events {{ types {{ }} default_type text/event-stream; alias {dir}/events.txt; }}\n\
         location = /slow {{ limit_rate 200; limit_rate_after 500; alias {dir}/slow.txt; }} }} }}\n",
        dir = dir.display(),
    )
}

/// ECDSA P-256, a root and a leaf, by openssl: once.
fn certificates(dir: &Path) -> anyhow::Result<()> {
    if dir.join("leaf.pem").exists() {
        return Ok(());
    }
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        output(command.args(arguments.split(' ')).current_dir(dir)).map(drop)
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365";
    openssl(&format!(
        "req -x509 {key} -keyout root.key -out root.pem -subj /CN=bench -addext keyUsage=critical,keyCertSign,cRLSign"
    ))?;
    openssl(&format!("req {key} -keyout leaf.key -out leaf.csr -subj /CN=localhost"))?;
    fs::write(dir.join("leaf.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n")?;
    openssl(
        "x509 -req -in leaf.csr -CA root.pem -CAkey root.key -CAcreateserial -days 365 -extfile leaf.ext -out leaf.pem",
    )
}

/// The load generator for TLS and for open loops; built here when the machine has none.
fn oha(target: &Path) -> anyhow::Result<PathBuf> {
    if works("oha", &["--version"]) {
        return Ok("oha".into());
    }
    let root = target.join("tools");
    let oha = root.join("bin/oha");
    if !oha.exists() {
        let root = root.to_str().context("a path in UTF-8")?;
        let arguments = ["install", "oha", "--version", "1.16.0", "--locked", "--root", root];
        step("oha, the load generator (some minutes, once)", &mut cargo(&arguments))?;
    }
    Ok(oha)
}

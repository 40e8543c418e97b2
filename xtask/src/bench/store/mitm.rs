//! What mitmproxy needs of memory for the same kind of exchange: mitmweb, which keeps the flows that people look at, before
//! and after some thousands of them.

use std::{fs, path::Path, process::Command, time::Duration};

use super::super::{
    cpu,
    site::{OTHER_CPU, free_port, pinned, wait_for},
};
use crate::{
    child::Child,
    steps::{output, step},
    test::programs,
};

const VERSION: &str = "mitmproxy==11.0.2";
/// Requests of the first, and of the second round: what the first one warms up is in neither.
const ROUNDS: [u32; 2] = [2_000, 20_000];

pub(super) fn run(target: &Path, dir: &Path) -> anyhow::Result<()> {
    programs(&[("nginx", "nginx-light"), ("wrk", "wrk"), ("curl", "curl")])?;
    let tools = target.join("tools/mitmproxy");
    let mitmweb = tools.join("bin/mitmweb");
    if !mitmweb.exists() {
        step("a Python of its own", Command::new("python3").args(["-m", "venv"]).arg(&tools))?;
        step("mitmproxy", Command::new(tools.join("bin/pip")).args(["install", "--quiet", VERSION]))?;
    }
    let (port, web, origin) = (free_port()?, free_port()?, free_port()?);
    let _origin = body(dir, origin)?;
    let mut command = Command::new(&mitmweb);
    command.args(["--no-web-open-browser", "--listen-host", "127.0.0.1", "--listen-port", &port.to_string()]);
    command.args(["--web-host", "127.0.0.1", "--web-port", &web.to_string(), "--set", "flow_detail=0"]);
    command.arg("--set").arg(format!("confdir={}", dir.join("mitmproxy").display()));
    let process = Child::spawn("mitmweb", &mut command, &dir.join("mitmweb.log"))?;
    wait_for(port, "mitmweb")?;
    let mut sizes = Vec::new();
    for requests in ROUNDS {
        load(dir, port, origin, requests)?;
        std::thread::sleep(Duration::from_secs(1));
        sizes.push(cpu::resident(process.pid()));
    }
    let each = sizes[1].saturating_sub(sizes[0]) as f64 / f64::from(ROUNDS[1]);
    println!(
        "{VERSION}, mitmweb: {:.0} MiB after {} flows with bodies of 2 KiB, {:.1} KB of memory each: {:.1} GB for 1,000,000\n",
        sizes[1] as f64 / f64::from(1 << 20),
        ROUNDS[0] + ROUNDS[1],
        each / 1000.0,
        each * 1e6 / 1e9,
    );
    Ok(())
}

/// An origin of one body.
fn body(dir: &Path, port: u16) -> anyhow::Result<Child> {
    let mut noise = super::spool::Noise(7);
    fs::write(dir.join("body"), (0..256).flat_map(|_| noise.next().to_le_bytes()).collect::<Vec<u8>>())?;
    let config = dir.join("origin.conf");
    let at = dir.display();
    fs::write(
        &config,
        format!(
            "daemon off; master_process off; user root; pid {at}/origin.pid; error_log stderr; events {{}}\n\
             http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {at}/ob; proxy_temp_path {at}/op;\n\
             fastcgi_temp_path {at}/of; uwsgi_temp_path {at}/ou; scgi_temp_path {at}/os;\n\
             server {{ listen 127.0.0.1:{port}; location / {{ root {at}; try_files /body =404; }} }} }}\n"
        ),
    )?;
    let mut nginx = pinned(OTHER_CPU, Path::new("nginx"));
    nginx.arg("-p").arg(dir).arg("-c").arg(&config);
    let origin = Child::spawn("origin", &mut nginx, &dir.join("origin.log"))?;
    wait_for(port, "the origin")?;
    Ok(origin)
}

/// So many requests through the proxy, each for another path.
fn load(dir: &Path, port: u16, origin: u16, requests: u32) -> anyhow::Result<()> {
    let config = dir.join("requests.txt");
    let many =
        (0..requests).map(|n| format!("url = \"http://127.0.0.1:{origin}/items/{n}?page=2\"\noutput = /dev/null\n"));
    fs::write(&config, many.collect::<String>())?;
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--noproxy", "", "--proxy", &format!("http://127.0.0.1:{port}"), "--config"]);
    output(curl.arg(&config)).map(drop)
}

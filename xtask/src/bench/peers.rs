//! The peers, where they are installed: each with one worker on CPU 0, logs and caches off, keep-alive on both sides.

use std::{fs, path::Path, process::Command};

use super::{
    Contender,
    site::{PROXY_CPU, Site, free_port, pinned, wait_for},
};
use crate::{child::Child, steps::output, test::is_there};

pub(super) fn plain(site: &Site) -> anyhow::Result<Vec<Contender>> {
    let mut all = Vec::new();
    if is_there("nginx") {
        all.push(nginx(site)?);
    }
    if is_there("haproxy") {
        all.push(haproxy(site)?);
    }
    if is_there("squid") {
        all.push(squid(site, false)?);
    }
    if is_there("mitmdump") {
        all.push(mitmdump(site, "plain")?);
    }
    Ok(all)
}

pub(super) fn intercepted(site: &Site) -> anyhow::Result<Vec<Contender>> {
    let mut all = Vec::new();
    if is_there("squid") && Path::new(CERTGEN).exists() {
        all.push(squid(site, true)?);
    }
    if is_there("mitmdump") {
        all.push(mitmdump(site, "tls")?);
    }
    Ok(all)
}

/// Comes with Debian's squid-openssl, not with squid.
const CERTGEN: &str = "/usr/lib/squid/security_file_certgen";

fn start(name: &str, site: &Site, port: u16, command: &mut Command) -> anyhow::Result<Contender> {
    let log = site.dir.join(format!("{}.log", name.split(' ').next().unwrap_or(name)));
    let process = Child::spawn(name, command, &log)?;
    wait_for(port, name)?;
    Ok(Contender {
        name: name.to_owned(),
        processes: vec![process],
        address: format!("127.0.0.1:{port}"),
        reverse: false,
        ca: None,
        admin: None,
    })
}

fn nginx(site: &Site) -> anyhow::Result<Contender> {
    let port = free_port()?;
    let config = site.dir.join("peer-nginx.conf");
    fs::write(
        &config,
        format!(
            "daemon off; master_process off; pid peer.pid; error_log stderr; worker_rlimit_nofile 8192;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; keepalive_requests 100000000; client_body_temp_path pb; proxy_temp_path pp;\n\
             fastcgi_temp_path pf; uwsgi_temp_path pu; scgi_temp_path ps;\n\
             upstream origin {{ server {}; keepalive 128; keepalive_requests 100000000; }}\n\
             server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ proxy_pass http://origin;\n\
             proxy_http_version 1.1; proxy_set_header Connection ''; }} }} }}\n",
            site.plain
        ),
    )?;
    let mut command = pinned(PROXY_CPU, Path::new("nginx"));
    command.arg("-p").arg(&site.dir).arg("-c").arg(&config);
    let mut contender = start("nginx (reverse, no script)", site, port, &mut command)?;
    contender.reverse = true;
    Ok(contender)
}

fn haproxy(site: &Site) -> anyhow::Result<Contender> {
    let port = free_port()?;
    let config = site.dir.join("peer-haproxy.conf");
    fs::write(
        &config,
        format!(
            "global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode http\n  http-reuse always\n  timeout connect 5s\n  \
             timeout client 60s\n  timeout server 60s\nlisten bench\n  bind 127.0.0.1:{port}\n  server origin {}\n",
            site.plain
        ),
    )?;
    let mut command = pinned(PROXY_CPU, Path::new("haproxy"));
    command.arg("-db").arg("-f").arg(&config);
    let mut contender = start("haproxy (reverse, no script)", site, port, &mut command)?;
    contender.reverse = true;
    Ok(contender)
}

fn squid(site: &Site, bump: bool) -> anyhow::Result<Contender> {
    let port = free_port()?;
    // it gives up root for a user of its own, who may not be able to reach the target folder
    let dir = std::env::temp_dir().join(if bump { "weir-bench-squid-tls" } else { "weir-bench-squid-plain" });
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    let at = dir.display();
    let port_line = if bump {
        let mut make = Command::new(CERTGEN);
        output(make.args(["-c", "-s"]).arg(dir.join("certificates")).args(["-M", "4MB"]))?;
        fs::copy(site.dir.join("root.pem"), dir.join("roots.pem"))?;
        let pair = [fs::read(site.dir.join("root.pem"))?, fs::read(site.dir.join("root.key"))?].concat();
        fs::write(dir.join("ca.pem"), pair)?;
        format!(
            "http_port 127.0.0.1:{port} ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=4MB tls-cert={at}/ca.pem\n\
             sslcrtd_program {CERTGEN} -s {at}/certificates -M 4MB\nsslcrtd_children 1\nssl_bump bump all\n\
             tls_outgoing_options cafile={at}/roots.pem\n"
        )
    } else {
        format!("http_port 127.0.0.1:{port}\n")
    };
    let config = dir.join("squid.conf");
    fs::write(
        &config,
        format!(
            "{port_line}http_access allow all\ncache deny all\naccess_log none\ncache_log {at}/cache.log\ncache_store_log none\n\
             pid_filename none\ncoredump_dir {at}\nserver_persistent_connections on\nclient_persistent_connections on\n\
             pinger_enable off\nshutdown_lifetime 1 seconds\nvia off\nforwarded_for delete\n"
        ),
    )?;
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        output(Command::new("chown").args(["-R", "proxy"]).arg(&dir))?;
    }
    let mut command = pinned(PROXY_CPU, Path::new("squid"));
    // one process in the foreground, under a name of its own beside any other squid of the machine
    command.args(["-N", "-n", if bump { "weirtls" } else { "weirplain" }, "-f"]).arg(&config);
    let name = if bump { "squid (ssl-bump, no script)" } else { "squid (forward, no script)" };
    let mut contender = start(name, site, port, &mut command)?;
    contender.ca = bump.then(|| site.dir.join("root.pem"));
    Ok(contender)
}

fn mitmdump(site: &Site, name: &str) -> anyhow::Result<Contender> {
    let port = free_port()?;
    let dir = site.dir.join(format!("mitmproxy-{name}"));
    let mut command = pinned(PROXY_CPU, Path::new("mitmdump"));
    command.args(["--quiet", "--listen-host", "127.0.0.1", "--listen-port", &port.to_string()]);
    command.arg("--set").arg(format!("confdir={}", dir.display()));
    command.arg("--set").arg(format!("ssl_verify_upstream_trusted_ca={}", site.dir.join("root.pem").display()));
    let mut contender = start("mitmdump (no script)", site, port, &mut command)?;
    contender.ca = Some(dir.join("mitmproxy-ca-cert.pem"));
    Ok(contender)
}

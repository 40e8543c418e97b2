//! Servers from Debian, as origins that are not ours: nginx, `openssl s_server`, sshd. Each runs in the foreground on a
//! port of its own, from a configuration in the test's folder.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use anyhow::Context as _;
use tokio::net::TcpStream;

use crate::{
    ca::Leaf,
    ports::reserve,
    process::Process,
    scratch::Scratch,
    wait::{PATIENCE, eventually},
};

/// A running server and where it listens.
pub struct Server {
    /// The process.
    pub process: Process,
    /// With TLS (sshd: with SSH).
    pub address: SocketAddr,
    /// Without TLS, if it does that too.
    pub plain: Option<SocketAddr>,
}

/// nginx with HTTP/1.1 and HTTP/2 over TLS, and plain: serves `scratch`/www, which it makes.
pub async fn nginx(scratch: &Scratch, leaf: &Leaf) -> anyhow::Result<Server> {
    let [tls, plain] = [reserve()?, reserve()?];
    let www = scratch.join("www");
    std::fs::create_dir_all(&www)?;
    std::fs::write(www.join("index.html"), "nginx says hello\n")?;
    let certificate = scratch.write("nginx.pem", &leaf.certificate)?;
    let key = scratch.write("nginx.key", &leaf.key)?;
    let config = format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log stderr; events {{}}\n\
         http {{ access_log off; client_body_temp_path {dir}/nginx-body; proxy_temp_path {dir}/nginx-proxy;\n\
         fastcgi_temp_path {dir}/nginx-f; uwsgi_temp_path {dir}/nginx-u; scgi_temp_path {dir}/nginx-s;\n\
         client_max_body_size 0; server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl http2;\n\
         ssl_certificate {certificate}; ssl_certificate_key {key}; root {www};\n\
         location /upload {{ return 200 'taken\\n'; }} }} }}\n",
        dir = scratch.path().display(),
        certificate = certificate.display(),
        key = key.display(),
        www = www.display(),
    );
    let config = scratch.write("nginx.conf", config)?;
    let program = which("nginx")?;
    let process = Process::start(
        "nginx",
        &program,
        [Path::new("-p"), scratch.path(), Path::new("-c"), &config],
        &[],
        &scratch.join("nginx.log"),
    )?;
    listening(tls).await?;
    Ok(Server { process, address: local(tls), plain: Some(local(plain)) })
}

/// `openssl s_server -www`: answers every GET with a page about the TLS connection.
pub async fn s_server(scratch: &Scratch, leaf: &Leaf, arguments: &[&str]) -> anyhow::Result<Server> {
    let port = reserve()?;
    let certificate = scratch.write("s_server.pem", &leaf.certificate)?;
    let key = scratch.write("s_server.key", &leaf.key)?;
    let accept = format!("127.0.0.1:{port}");
    let mut all = vec!["s_server", "-www", "-accept", &accept];
    all.extend(["-cert", certificate.to_str().context("UTF-8")?, "-key", key.to_str().context("UTF-8")?]);
    all.extend(arguments);
    let process = Process::start("s_server", &which("openssl")?, all, &[], &scratch.join("s_server.log"))?;
    listening(port).await?;
    Ok(Server { process, address: local(port), plain: None })
}

/// sshd that lets in whoever holds the key `scratch`/ssh-user.
pub async fn sshd(scratch: &Scratch) -> anyhow::Result<Server> {
    let port = reserve()?;
    for name in ["ssh-host", "ssh-user"] {
        let file = scratch.join(name);
        let file = file.to_str().context("UTF-8")?;
        let keygen = which("ssh-keygen")?;
        crate::process::run(&keygen, ["-q", "-t", "ed25519", "-N", "", "-f", file], &[]).await?.ok()?;
    }
    std::fs::copy(scratch.join("ssh-user.pub"), scratch.join("authorized"))?;
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/ssh-host\nAuthorizedKeysFile {dir}/authorized\n\
         StrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\n",
        dir = scratch.path().display(),
    );
    let config = scratch.write("sshd.conf", config)?;
    // sshd wants its privilege separation folder, which its service would have made
    if is_root() {
        std::fs::create_dir_all("/run/sshd")?;
    }
    let arguments = [Path::new("-D"), Path::new("-e"), Path::new("-f"), &config];
    let process = Process::start("sshd", &which("sshd")?, arguments, &[], &scratch.join("sshd.log"))?;
    listening(port).await?;
    Ok(Server { process, address: local(port), plain: None })
}

/// A program by name; Debian keeps servers in sbin, which is not on everyone's PATH.
pub fn which(name: &str) -> anyhow::Result<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(Into::into))
        .map(|dir| dir.join(name))
        .find(|file| file.exists())
        .with_context(|| format!("`{name}` is not installed: `cargo xtask test` installs it"))
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn listening(port: u16) -> anyhow::Result<()> {
    eventually(PATIENCE, &format!("somebody listening on port {port}"), || async {
        Ok(Some(TcpStream::connect(local(port)).await.map(drop)?))
    })
    .await
}

fn is_root() -> bool {
    // SAFETY: geteuid(2) has no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

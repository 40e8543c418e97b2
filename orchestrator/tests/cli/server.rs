//! A server of one test's own, and commands that are run against it.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_orchestrator");

/// Ended when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) rest: SocketAddr,
    pub(crate) grpc: SocketAddr,
    dir: TempDir,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// With more arguments for `serve`, which may name files of its folder.
    pub(crate) fn start_with(more: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let dir = TempDir::new().unwrap();
        let mut more = more(dir.path());
        let rest = more.iter().position(|argument| argument == "--rest").map(|at| more.drain(at..at + 2).nth(1));
        let rest = rest.flatten().unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let (child, rest, grpc) = Self::serve(&dir, [&rest, "127.0.0.1:0"], &more);
        Self { child, rest, grpc, dir }
    }

    /// Another process in its place, at the same addresses.
    pub(crate) fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let addresses = [self.rest, self.grpc].map(|address| address.to_string());
        (self.child, ..) = Self::serve(&self.dir, addresses.each_ref().map(String::as_str), &[]);
    }

    fn serve(dir: &TempDir, [rest, grpc]: [&str; 2], more: &[String]) -> (Child, SocketAddr, SocketAddr) {
        let mut child = command(dir.path())
            .args(["serve", "--rest", rest, "--grpc", grpc, "--log", "warn", "--data-dir"])
            .arg(dir.path().join("data"))
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.map_while(Result::ok).find_map(|line| {
            let (rest, grpc) = line.strip_prefix("orchestrator ready: REST ")?.split_once(", gRPC ")?;
            Some((rest.parse().unwrap(), grpc.parse().unwrap()))
        });
        let (rest, grpc) = ready.expect("the server is not ready: its log says why");
        (child, rest, grpc)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and gives its path as text.
    pub(crate) fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs a command of one's own machine against this server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.dir.path());
        command
            .args(arguments)
            .env("WEIR_ORCHESTRATOR", format!("http://{}", self.rest))
            .env("WEIR_DATA_DIR", self.path("data"))
            .env("WEIR_KEY_DIR", self.path("keys"))
            .env("COLUMNS", "100");
        command
    }

    /// A server with a publisher key.
    pub(crate) fn with_key() -> Self {
        let server = Self::start();
        server.run(&["keys", "generate"]).ok();
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, knowing nothing of whoever runs the test.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.env_clear().env("HOME", home);
    command
}

impl Ran {
    /// It went well; gives stdout.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// It went well; gives what it printed for programs.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// It failed with this code and said this on stderr.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, says: &str) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(says), "{}", self.stderr);
    }
}

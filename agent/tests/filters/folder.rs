//! A folder of filters: operator writes files, agent runs them.

use std::{fs, io::Write as _, path::PathBuf, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{task::JoinHandle, time::Instant};
use weir_agent::{
    filters::{Folder, Source},
    worker::Shared,
};
use weir_artifact::Digest;

use crate::support::{component, eventually, name, shared};

struct Agent {
    dir: TempDir,
    shared: Arc<Shared>,
    following: Option<JoinHandle<()>>,
}

impl Agent {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("filters")).unwrap();
        let shared = shared(&dir.path().join("data"));
        Self { dir, shared, following: None }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join("filters").join(file)
    }

    fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(file), bytes).unwrap();
    }

    async fn open(&self) -> Result<Folder, String> {
        let folder = Folder::open(self.dir.path().join("filters"), Arc::clone(&self.shared)).await;
        folder.map_err(|error| error.to_string())
    }

    async fn start(&mut self) -> Result<(), String> {
        self.following = Some(tokio::spawn(self.open().await?.follow()));
        Ok(())
    }

    fn digest(&self, filter: &str) -> Option<Digest> {
        self.shared.active.find(&name(filter)).map(|filter| filter.digest())
    }

    async fn runs(&self, filter: &str, component: &[u8]) {
        let digest = Digest::of(component);
        eventually(&format!("{filter} {digest}"), || self.digest(filter) == Some(digest)).await;
    }
}

#[tokio::test]
async fn files_come_change_and_go() {
    let mut agent = Agent::new();
    let [one, two, three] = ["one", "two", "three"].map(component);
    agent.write("a.wasm", &one);
    agent.write("a.toml", "version = 3\npriority = 5\nmatch = \"host:a\"\n");
    agent.write("notes.txt", "not a filter");
    agent.start().await.unwrap();
    let (filter, source) = agent.shared.active.list().remove(0);
    assert_eq!((filter.version(), filter.publication().priority, source), (3, 5, Source::Folder));
    assert_eq!(filter.digest(), Digest::of(&one));

    agent.write("b.wasm", &two);
    agent.runs("b", &two).await;
    let order: Vec<String> =
        agent.shared.active.load().chain.filters().iter().map(|filter| filter.name().to_string()).collect();
    assert_eq!(order, ["b", "a"]);

    // in place, and by an atomic rename
    agent.write("b.wasm", &three);
    agent.runs("b", &three).await;
    agent.write("b.wasm.tmp", &one);
    fs::rename(agent.path("b.wasm.tmp"), agent.path("b.wasm")).unwrap();
    agent.runs("b", &one).await;

    fs::remove_file(agent.path("b.wasm")).unwrap();
    eventually("b is gone", || agent.digest("b").is_none()).await;
    assert!(agent.digest("a").is_some());
    eventually("one generation", || agent.shared.host.generations() == [(name("a"), 1)]).await;
}

#[tokio::test]
async fn the_file_beside_it_counts_too() {
    let mut agent = Agent::new();
    agent.write("a.wasm", component("a"));
    agent.start().await.unwrap();
    let priority = || agent.shared.active.find(&name("a")).unwrap().publication().priority;
    assert_eq!(priority(), 0);
    agent.write("a.toml", "priority = 9\n");
    eventually("its priority", || priority() == 9).await;
    agent.write("a.toml", "priority = nine\n");
    agent.write("b.wasm", component("b"));
    eventually("b", || agent.digest("b").is_some()).await;
    assert_eq!(priority(), 9, "what cannot be read changes nothing");
    fs::remove_file(agent.path("a.toml")).unwrap();
    eventually("the default", || priority() == 0).await;
}

#[tokio::test]
async fn half_a_file_is_waited_for() {
    let mut agent = Agent::new();
    let [old, new] = ["old", "new"].map(component);
    agent.write("a.wasm", &old);
    agent.start().await.unwrap();
    let (first, rest) = new.split_at(new.len() / 2);
    agent.write("a.wasm", first);
    // another file tells us that the agent has looked at this one meanwhile
    agent.write("b.wasm", &old);
    agent.runs("b", &old).await;
    assert_eq!(agent.digest("a"), Some(Digest::of(&old)));
    fs::OpenOptions::new().append(true).open(agent.path("a.wasm")).unwrap().write_all(rest).unwrap();
    agent.runs("a", &new).await;
}

/// For as long as a writer may take between two changes that belong together.
const A_MOMENT: Duration = Duration::from_millis(400);

#[tokio::test]
async fn a_file_that_is_put_in_place_of_another_leaves_no_gap() {
    let agent = Agent::new();
    let [old, new] = ["old", "newer"].map(component);
    agent.write("a.wasm", &old);
    let (mut folder, mut now) = (agent.open().await.unwrap(), Instant::now());
    fs::remove_file(agent.path("a.wasm")).unwrap();
    for wait in [Duration::ZERO, A_MOMENT] {
        now += wait;
        folder.look(now).await;
        assert_eq!(agent.digest("a"), Some(Digest::of(&old)), "it was taken out at once");
    }
    agent.write("a.wasm", &new);
    // for so long a file may come beside it
    for wait in [Duration::ZERO, 2 * A_MOMENT] {
        now += wait;
        folder.look(now).await;
        assert!(agent.digest("a").is_some());
    }
    assert_eq!(agent.digest("a"), Some(Digest::of(&new)));
    // and that it was gone once counts for nothing now
    fs::remove_file(agent.path("a.wasm")).unwrap();
    now += A_MOMENT;
    folder.look(now).await;
    assert!(agent.digest("a").is_some());
    folder.look(now + 2 * A_MOMENT).await;
    assert!(agent.digest("a").is_none(), "nobody puts another in its place");
}

#[tokio::test]
async fn a_mount_that_is_swapped_as_a_whole_is_followed() {
    use std::os::unix::fs::symlink;
    let mut agent = Agent::new();
    let [old, new] = ["old", "new"].map(component);
    for (folder, component, priority) in [("..1", &old, 1), ("..2", &new, 2)] {
        fs::create_dir(agent.path(folder)).unwrap();
        agent.write(&format!("{folder}/a.wasm"), component);
        agent.write(&format!("{folder}/a.toml"), format!("priority = {priority}\n"));
    }
    fs::create_dir(agent.path("..3")).unwrap();
    symlink("..1", agent.path("..data")).unwrap();
    symlink("..data/a.wasm", agent.path("a.wasm")).unwrap();
    symlink("..data/a.toml", agent.path("a.toml")).unwrap();
    agent.start().await.unwrap();
    let swap = |to: &str| {
        symlink(to, agent.path("..data_tmp")).unwrap();
        fs::rename(agent.path("..data_tmp"), agent.path("..data")).unwrap();
    };
    swap("..2");
    agent.runs("a", &new).await;
    assert_eq!(agent.shared.active.find(&name("a")).unwrap().publication().priority, 2);
    // the file is not in the newest
    swap("..3");
    eventually("a is gone", || agent.digest("a").is_none()).await;
}

#[tokio::test]
async fn a_file_beside_it_that_is_being_written_is_waited_for() {
    let agent = Agent::new();
    agent.write("a.wasm", component("a"));
    agent.write("a.toml", "priority = 9\n");
    let (mut folder, mut now) = (agent.open().await.unwrap(), Instant::now());
    let priority = || agent.shared.active.find(&name("a")).unwrap().publication().priority;
    agent.write("a.toml", "");
    for wait in [Duration::ZERO, A_MOMENT] {
        now += wait;
        folder.look(now).await;
        assert_eq!(priority(), 9, "it ran without its file");
    }
    agent.write("a.toml", "priority = 7\n");
    folder.look(now).await;
    assert_eq!(priority(), 7);
    // one that stays empty says nothing, and is believed in the end
    agent.write("a.toml", "");
    folder.look(now).await;
    assert_eq!(priority(), 7);
    folder.look(now + 2 * A_MOMENT).await;
    assert_eq!(priority(), 0);
}

#[tokio::test]
async fn a_broken_file_leaves_the_version_before() {
    let mut agent = Agent::new();
    let [old, new] = ["old", "new"].map(component);
    agent.write("a.wasm", &old);
    agent.start().await.unwrap();
    for broken in [&b"not wasm"[..], b"\0asm\x01\0\0\0", b""] {
        agent.write("a.wasm", broken);
        agent.write("b.wasm", component(&broken.len().to_string()));
        agent.runs("b", &component(&broken.len().to_string())).await;
        assert_eq!(agent.digest("a"), Some(Digest::of(&old)));
    }
    agent.write("a.wasm", &new);
    agent.runs("a", &new).await;
}

#[tokio::test]
async fn an_agent_does_not_start_with_part_of_its_filters() {
    let mut agent = Agent::new();
    agent.write("a.wasm", component("a"));
    agent.write("b.wasm", "not wasm");
    let error = agent.start().await.unwrap_err();
    assert!(error.contains("b.wasm: parse: these bytes are not WebAssembly"), "{error}");
    agent.write("b.wasm", component("b"));
    agent.write("b.toml", "\nprio = 1\n");
    let error = agent.start().await.unwrap_err();
    assert!(error.contains("b.toml:2: unknown field `prio`"), "{error}");
    fs::remove_file(agent.path("b.toml")).unwrap();
    fs::rename(agent.path("b.wasm"), agent.path("B C.wasm")).unwrap();
    let error = agent.start().await.unwrap_err();
    assert!(error.contains("is no name for a filter"), "{error}");
}

#[tokio::test]
async fn configuration_reaches_the_guest_and_its_faults_come_back() {
    let mut agent = Agent::new();
    agent.write("a.wasm", component("a"));
    agent.write("a.toml", "config = \"{\"\n");
    let error = agent.start().await.unwrap_err();
    assert!(error.contains("a.toml: config is not JSON"), "{error}");
    agent.write("a.toml", "match = \"status:200\"\n");
    let error = agent.start().await.unwrap_err();
    assert!(error.contains("a.wasm: match: "), "{error}");
}

//! An author saves, and an agent beside them takes it up: `agent run --filters DIR`, as a process, seen by a client and on
//! standard error.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use weir_testkit::{
    agent::{Agent, AgentOptions},
    binaries::{self, filter},
    ca::Ca,
    origin::Origin,
    scratch::Scratch,
    wait::{PATIENCE, eventually},
};

/// An agent with one filter in its folder, `hello`.
struct Author {
    _scratch: Scratch,
    origin: Origin,
    folder: PathBuf,
    agent: Agent,
}

impl Author {
    async fn start(name: &str) -> anyhow::Result<Self> {
        let scratch = Scratch::new(name)?;
        let folder = scratch.join("filters");
        fs::create_dir(&folder)?;
        fs::copy(filter("hello-filter")?, folder.join("hello.wasm"))?;
        let agent = AgentOptions::new(&scratch, "agent").with("--filters", &folder).start().await?;
        let origin = Origin::start(&Ca::new("testkit origins")?).await?;
        Ok(Self { _scratch: scratch, origin, folder, agent })
    }

    fn hello(&self) -> PathBuf {
        self.folder.join("hello.wasm")
    }

    /// What a client sees of the filter.
    async fn seen(&self) -> anyhow::Result<String> {
        let url = format!("http://{}/text/hello", self.origin.plain());
        Ok(self.agent.client(&[])?.forward().await?.get(&url).await?.header("x-hello").to_owned())
    }

    /// How long this machine takes for the work of it: a compilation, in a program that has to start for it.
    async fn work(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let words = ["filter".into(), "inspect".into(), self.hello().into_os_string()];
        weir_testkit::process::run(&binaries::binary("agent")?, words, &[]).await?.ok()?;
        Ok(begun.elapsed())
    }

    /// How long it takes until a client sees this.
    async fn until(&self, value: &str) -> anyhow::Result<Duration> {
        let saved = Instant::now();
        eventually(PATIENCE, value, || async { Ok((self.seen().await? == value).then_some(())) }).await?;
        Ok(saved.elapsed())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_is_noticed_within_a_second_however_it_is_saved() -> anyhow::Result<()> {
    let author = Author::start("saving").await?;
    let versions = [("from c", fs::read(filter("hello-c")?)?), ("from a filter", fs::read(filter("hello-filter")?)?)];
    type Save = fn(&Author, &[u8]) -> std::io::Result<()>;
    let save: [(&str, Save); 4] = [
        ("in place", |author, bytes| fs::write(author.hello(), bytes)),
        ("renamed over", |author, bytes| {
            let beside = author.folder.join(".hello.wasm.swp");
            fs::write(&beside, bytes)?;
            fs::rename(beside, author.hello())
        }),
        ("with a hidden file of the same kind", |author, bytes| {
            let beside = author.folder.join(".tmp8Hx.wasm");
            fs::write(&beside, bytes)?;
            fs::rename(beside, author.hello())
        }),
        ("with a backup", |author, bytes| {
            fs::rename(author.hello(), author.folder.join("hello.wasm~"))?;
            fs::write(author.hello(), bytes)
        }),
    ];
    for (how, save) in save {
        // a machine that is busy with something else has another try, and as long for the work as it needs
        let (mut fastest, mut enough) = (Duration::MAX, Duration::ZERO);
        for _ in 0..5 {
            for (value, bytes) in &versions {
                save(&author, bytes)?;
                fastest = author.until(value).await?.min(fastest);
            }
            enough = enough.max(Duration::from_secs(1) + 2 * author.work().await?);
            if fastest < enough {
                break;
            }
        }
        assert!(fastest < enough, "{how}: {fastest:?}, and not {enough:?}");
    }
    let log = author.agent.process.log();
    assert!(!log.contains("ERROR"), "something was told that is no fault:\n{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_file_is_told_and_the_rest_is_taken_up() -> anyhow::Result<()> {
    let author = Author::start("saving-half").await?;
    let bytes = fs::read(filter("hello-c")?)?;
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    fs::write(author.hello(), first)?;
    author.agent.process.says("filter hello is not loaded: ").await?;
    let log = author.agent.process.says("; the version before stays active").await?;
    assert!(log.contains("hello.wasm: parse: the component is not valid: "), "{log}");
    assert_eq!(author.seen().await?, "from a filter");
    fs::OpenOptions::new().append(true).open(author.hello())?.write_all(rest)?;
    author.until("from c").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_compiler_left_is_told_with_what_to_type() -> anyhow::Result<()> {
    let author = Author::start("saving-core").await?;
    let core = binaries::target_dir()?.join("wasm/wasm32-unknown-unknown/guest/weir_filter_hello_rust.wasm");
    fs::copy(core, author.hello())?;
    let typed = format!("filter build {}", author.hello().display());
    author
        .agent
        .process
        .says(&format!("this is a core module, not a component; to make one of it, type: agent {typed}"))
        .await?;
    assert_eq!(author.seen().await?, "from a filter");
    // and what it says to type does it
    let words = typed.split(' ');
    weir_testkit::process::run(&binaries::binary("agent")?, words, &[]).await?.ok()?;
    author.until("from rust").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_none_is_told_once() -> anyhow::Result<()> {
    let author = Author::start("saving-name").await?;
    fs::copy(filter("hello-c")?, author.folder.join("My Filter.wasm"))?;
    author.agent.process.says("My Filter.wasm: the file's name is no name for a filter").await?;
    // the agent looks again, and has nothing to add
    fs::copy(filter("hello-c")?, author.hello())?;
    author.until("from c").await?;
    assert_eq!(author.agent.process.log().matches("My Filter.wasm").count(), 1);
    Ok(())
}

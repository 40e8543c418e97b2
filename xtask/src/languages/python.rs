use super::{Project, tools::Tools};
pub(super) const TOOLS: &str = "";
pub(super) fn build(_: &Project, _: &Tools) -> anyhow::Result<Vec<u8>> { anyhow::bail!("not yet") }

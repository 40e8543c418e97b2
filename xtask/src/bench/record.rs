//! What a worker pays for each thing that is recorded, and for rules that look at what is: the same load beside the same
//! orchestrator, with one setting more each time.

use super::{
    Contender, Options, compare,
    fleet::{Fleet, until},
    load::Load,
    site::{EVENTS, Site},
};

/// The rules that docs/redaction.md begins with.
const REDACT: [&str; 10] = [
    "--redact-headers",
    "authorization,cookie,set-cookie,x-api-key",
    "--redact-query",
    "token,access_token,api_key,code,signature",
    "--redact-json",
    "/password,/users/*/token,/**/client_secret",
    "--redact-form",
    "password,client_secret",
    "--redact-patterns",
    "sk_live_[A-Za-z0-9]{24}",
];

pub(super) fn run(site: &Site, options: &Options) -> anyhow::Result<()> {
    let contenders = vec![
        agent(site, "recording", &[])?,
        agent(site, "recording, rules of redaction", &REDACT)?,
        breakpoint(site)?,
        super::weir::copies(site, 0)?,
    ];
    compare("What recording and its rules cost, plain HTTP", site, contenders, Load::Plain, options)?;
    let contenders = vec![
        agent(site, "events recorded", &[])?,
        agent(site, "events not recorded", &["--capture-messages", "false"])?,
    ];
    let title = format!("Responses of {EVENTS} server-sent events");
    compare(&title, site, contenders, Load::Events, options)
}

fn agent(site: &Site, name: &str, arguments: &[&str]) -> anyhow::Result<Contender> {
    let fleet = Fleet::start(site, &name.replace([' ', ','], "-"))?;
    let contender = fleet.agent(site, &format!("weir, {name}"), arguments)?;
    Ok(fleet.around(contender))
}

/// One that each exchange is held against, and none fits.
fn breakpoint(site: &Site) -> anyhow::Result<Contender> {
    let fleet = Fleet::start(site, "breakpoint")?;
    let contender = fleet.agent(site, "weir, recording, a breakpoint", &["--allow", "breakpoints"])?;
    fleet.client(&["breakpoints", "add", "host:api.example.com method:POST", "--lease", "10m"])?;
    until("\"set\"", || fleet.client(&["breakpoints", "--format", "json"]))?;
    Ok(fleet.around(contender))
}

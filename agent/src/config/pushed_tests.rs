use std::time::Duration;

use weir_desired::{Kind, Size};

use super::*;

/// An agent with this file.
fn agent(file: &str) -> Config {
    let settings = file::read(file, |_| true).unwrap();
    validate(settings).unwrap()
}

fn merge(file: &str, pushed: &str) -> Result<Merged, String> {
    let config = agent(file);
    config.local.with(&config, pushed)
}

#[test]
fn what_is_not_set_here_is_taken() {
    let merged = merge("", "capture.body_bytes = 7\nclient.tunnel_idle = \"5s\"\n").unwrap();
    assert_eq!((merged.tuning.capture.body_bytes, merged.tuning.client.tunnel_idle), (7, Duration::from_secs(5)));
    assert!(merged.pinned.is_empty());
    let untouched = merge("[client]\nconnections = 3\n", "").unwrap().tuning;
    assert_eq!((untouched.client.connections, untouched.capture.body_bytes), (3, 64 << 10));
}

#[test]
fn what_is_set_here_stays_unless_it_may_be_replaced() {
    let pushed = "capture.body_bytes = 7\nmetrics.interval = \"1s\"\n";
    let own = "[capture]\nbody_bytes = 100\n";
    let merged = merge(own, pushed).unwrap();
    assert_eq!((merged.tuning.capture.body_bytes, merged.pinned), (100, vec!["capture.body_bytes".to_owned()]));
    assert_eq!(merged.tuning.metrics.interval, Duration::from_secs(1));
    for replace in ["capture.body_bytes", "capture.*", "*"] {
        let merged = merge(&format!("{own}[push]\nreplace = [\"{replace}\"]\n"), pushed).unwrap();
        assert_eq!((merged.tuning.capture.body_bytes, merged.pinned.len()), (7, 0), "{replace}");
    }
    for accept in ["", "\"metrics.*\""] {
        let merged = merge(&format!("[push]\naccept = [{accept}]\nreplace = [\"*\"]\n"), pushed).unwrap();
        assert_eq!(merged.tuning.capture.body_bytes, 64 << 10, "{accept}");
        assert!(merged.pinned.contains(&"capture.body_bytes".to_owned()));
    }
}

#[test]
fn what_does_not_fit_here_is_refused_by_line_and_key() {
    let refused = merge(
        "[capture]\nqueue_bytes = \"64KiB\"\nbody_bytes = 1\nmessages = false\n[push]\nreplace = [\"*\"]\n",
        "\n[capture]\nbody_bytes = \"1MiB\"\n",
    );
    let reason = refused.unwrap_err();
    assert_eq!(
        reason,
        "line 3: capture.body_bytes: capture.queue_bytes is 64KiB: four bodies of 1MiB would not fit into it"
    );
    let reason = merge("", "[upstream]\nca = \"mine.pem\"\n").unwrap_err();
    assert!(reason.starts_with("line 2: upstream.ca: this is decided where the agent runs"), "{reason}");
}

#[test]
fn without_interception_nothing_passes_through() {
    let own = "[intercept]\nenabled = false\n";
    let merged = merge(own, "intercept.pass_through = [\"a.example\"]\n").unwrap();
    assert_eq!((merged.pinned, merged.tuning.intercept.enabled), (vec!["intercept.pass_through".to_owned()], false));
    let merged = merge("[intercept]\npass_through = [\"a.example\"]\n", "intercept.enabled = false\n").unwrap();
    assert!(!merged.tuning.intercept.enabled && merged.pinned.is_empty());
}

#[test]
fn patterns_name_keys_that_there_are() {
    for bad in ["", "listen", "cap*", "nothing.*", "**", "capture", "upstream.ca"] {
        assert!(bad.parse::<KeyPattern>().is_err(), "{bad}");
    }
}

/// Two tables say what a key may be: the one of what is pushed, and this agent's own.
#[test]
fn ranges_are_those_of_the_agents_own_file() {
    for key in live_keys() {
        let check = |value: String, fits: bool| {
            let text = format!("{} = {value}\n", key.name);
            let own = file::read(&text, |_| true).map(|settings| validate(Settings { ..settings }).is_ok());
            assert_eq!(own.unwrap_or(false), fits, "{text}");
            assert_eq!(Document::parse(&text).is_ok(), fits, "{text}");
        };
        match key.kind {
            Kind::Count(low, high) => {
                check(low.to_string(), true);
                check(high.to_string(), true);
                check((high + 1).to_string(), false);
                if low > 0 {
                    check((low - 1).to_string(), false);
                }
            }
            Kind::Size(low, high) => {
                check(format!("{:?}", Size(low).to_string()), true);
                check(format!("{:?}", Size(high).to_string()), true);
                check((high + 1).to_string(), false);
                if low > 0 {
                    check((low - 1).to_string(), false);
                }
            }
            Kind::Time(low, high) => {
                check(format!("\"{low}s\""), true);
                check(format!("\"{high}s\""), true);
                check(format!("\"{}s\"", high + 1), false);
                if low > 0 {
                    check(format!("\"{}s\"", low - 1), false);
                }
            }
            Kind::Flag => check("true".to_owned(), true),
            Kind::Targets => {
                check("[\"*.example.com\"]".to_owned(), true);
                check("[\"a b\"]".to_owned(), false);
            }
            Kind::Texts if key.name == "redact.json" => check("[\"/lo\"]".to_owned(), true),
            Kind::Texts => check("[\"lo\"]".to_owned(), true),
            Kind::Level => {
                check("\"warn\"".to_owned(), true);
                check("\"info,weir_agent::control=debug,h2=off\"".to_owned(), true);
                check("\"weir=loud\"".to_owned(), false);
                check("3".to_owned(), false);
            }
        }
        check("{ x = 1 }".to_owned(), false);
    }
}

/// No key is forgotten: each can be pushed, or there is a word about why not.
#[test]
fn every_key_of_an_agent_is_known_to_who_pushes() {
    let command = <Settings as clap::Args>::augment_args(clap::Command::new("keys"));
    let keys: Vec<_> = command.get_arguments().map(|argument| argument.get_id().to_string()).collect();
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys {
        let is_live = live_keys().iter().any(|live| live.name == key);
        let why = weir_desired::not_live(&key);
        assert!(is_live || !why.contains("there is no such key"), "{key}: {why}");
    }
}

#[test]
fn what_is_recorded_can_be_pushed() {
    let pushed = "[capture]\nmessages = false\nmessage_bytes = 5\nconnections = false\nfilter_lines = false\n\
                  whole_digest = true\n[metrics]\nbuffer = 7\ndisk_details = false\n";
    let tuning = merge("", pushed).unwrap().tuning;
    let capture = &tuning.capture;
    assert!(!capture.messages && !capture.connections && !capture.filter_lines && capture.whole_digest);
    assert_eq!((capture.message_bytes, capture.queue_bytes), (5, Config::default().capture.queue_bytes));
    assert_eq!((tuning.metrics.buffer, tuning.metrics.disk_details), (7, false));
}

#[test]
fn how_the_agent_runs_can_be_pushed() {
    let pushed = "drain = \"1s\"\nclient.connections = 7\nlog.level = \"debug\"\n";
    let tuning = merge("", pushed).unwrap().tuning;
    assert_eq!((tuning.drain, tuning.client.connections), (Duration::from_secs(1), 7));
    assert_eq!(tuning.log_level, "debug");
    let own = "drain = \"9s\"\n[client]\nconnections = 8\n[log]\nlevel = \"warn\"\n";
    let merged = merge(own, pushed).unwrap();
    assert_eq!((merged.tuning.drain, merged.tuning.client.connections), (Duration::from_secs(9), 8));
    assert_eq!((&*merged.tuning.log_level, merged.pinned.len()), ("warn", 3));
}

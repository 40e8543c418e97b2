//! What the machine of an agent was doing, from two samples: rates are what was counted between them.

use std::collections::HashMap;

use async_graphql::{ID, SimpleObject};
use uuid::Uuid;
use weir_proto::v1::SystemMetrics as Counted;

use crate::{clock::rfc3339, store::Sample};

/// A look at the machine of an agent. Numbers of bytes are text, as they may not fit in `Int`; rates are those since the
/// look before, and 0 where there is none.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct SystemMetrics {
    agent_id: ID,
    /// RFC 3339 with microseconds.
    timestamp: String,
    /// Of the whole machine, 0 to 100.
    cpu_usage_percent: f64,
    load1m: f64,
    memory_used_bytes: String,
    memory_total_bytes: String,
    swap_used_bytes: String,
    swap_total_bytes: String,
    /// Of all interfaces but the loopback.
    network_rx_bytes_per_sec: String,
    network_tx_bytes_per_sec: String,
    disk_read_bytes_per_sec: String,
    disk_write_bytes_per_sec: String,
    /// Of the agent's process, in percent of one core; may exceed 100.
    process_cpu_percent: f64,
    process_memory_bytes: String,
    process_uptime_seconds: i32,
    process_open_files: i32,
}

/// Samples become what is told of them as they come, those of each agent together and the newest first: a rate takes the sample
/// before, so one is held, however much there is in each.
pub(super) struct Telling {
    /// Of each agent at most.
    count: usize,
    told: HashMap<Uuid, Vec<SystemMetrics>>,
    newer: Option<(Uuid, Counted)>,
}

impl Telling {
    pub(super) fn new(count: usize) -> Self {
        Self { count, told: HashMap::new(), newer: None }
    }

    pub(super) fn take(&mut self, Sample { agent, metrics, .. }: Sample) {
        if let Some((of, newer)) = self.newer.take() {
            self.tell(of, &newer, (of == agent).then_some(&metrics));
        }
        self.newer = Some((agent, metrics));
    }

    /// Of each agent, the newest first.
    pub(super) fn told(mut self) -> HashMap<Uuid, Vec<SystemMetrics>> {
        if let Some((agent, oldest)) = self.newer.take() {
            self.tell(agent, &oldest, None);
        }
        self.told
    }

    fn tell(&mut self, agent: Uuid, now: &Counted, before: Option<&Counted>) {
        let told = self.told.entry(agent).or_default();
        if told.len() < self.count {
            told.push(SystemMetrics::of(agent, now, before));
        }
    }
}

impl SystemMetrics {
    fn of(agent: Uuid, now: &Counted, before: Option<&Counted>) -> Self {
        let rate = |count: &dyn Fn(&Counted, &Counted) -> u64| {
            let Some(before) = before else { return "0".to_owned() };
            let us = now.at_us.saturating_sub(before.at_us).max(1);
            u64::try_from(u128::from(count(now, before)) * 1_000_000 / u128::from(us)).unwrap_or(u64::MAX).to_string()
        };
        let process = now.process.unwrap_or_default();
        Self {
            agent_id: agent.into(),
            timestamp: rfc3339(now.at_us),
            cpu_usage_percent: now.cpu_percent,
            load1m: now.load_1m,
            memory_used_bytes: now.memory_used_bytes.to_string(),
            memory_total_bytes: now.memory_total_bytes.to_string(),
            swap_used_bytes: now.swap_used_bytes.to_string(),
            swap_total_bytes: now.swap_total_bytes.to_string(),
            network_rx_bytes_per_sec: rate(&|now, before| grown(now, before, |network| network.received_bytes)),
            network_tx_bytes_per_sec: rate(&|now, before| grown(now, before, |network| network.sent_bytes)),
            disk_read_bytes_per_sec: rate(&|now, before| now.disk_read_bytes.saturating_sub(before.disk_read_bytes)),
            disk_write_bytes_per_sec: rate(&|now, before| {
                now.disk_written_bytes.saturating_sub(before.disk_written_bytes)
            }),
            process_cpu_percent: process.cpu_percent,
            process_memory_bytes: process.memory_bytes.to_string(),
            process_uptime_seconds: i32::try_from(process.uptime_s).unwrap_or(i32::MAX),
            process_open_files: i32::try_from(process.open_files).unwrap_or(i32::MAX),
        }
    }
}

/// Bytes of all interfaces that were there before and did not begin to count anew.
fn grown(now: &Counted, before: &Counted, bytes: impl Fn(&weir_proto::v1::NetworkMetrics) -> u64) -> u64 {
    let before: HashMap<&str, u64> =
        before.networks.iter().map(|network| (network.name.as_str(), bytes(network))).collect();
    let real = now.networks.iter().filter(|network| network.name != "lo");
    let grown =
        real.map(|network| before.get(&*network.name).map_or(0, |before| bytes(network).saturating_sub(*before)));
    grown.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use weir_proto::v1::NetworkMetrics;

    use super::*;

    fn sample(at_us: u64, networks: &[(&str, u64)], disk: u64) -> Sample {
        let network = |(name, bytes): &(&str, u64)| NetworkMetrics {
            name: (*name).to_owned(),
            received_bytes: *bytes,
            sent_bytes: 2 * bytes,
        };
        let metrics = Counted {
            at_us,
            networks: networks.iter().map(network).collect(),
            disk_read_bytes: disk,
            ..Counted::default()
        };
        Sample { agent: Uuid::nil(), number: 1, at_us, metrics }
    }

    #[test]
    fn rates_are_of_what_was_counted_between_two_looks() {
        let samples = vec![
            sample(9_000_000, &[("lo", 9_000), ("eth0", 5_000), ("eth1", 10), ("tun0", 7)], 3),
            sample(7_000_000, &[("lo", 0), ("eth0", 1_000), ("eth1", 5_000)], u64::MAX),
            sample(6_000_000, &[], 0),
        ];
        let of_agents = |samples: Vec<Sample>, count| {
            let mut telling = Telling::new(count);
            samples.into_iter().for_each(|sample| telling.take(sample));
            telling.told()
        };
        let all = of_agents(samples, 2);
        let [now, before] = &all[&Uuid::nil()][..] else { panic!("{all:?}") };
        assert_eq!((&*now.network_rx_bytes_per_sec, &*now.network_tx_bytes_per_sec), ("2000", "4000"));
        assert_eq!((&*now.disk_read_bytes_per_sec, &*now.disk_write_bytes_per_sec), ("0", "0"));
        assert_eq!(
            (&*before.network_rx_bytes_per_sec, &*before.disk_read_bytes_per_sec),
            ("0", "18446744073709551615")
        );
        let other = Sample { agent: Uuid::max(), ..sample(2, &[("eth0", 9)], 9) };
        let alone = of_agents(vec![sample(1, &[("eth0", 5)], 5), other], 1);
        assert_eq!(alone[&Uuid::nil()][0].network_rx_bytes_per_sec, "0");
        assert_eq!((alone.len(), alone[&Uuid::max()].len()), (2, 1));
    }
}

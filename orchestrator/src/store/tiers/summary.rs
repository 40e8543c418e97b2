//! Many samples of system metrics in one: least, most and sum of what goes up and down, increase of what is counted. Summaries are
//! merged in any order; what is counted needs the order of time, and what comes late of it is left out. Pure.

use weir_proto::v1::{DiskMetrics, NetworkMetrics, SystemMetrics};

/// Of interfaces and of disks, as of one sample.
const MOST: usize = 1000;

/// Of one value over time.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Range {
    #[prost(double, tag = "1")]
    pub(crate) min: f64,
    #[prost(double, tag = "2")]
    pub(crate) max: f64,
    #[prost(double, tag = "3")]
    pub(crate) sum: f64,
    #[prost(uint64, tag = "4")]
    pub(crate) count: u64,
}

/// One interface: its counters at the end, and by how much they went up.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Network {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint64, tag = "2")]
    pub(crate) received_last: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) sent_last: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) received: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) sent: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Disk {
    #[prost(string, tag = "1")]
    pub(crate) mount: String,
    #[prost(uint64, tag = "2")]
    pub(crate) total: u64,
    #[prost(message, optional, tag = "3")]
    pub(crate) available: Option<Range>,
}

/// All of one time.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Summary {
    #[prost(uint64, tag = "1")]
    pub(crate) samples: u64,
    /// the last sample
    #[prost(uint64, tag = "2")]
    pub(crate) last_us: u64,
    #[prost(message, optional, tag = "3")]
    pub(crate) cpu_percent: Option<Range>,
    #[prost(message, optional, tag = "4")]
    pub(crate) memory_used: Option<Range>,
    #[prost(message, optional, tag = "5")]
    pub(crate) swap_used: Option<Range>,
    #[prost(message, optional, tag = "6")]
    pub(crate) load_1m: Option<Range>,
    #[prost(message, optional, tag = "7")]
    pub(crate) process_cpu: Option<Range>,
    #[prost(message, optional, tag = "8")]
    pub(crate) process_memory: Option<Range>,
    #[prost(message, optional, tag = "9")]
    pub(crate) process_files: Option<Range>,
    #[prost(uint64, tag = "10")]
    pub(crate) memory_total: u64,
    #[prost(uint64, tag = "11")]
    pub(crate) swap_total: u64,
    #[prost(message, repeated, tag = "12")]
    pub(crate) networks: Vec<Network>,
    #[prost(message, repeated, tag = "13")]
    pub(crate) disks: Vec<Disk>,
}

impl Range {
    pub(crate) fn average(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "so many samples there are not")]
        let count = self.count.max(1) as f64;
        // rounding is not to lead out of what was seen
        (self.sum / count).clamp(self.min.min(self.max), self.max)
    }

    fn add(into: &mut Option<Self>, other: Self) {
        match into {
            None => *into = Some(other),
            Some(range) => {
                range.min = range.min.min(other.min);
                range.max = range.max.max(other.max);
                range.sum += other.sum;
                range.count += other.count;
            }
        }
    }

    fn see(into: &mut Option<Self>, value: f64) {
        Self::add(into, Self { min: value, max: value, sum: value, count: 1 });
    }
}

#[allow(clippy::cast_precision_loss, reason = "bytes beyond 2^53 are no number of a machine")]
fn float(number: u64) -> f64 {
    number as f64
}

impl Summary {
    /// What begins where `before` ended, of whose counters it goes on.
    pub(super) fn after(before: &Self) -> Self {
        let went_on = |network: &Network| Network { received: 0, sent: 0, ..network.clone() };
        Self { networks: before.networks.iter().map(went_on).collect(), last_us: before.last_us, ..Self::default() }
    }

    /// What it holds of memory, about.
    pub(super) fn held(&self) -> usize {
        let networks = self.networks.iter().map(|network| size_of::<Network>() + network.name.len());
        let disks = self.disks.iter().map(|disk| size_of::<Disk>() + disk.mount.len());
        size_of::<Self>() + networks.sum::<usize>() + disks.sum::<usize>()
    }

    /// One sample more.
    pub(super) fn see(&mut self, sample: &SystemMetrics) {
        let is_late = sample.at_us < self.last_us;
        self.samples += 1;
        Range::see(&mut self.cpu_percent, sample.cpu_percent);
        Range::see(&mut self.memory_used, float(sample.memory_used_bytes));
        Range::see(&mut self.swap_used, float(sample.swap_used_bytes));
        Range::see(&mut self.load_1m, sample.load_1m);
        if let Some(process) = &sample.process {
            Range::see(&mut self.process_cpu, process.cpu_percent);
            Range::see(&mut self.process_memory, float(process.memory_bytes));
            Range::see(&mut self.process_files, float(process.open_files));
        }
        sample.disks.iter().for_each(|disk| self.see_disk(disk));
        if is_late {
            return;
        }
        self.last_us = sample.at_us;
        (self.memory_total, self.swap_total) = (sample.memory_total_bytes, sample.swap_total_bytes);
        sample.networks.iter().for_each(|network| self.see_network(network));
    }

    fn see_network(&mut self, seen: &NetworkMetrics) {
        let (received_last, sent_last) = (seen.received_bytes, seen.sent_bytes);
        let has_room = self.networks.len() < MOST;
        match self.networks.iter_mut().find(|own| own.name == seen.name) {
            Some(own) => {
                // a counter that went back began anew, with a restart of the machine
                own.received =
                    own.received.saturating_add(received_last.checked_sub(own.received_last).unwrap_or(received_last));
                own.sent = own.sent.saturating_add(sent_last.checked_sub(own.sent_last).unwrap_or(sent_last));
                (own.received_last, own.sent_last) = (received_last, sent_last);
            }
            None if has_room => {
                let name = seen.name.clone();
                self.networks.push(Network { name, received_last, sent_last, received: 0, sent: 0 });
            }
            None => {}
        }
    }

    fn see_disk(&mut self, seen: &DiskMetrics) {
        if let Some(disk) = self.disk(&seen.mount) {
            disk.total = seen.total_bytes;
            Range::see(&mut disk.available, float(seen.available_bytes));
        }
    }

    fn disk(&mut self, mount: &str) -> Option<&mut Disk> {
        match self.disks.iter().position(|disk| disk.mount == mount) {
            Some(place) => self.disks.get_mut(place),
            None if self.disks.len() < MOST => {
                self.disks.push(Disk { mount: mount.to_owned(), total: 0, available: None });
                self.disks.last_mut()
            }
            None => None,
        }
    }

    /// What came behind it, of a longer time than one sample.
    pub(super) fn merge(&mut self, later: &Self) {
        self.samples += later.samples;
        for (into, other) in [
            (&mut self.cpu_percent, later.cpu_percent),
            (&mut self.memory_used, later.memory_used),
            (&mut self.swap_used, later.swap_used),
            (&mut self.load_1m, later.load_1m),
            (&mut self.process_cpu, later.process_cpu),
            (&mut self.process_memory, later.process_memory),
            (&mut self.process_files, later.process_files),
        ] {
            if let Some(other) = other {
                Range::add(into, other);
            }
        }
        (self.memory_total, self.swap_total, self.last_us) = (later.memory_total, later.swap_total, later.last_us);
        for network in &later.networks {
            let has_room = self.networks.len() < MOST;
            match self.networks.iter_mut().find(|own| own.name == network.name) {
                Some(own) => {
                    own.received = own.received.saturating_add(network.received);
                    own.sent = own.sent.saturating_add(network.sent);
                    (own.received_last, own.sent_last) = (network.received_last, network.sent_last);
                }
                None if has_room => self.networks.push(network.clone()),
                None => {}
            }
        }
        for other in &later.disks {
            if let Some(disk) = self.disk(&other.mount) {
                disk.total = other.total;
                if let Some(available) = other.available {
                    Range::add(&mut disk.available, available);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_proto::v1::ProcessMetrics;

    use super::*;

    fn sample(at_us: u64, cpu_percent: f64, received_bytes: u64) -> SystemMetrics {
        let networks = vec![NetworkMetrics { name: "eth0".into(), received_bytes, sent_bytes: 0 }];
        let disks = vec![DiskMetrics { mount: "/".into(), total_bytes: 9, available_bytes: received_bytes % 9 }];
        let process = Some(ProcessMetrics { cpu_percent, ..ProcessMetrics::default() });
        SystemMetrics { at_us, cpu_percent, networks, disks, process, ..SystemMetrics::default() }
    }

    fn of(samples: &[SystemMetrics]) -> Summary {
        let mut summary = Summary::default();
        samples.iter().for_each(|sample| summary.see(sample));
        summary
    }

    #[test]
    fn what_is_counted_goes_on_and_begins_anew() {
        let one = of(&[sample(1, 10.0, 1000), sample(2, 30.0, 1500), sample(3, 20.0, 100)]);
        let cpu = one.cpu_percent.unwrap();
        assert_eq!((cpu.min, cpu.average(), cpu.max, one.samples), (10.0, 20.0, 30.0, 3));
        assert_eq!(one.networks[0].received, 600, "500, and 100 after the machine began anew");
        let mut next = Summary::after(&one);
        next.see(&sample(4, 0.0, 350));
        assert_eq!((next.networks[0].received, next.samples), (250, 1));
        next.see(&sample(2, 0.0, 1));
        assert_eq!((next.networks[0].received, next.samples), (250, 2), "late");
    }

    proptest! {
        #[test]
        fn a_whole_is_what_its_parts_are_merged(
            values in prop::collection::vec((0.0..100.0f64, 0..1_000_000u64), 1..40), cut in 0..40usize,
        ) {
            let samples: Vec<_> = values.iter().zip(1..).map(|((cpu, bytes), at)| sample(at, *cpu, *bytes)).collect();
            let cut = cut.min(samples.len());
            let mut merged = of(&samples[..cut]);
            let mut rest = Summary::after(&merged);
            samples[cut..].iter().for_each(|sample| rest.see(sample));
            if rest.samples > 0 {
                merged.merge(&rest);
            }
            let whole = of(&samples);
            let (a, b) = (merged.cpu_percent.unwrap(), whole.cpu_percent.unwrap());
            prop_assert!((a.sum - b.sum).abs() < 1e-6);
            prop_assert_eq!((a.min, a.max, a.count), (b.min, b.max, b.count));
            prop_assert!(b.min <= b.average() && b.average() <= b.max);
            prop_assert_eq!(&merged.networks, &whole.networks);
            prop_assert_eq!(merged.disks[0].available.unwrap().count, whole.disks[0].available.unwrap().count);
        }
    }
}

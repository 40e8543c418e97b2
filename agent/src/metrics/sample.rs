//! One look at the machine, as the protocol says it. Reads the kernel's counters (sysinfo), keeps what rates need.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use sysinfo::{
    CpuRefreshKind, DiskRefreshKind, Disks, MemoryRefreshKind, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate,
    RefreshKind, System,
};
use weir_proto::v1::{DiskMetrics, NetworkMetrics, ProcessMetrics, SystemMetrics};

use crate::config::MetricsConfig;

/// What CPU shares are measured against: the look before.
pub(super) struct Sampler {
    system: System,
    networks: Networks,
    disks: Disks,
    own: Pid,
    interfaces: Vec<String>,
    mounts: Vec<PathBuf>,
    disk_details: bool,
}

impl Sampler {
    pub(super) fn new(config: &MetricsConfig) -> Self {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_cpu_usage())
            .with_memory(MemoryRefreshKind::everything());
        let mut sampler = Self {
            system: System::new_with_specifics(kinds),
            networks: Networks::new_with_refreshed_list(),
            disks: Disks::new(),
            own: Pid::from_u32(std::process::id()),
            interfaces: config.interfaces.clone(),
            mounts: config.disks.clone(),
            disk_details: config.disk_details,
        };
        sampler.refresh();
        sampler
    }

    /// From the next look on.
    pub(super) fn choose(&mut self, config: &MetricsConfig) {
        (self.interfaces, self.mounts) = (config.interfaces.clone(), config.disks.clone());
        self.disk_details = config.disk_details;
        if !self.disk_details {
            self.disks = Disks::new();
        }
    }

    fn refresh(&mut self) {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        let process = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.own]), true, process);
        self.networks.refresh(true);
        if self.disk_details {
            self.disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage().with_io_usage());
        }
    }

    /// Blocks: a mount that hangs makes it hang.
    pub(super) fn sample(&mut self) -> SystemMetrics {
        self.refresh();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let network = |(name, data): (&String, &sysinfo::NetworkData)| NetworkMetrics {
            name: name.clone(),
            received_bytes: data.total_received(),
            sent_bytes: data.total_transmitted(),
        };
        let disk = |disk: &sysinfo::Disk| DiskMetrics {
            mount: disk.mount_point().to_string_lossy().into_owned(),
            total_bytes: disk.total_space(),
            available_bytes: disk.available_space().min(disk.total_space()),
        };
        let mut networks: Vec<_> =
            self.networks.iter().filter(|(name, _)| chosen(&self.interfaces, name)).map(network).collect();
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        let mut disks: Vec<_> =
            self.disks.iter().filter(|disk| chosen(&self.mounts, &disk.mount_point().to_owned())).map(disk).collect();
        disks.sort_by(|a, b| a.mount.cmp(&b.mount));
        // bind mounts show one disk several times under one name
        disks.dedup_by(|a, b| a.mount == b.mount);
        let (disk_read_bytes, disk_written_bytes) = self.disk_traffic();
        SystemMetrics {
            at_us: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
            cpu_percent: f64::from(self.system.global_cpu_usage()).clamp(0.0, 100.0),
            memory_total_bytes: self.system.total_memory(),
            memory_used_bytes: self.system.used_memory().min(self.system.total_memory()),
            swap_total_bytes: self.system.total_swap(),
            swap_used_bytes: self.system.used_swap().min(self.system.total_swap()),
            networks,
            disks,
            process: self.system.process(self.own).map(|process| ProcessMetrics {
                cpu_percent: f64::from(process.cpu_usage()).max(0.0),
                memory_bytes: process.memory(),
                uptime_s: process.run_time(),
                open_files: open_files(),
            }),
            load_1m: System::load_average().one,
            disk_read_bytes,
            disk_written_bytes,
        }
    }

    /// Bytes read and written. A device may be mounted in several places.
    fn disk_traffic(&self) -> (u64, u64) {
        let shown = self.disks.iter().filter(|disk| chosen(&self.mounts, &disk.mount_point().to_owned()));
        let devices: BTreeMap<_, _> = shown.map(|disk| (disk.name(), disk.usage())).collect();
        devices
            .values()
            .fold((0, 0), |(read, written), usage| (read + usage.total_read_bytes, written + usage.total_written_bytes))
    }
}

fn chosen<T: PartialEq>(wanted: &[T], item: &T) -> bool {
    wanted.is_empty() || wanted.contains(item)
}

fn open_files() -> u64 {
    // the listing itself holds one
    std::fs::read_dir("/proc/self/fd").map_or(0, |files| (files.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn samples_are_within_what_a_machine_can_show() {
        let mut sampler = Sampler::new(&Config::default().metrics);
        let (first, second) = (sampler.sample(), sampler.sample());
        assert!(second.at_us >= first.at_us && first.at_us > 0);
        assert!((0.0..=100.0).contains(&second.cpu_percent), "{}", second.cpu_percent);
        assert!(second.memory_total_bytes > 0 && second.memory_used_bytes <= second.memory_total_bytes);
        assert!(second.networks.iter().any(|network| network.name == "lo"), "{:?}", second.networks);
        assert!(second.disks.iter().all(|disk| disk.available_bytes <= disk.total_bytes));
        assert!(second.disk_read_bytes >= first.disk_read_bytes, "they are counted, not measured");
        let process = second.process.unwrap();
        assert!(process.memory_bytes > 1 << 20 && process.open_files > 2, "{process:?}");
    }

    #[test]
    fn only_what_was_asked_for_is_reported() {
        let mut config = Config::default().metrics;
        config.interfaces = vec!["lo".to_owned()];
        config.disks = vec!["/nowhere".into()];
        let sample = Sampler::new(&config).sample();
        assert_eq!(sample.networks.iter().map(|network| network.name.as_str()).collect::<Vec<_>>(), ["lo"]);
        assert!(sample.disks.is_empty());
        assert_eq!((sample.disk_read_bytes, sample.disk_written_bytes), (0, 0));
        let config = crate::config::MetricsConfig { disk_details: false, ..Config::default().metrics };
        assert!(Sampler::new(&config).sample().disks.is_empty());
        // and when that changes
        let mut sampler = Sampler::new(&Config::default().metrics);
        sampler.choose(&config);
        let sample = sampler.sample();
        assert_eq!((sample.disks.len(), sample.disk_read_bytes), (0, 0));
    }
}

//! How the machine is doing: samples of CPU, memory, network, disks and the agent's own process, and their way to the
//! orchestrator. Knows nothing of traffic.

mod kept;
mod report;
mod sample;

pub use report::report;

//! What is kept of exchanges. Parts of an exchange enter from its worker as they pass; encoded records leave for the
//! orchestrator, through memory while it answers and through a spool on disk while it does not. Never delays an exchange.

mod batch;
mod lines;
mod messages;
mod recorder;
mod recording;
mod sender;
mod sink;
mod spool;
mod tunnels;
mod wire;

pub use lines::{Line, Lines};
pub use messages::{Fate, Kind, Messages, Passed};
pub use recorder::{Recorder, WorkerRecorder};
pub use recording::{Recording, Side};
pub use sender::Sender;
pub use tunnels::{ConnectionRecord, TunnelRecord};
pub use weir_proto::v1::Outcome;

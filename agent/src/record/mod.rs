//! What is kept of an exchange.

/// What all workers record into.
#[derive(Default)]
pub struct Recorder {}

/// One worker's end of the recorder. `!Send`.
pub struct WorkerRecorder {}

//! Lines of stdin as they come. A thread of its own reads one when it is wanted, so that an editor that is open meanwhile has
//! the terminal for itself.

use std::{io, thread};

use tokio::sync::mpsc;

pub(super) struct Lines {
    wants: std::sync::mpsc::Sender<()>,
    lines: mpsc::UnboundedReceiver<String>,
    asked: bool,
}

impl Lines {
    pub(super) fn of_stdin() -> Self {
        let (wants, wanted) = std::sync::mpsc::channel();
        let (sender, lines) = mpsc::unbounded_channel();
        thread::spawn(move || {
            while wanted.recv().is_ok() {
                let mut line = String::new();
                match io::stdin().read_line(&mut line) {
                    Ok(1..) if sender.send(line).is_ok() => {}
                    _ => return,
                }
            }
        });
        Self { wants, lines, asked: false }
    }

    /// The next; none at the end. Dropped before it is there, it is there the next time.
    pub(super) async fn next(&mut self) -> Option<String> {
        if !self.asked {
            self.asked = true;
            self.wants.send(()).ok()?;
        }
        let line = self.lines.recv().await;
        self.asked = false;
        line
    }
}

//! What is said on a WebSocket of a case, message by message through a run, as an agent takes it.

use weir_golden::{Heard, Said, Speaker, Words};
use weir_host::{Answer, Direction, Judged, Message, Run};

/// What arrives; and what ended it, if that is no close.
pub(crate) fn hold(run: &mut Run, messages: &[Said]) -> (Heard, Option<Answer>) {
    let mut heard = Heard::default();
    match run.messages_open() {
        Err(failure) => return (heard, Some(Answer::Failed(failure))),
        Ok(false) => return (Heard { said: messages.to_vec(), close: None }, None),
        Ok(true) => {}
    }
    for said in messages {
        let direction = match said.by {
            Speaker::Client => Direction::Request,
            Speaker::Upstream => Direction::Response,
        };
        let message = match &said.words {
            Words::Text(text) => Message::Text(text.clone()),
            Words::Binary(bytes) => Message::Binary(bytes.clone()),
        };
        match run.message(direction, &message) {
            Judged::Pass => heard.said.push(said.clone()),
            Judged::Replace(Message::Text(text)) => heard.said.push(Said { by: said.by, words: Words::Text(text) }),
            Judged::Replace(Message::Binary(bytes)) => {
                heard.said.push(Said { by: said.by, words: Words::Binary(bytes) })
            }
            Judged::Replace(Message::Event(_)) => unreachable!("an event in place of a message breaks the contract"),
            Judged::Drop => {}
            Judged::Close(close) => {
                heard.close = Some((close.code, close.reason));
                break;
            }
            Judged::Failed(failure) => return (heard, Some(Answer::Failed(failure))),
        }
    }
    (heard, None)
}

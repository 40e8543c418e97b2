//! The export `message` of a component, where `export!` is asked for it.

use crate::{Content, MessageAction, Messages, Origin, ServerEvent, component::Component};

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    unused_qualifications,
    reason = "generated from wit/filter.wit, where the documentation is"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/filter.wit",
        world: "message-hooks",
        pub_export_macro: true,
        export_macro_name: "export_message",
        default_bindings_module: "weir_sdk::__private::message_bindings",
        with: { "weir:filter/http@0.1.0": crate::component::bindings::weir::filter::http },
    });
}

pub use bindings::export_message;

use crate::component::bindings::weir::filter::http;
use bindings::exports::weir::filter::message;

impl<C: Component> message::Guest for C
where
    C::Filter: Messages,
{
    fn on_open(of: u32) -> bool {
        C::with(|guest| guest.messages_open(of))
    }

    fn on_message(of: u32, origin: http::Direction, content: message::Content) -> message::MessageAction {
        let origin = match origin {
            http::Direction::Request => Origin::Client,
            http::Direction::Response => Origin::Upstream,
        };
        C::with(|guest| guest.message(of, origin, content.into())).into()
    }
}

impl From<message::Content> for Content {
    fn from(content: message::Content) -> Self {
        match content {
            message::Content::Text(text) => Self::Text(text),
            message::Content::Binary(bytes) => Self::Binary(bytes),
            message::Content::Event(message::ServerEvent { event, data, id, retry }) => {
                Self::Event(ServerEvent { event, data, id, retry })
            }
        }
    }
}

impl From<Content> for message::Content {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text),
            Content::Binary(bytes) => Self::Binary(bytes),
            Content::Event(ServerEvent { event, data, id, retry }) => {
                Self::Event(message::ServerEvent { event, data, id, retry })
            }
        }
    }
}

impl From<MessageAction> for message::MessageAction {
    fn from(action: MessageAction) -> Self {
        match action {
            MessageAction::Pass => Self::Pass,
            MessageAction::Replace(content) => Self::Replace(content.into()),
            MessageAction::Drop => Self::DropMessage,
            MessageAction::Close { code, reason } => Self::Close(message::CloseReason { code, reason }),
        }
    }
}

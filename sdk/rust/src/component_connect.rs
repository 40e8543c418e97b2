//! The export `connect` of a component, where `export!` is asked for it.

use crate::{ClientHello, Connect, Decision, Entry, Tunnel, component::Component};

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
        world: "connect-hooks",
        pub_export_macro: true,
        export_macro_name: "export_connect",
        default_bindings_module: "weir_sdk::__private::connect_bindings",
        with: { "weir:filter/http@0.1.0": crate::component::bindings::weir::filter::http },
    });
}

pub use bindings::export_connect;

use crate::component::bindings::weir::filter::http;
use bindings::exports::weir::filter::connect;

impl<C: Component> connect::Guest for C
where
    C::Filter: Connect,
{
    fn on_connect(to: connect::Tunnel) -> connect::Decision {
        let to = tunnel(to);
        C::with(|guest| guest.connect(&to)).into()
    }

    fn on_client_hello(to: connect::Tunnel, hello: connect::ClientHello) -> connect::Decision {
        let to = tunnel(to);
        let hello = ClientHello { server_name: hello.server_name, alpn: hello.alpn };
        C::with(|guest| guest.client_hello(&to, &hello)).into()
    }
}

fn tunnel(tunnel: connect::Tunnel) -> Tunnel {
    let connect::Tunnel { entry, client_address, user, target } = tunnel;
    let entry = match entry {
        http::Entry::Forward => Entry::Forward,
        http::Entry::Connect => Entry::Connect,
        http::Entry::Socks5 => Entry::Socks5,
        http::Entry::Transparent => Entry::Transparent,
        http::Entry::Reverse => Entry::Reverse,
    };
    Tunnel { entry, client_address, user, target }
}

impl From<Decision> for connect::Decision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Next => Self::Next,
            Decision::Deny(reason) => Self::Deny(reason),
            Decision::Redirect(target) => Self::Redirect(target),
            Decision::Intercept => Self::Intercept,
            Decision::PassThrough => Self::PassThrough,
        }
    }
}

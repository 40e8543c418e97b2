//! Compiles `weir.proto` with protox, so that nobody has to install protoc; and writes down, for each message, what reading its
//! fields takes.

use std::{env, fmt::Write as _, fs, path::Path};

use protox::prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=weir.proto");
    let descriptors = protox::compile(["weir.proto"], ["."])?;
    let pool = DescriptorPool::from_file_descriptor_set(descriptors.clone())?;
    let mut shapes = String::new();
    for message in pool.all_messages() {
        write_shape(&mut shapes, &message)?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("shapes.rs"), shapes)?;
    tonic_prost_build::configure().bytes(".").codec_path("crate::codec::Codec").compile_fds(descriptors)?;
    Ok(())
}

/// A message by the size of its type and the kinds of its fields; an entry of a map has no type.
fn write_shape(out: &mut String, message: &MessageDescriptor) -> std::fmt::Result {
    let (name, own) = (message.name(), constant(message));
    let fields: String =
        message.fields().map(|field| format!("({}, {}), ", field.number(), kind(&field.kind()))).collect();
    let size = if message.is_map_entry() { "ENTRY".to_owned() } else { format!("size_of::<v1::{name}>()") };
    writeln!(out, "static {own}: Shape = Shape {{ name: {name:?}, size: {size}, fields: &[{fields}] }};")?;
    if message.is_map_entry() {
        return Ok(());
    }
    writeln!(out, "impl Shaped for v1::{name} {{ const SHAPE: &'static Shape = &{own}; }}")
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => format!("Kind::Message(&{})", constant(message)),
        Kind::String => "Kind::Text".to_owned(),
        Kind::Bytes => "Kind::Bytes".to_owned(),
        _ => "Kind::Number".to_owned(),
    }
}

fn constant(message: &MessageDescriptor) -> String {
    message.full_name().replace('.', "_").to_uppercase()
}

//! A package as names and shapes: two types of one shape are one type to a component.

use std::collections::BTreeMap;

use wit_parser::{Function, Handle, Resolve, Type, TypeDefKind, WorldItem, WorldKey};

/// Of each type and function of each interface, and of what worlds import and export.
pub(crate) fn shapes(resolve: &Resolve) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (_, interface) in resolve.interfaces.iter() {
        let Some(name) = &interface.name else { continue };
        for (item, id) in &interface.types {
            found.insert(format!("{name} {item}"), kind(resolve, &resolve.types[*id].kind));
        }
        for (item, function) in &interface.functions {
            found.insert(format!("{name} {item}"), signature(resolve, function));
        }
    }
    for (_, world) in resolve.worlds.iter() {
        for (direction, items) in [("imports", &world.imports), ("exports", &world.exports)] {
            for (key, item) in items {
                let shape = match item {
                    WorldItem::Function(function) => signature(resolve, function),
                    WorldItem::Interface { .. } | WorldItem::Type { .. } => String::new(),
                };
                found.insert(format!("{} {direction} {}", world.name, label(resolve, key)), shape);
            }
        }
    }
    found
}

fn label(resolve: &Resolve, key: &WorldKey) -> String {
    match key {
        WorldKey::Name(name) => name.clone(),
        WorldKey::Interface(id) => resolve.interfaces[*id].name.clone().unwrap_or_default(),
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let parameters: Vec<String> =
        function.params.iter().map(|parameter| format!("{}: {}", parameter.name, of(resolve, parameter.ty))).collect();
    let result = function.result.map_or_else(String::new, |result| format!(" -> {}", of(resolve, result)));
    format!("{:?}({}){result}", function.kind, parameters.join(", "))
}

fn of(resolve: &Resolve, of: Type) -> String {
    match of {
        Type::Id(id) => kind(resolve, &resolve.types[id].kind),
        plain => format!("{plain:?}"),
    }
}

fn perhaps(resolve: &Resolve, inner: Option<Type>) -> String {
    inner.map_or_else(|| "_".to_owned(), |inner| of(resolve, inner))
}

fn kind(resolve: &Resolve, shape: &TypeDefKind) -> String {
    let inner = |inner: &Type| of(resolve, *inner);
    match shape {
        TypeDefKind::Record(record) => {
            let fields: Vec<String> =
                record.fields.iter().map(|field| format!("{}: {}", field.name, inner(&field.ty))).collect();
            format!("record {{ {} }}", fields.join(", "))
        }
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types.iter().map(inner).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Variant(variant) => {
            let cases: Vec<String> =
                variant.cases.iter().map(|case| format!("{}({})", case.name, perhaps(resolve, case.ty))).collect();
            format!("variant {{ {} }}", cases.join(", "))
        }
        TypeDefKind::Enum(cases) => {
            let cases: Vec<&str> = cases.cases.iter().map(|case| case.name.as_str()).collect();
            format!("enum {{ {} }}", cases.join(", "))
        }
        TypeDefKind::Flags(flags) => {
            let names: Vec<&str> = flags.flags.iter().map(|flag| flag.name.as_str()).collect();
            format!("flags {{ {} }}", names.join(", "))
        }
        TypeDefKind::Option(some) => format!("option<{}>", inner(some)),
        TypeDefKind::List(item) => format!("list<{}>", inner(item)),
        TypeDefKind::Result(result) => {
            format!("result<{}, {}>", perhaps(resolve, result.ok), perhaps(resolve, result.err))
        }
        TypeDefKind::Future(value) => format!("future<{}>", perhaps(resolve, *value)),
        TypeDefKind::Stream(item) => format!("stream<{}>", perhaps(resolve, *item)),
        TypeDefKind::Type(alias) => inner(alias),
        TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => format!("handle {:?}", resolve.types[*id].name),
        other => format!("{other:?}"),
    }
}

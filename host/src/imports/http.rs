//! `http`: each call of a guest checked for whose exchange it names, then handed to [`super::control`] or
//! [`super::fields`]. Strings of the guest are read where they lie.

use wasmtime::{
    StoreContextMut,
    component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower, WasmStr},
};

use super::{control, fields};
use crate::{
    bindings::weir::filter::http::{BodyMode, ConnectionInfo, Direction, HeaderError, HttpVersion, Part},
    state::State,
};

type Set = Result<(), HeaderError>;

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut http = linker.instance(&super::interface("http"))?;
    read(&mut http, "connection", |s, (of,)| Ok::<ConnectionInfo, _>(control::connection(s.exchange(of)?)))?;
    read(&mut http, "id", |s, (of,)| Ok(s.exchange(of)?.id.to_string()))?;
    read(&mut http, "version", |s, (of, origin): (u32, Direction)| {
        Ok::<HttpVersion, _>(control::version(s.exchange(of)?, origin))
    })?;
    read(&mut http, "method", |s, (of,)| Ok(s.exchange(of)?.request.method.as_str().to_owned()))?;
    read(&mut http, "scheme", |s, (of,)| Ok(control::scheme(s.exchange(of)?)))?;
    read(&mut http, "authority", |s, (of,)| Ok(control::authority(s.exchange(of)?).to_owned()))?;
    read(&mut http, "path", |s, (of,)| Ok(control::path(s.exchange(of)?)))?;
    read(&mut http, "status", |s, (of,)| Ok(s.exchange(of)?.response.as_ref().map(|head| head.status.as_u16())))?;
    read(&mut http, "waiting-chunk", |s, (of,)| {
        s.exchange(of)?;
        Ok(s.waiting_chunk.as_ref().map(|chunk| chunk.to_vec()))
    })?;
    read(&mut http, "headers", |s, (of, part)| Ok(fields::all(s.exchange(of)?, part)))?;

    write(&mut http, "set-method", control::set_method)?;
    write(&mut http, "set-scheme", control::set_scheme)?;
    write(&mut http, "set-authority", control::set_authority)?;
    write(&mut http, "set-path", control::set_path)?;
    http.func_wrap("set-status", |mut store: StoreContextMut<'_, State>, (of, value): (u32, u16)| {
        Ok((control::set_status(store.data_mut(), of, value)?,))
    })?;
    http.func_wrap(
        "set-body-mode",
        |mut store: StoreContextMut<'_, State>, (of, origin, mode): (u32, Direction, BodyMode)| {
            Ok((control::set_body_mode(store.data_mut(), of, origin, mode)?,))
        },
    )?;

    http.func_wrap("header", |store: StoreContextMut<'_, State>, (of, part, name): (u32, Part, WasmStr)| {
        let exchange = store.data().exchange(of)?;
        Ok((fields::first(exchange, part, &name.to_str(&store)?),))
    })?;
    http.func_wrap("header-values", |store: StoreContextMut<'_, State>, (of, part, name): (u32, Part, WasmStr)| {
        let exchange = store.data().exchange(of)?;
        Ok((fields::values(exchange, part, &name.to_str(&store)?),))
    })?;
    type Line = (u32, Part, WasmStr, WasmStr);
    http.func_wrap("set-header", |mut store: StoreContextMut<'_, State>, (of, part, name, value): Line| {
        let line = fields::parse(&name.to_str(&store)?, &value.to_str(&store)?);
        Ok((change(line, |line| fields::set(store.data_mut(), of, part, line))?,))
    })?;
    http.func_wrap("append-header", |mut store: StoreContextMut<'_, State>, (of, part, name, value): Line| {
        let line = fields::parse(&name.to_str(&store)?, &value.to_str(&store)?);
        Ok((change(line, |line| fields::append(store.data_mut(), of, part, line))?,))
    })?;
    http.func_wrap("remove-header", |mut store: StoreContextMut<'_, State>, (of, part, name): (u32, Part, WasmStr)| {
        let name = fields::parse_name(&name.to_str(&store)?);
        Ok((change(name, |name| fields::remove(store.data_mut(), of, part, &name))?,))
    })
}

/// A call that only looks.
fn read<P, R>(
    http: &mut LinkerInstance<'_, State>,
    name: &str,
    get: impl Fn(&State, P) -> wasmtime::Result<R> + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + 'static,
    (R,): ComponentNamedList + Lower + 'static,
{
    http.func_wrap(name, move |store: StoreContextMut<'_, State>, params: P| Ok((get(store.data(), params)?,)))
}

/// A call that replaces a string of the request's head.
fn write(
    http: &mut LinkerInstance<'_, State>,
    name: &str,
    set: impl Fn(&mut State, u32, String) -> wasmtime::Result<Set> + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    http.func_wrap(name, move |mut store: StoreContextMut<'_, State>, (of, value): (u32, String)| {
        Ok((set(store.data_mut(), of, value)?,))
    })
}

/// Makes the change when what the guest gave is well-formed.
fn change<V>(given: Result<V, HeaderError>, make: impl FnOnce(V) -> wasmtime::Result<Set>) -> wasmtime::Result<Set> {
    match given {
        Ok(value) => make(value),
        Err(error) => Ok(Err(error)),
    }
}

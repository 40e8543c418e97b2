//! One answer while it is made. What it carries is counted value by value, what goes wrong is told so many times and no more,
//! and in the end its fields stand as they were asked for. What belongs to one answer, and to no other of the same
//! subscription, is put beside it here.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use async_graphql::{
    Data, PathSegment, QueryPathNode, QueryPathSegment, Request, Response, ServerError, ServerResult, ValidationResult,
    Value, Variables,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery, NextPrepareRequest, NextResolve,
        NextValidation, ResolveInfo,
    },
    parser::types::{DocumentOperations, ExecutableDocument},
};
use parking_lot::Mutex;

use super::{bounds, fault::Fault, loaders, operation::Beginning, order::Order, purse::Purse};
use crate::rest::Asker;

/// What is wrong in one answer is told so often.
const FAULTS: usize = 50;
/// A question that may come to more values than that waits for its turn.
const LIGHT: usize = 4_000;
/// Of a value that is no text, written; more or less.
const SHORT: usize = 8;

pub(super) struct Watching;

/// What a client that reads slowly has not taken yet keeps its purse, and so its turn.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Option<Arc<Purse>>>>);

/// Of one question.
#[derive(Default)]
struct Watch {
    operation: Mutex<Option<String>>,
    order: OnceLock<Order>,
    complexity: AtomicUsize,
    tally: Mutex<Arc<Tally>>,
}

/// What the answer that is being made came to so far.
#[derive(Default)]
struct Tally {
    purse: Arc<Purse>,
    faults: AtomicUsize,
    /// Of fields that are null for it.
    told: Mutex<Vec<ServerError>>,
}

impl Kept {
    /// It is on its way.
    pub(super) fn release(&self) {
        self.0.lock().take();
    }
}

impl ExtensionFactory for Watching {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Watch::default())
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Watch {
    async fn prepare_request(
        &self,
        context: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        self.operation.lock().clone_from(&request.operation_name);
        next.run(context, request).await
    }

    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(context, query, variables).await?;
        bounds::check(&document)?;
        let operation = self.operation.lock().take();
        if let Some(order) = order(&document, operation.as_deref()) {
            let _ = self.order.set(order);
        }
        Ok(document)
    }

    async fn validation(
        &self,
        context: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(context).await?;
        self.complexity.store(result.complexity, Relaxed);
        Ok(result)
    }

    async fn execute(
        &self,
        context: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if let Some(beginning) = context.data_opt::<Beginning>() {
            beginning.is_over();
        }
        // Questions of one request have one.
        let purse = context.data_opt::<Arc<Purse>>().cloned().unwrap_or_default();
        if let Some(Kept(kept)) = context.data_opt() {
            *kept.lock() = Some(Arc::clone(&purse));
        }
        if self.complexity.load(Relaxed) > LIGHT
            && let Err(fault) = purse.turn(context.data_unchecked(), context.data_unchecked::<Asker>().name()).await
        {
            return Response::from_errors(vec![fault.of_request()]);
        }
        let tally = Arc::new(Tally { purse: Arc::clone(&purse), ..Tally::default() });
        *self.tally.lock() = Arc::clone(&tally);
        let mut data = Data::default();
        loaders::put(&mut data, context.data_unchecked(), purse);
        let mut answer = next.run_with_data(context, operation_name, data).await;
        answer.errors.append(&mut tally.told.lock());
        if let Some(order) = self.order.get() {
            order.apply(&mut answer.data);
        }
        answer
    }

    async fn resolve(
        &self,
        context: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let tally = Arc::clone(&*self.tally.lock());
        if tally.is_over() {
            return Ok(Some(Value::Null));
        }
        let (name, place) = (info.alias.unwrap_or(info.name).len(), info.path_node);
        let may_be_null = !info.return_type.ends_with('!');
        let value = match next.run(context, info).await {
            Ok(value) => value,
            Err(error) => return tally.wrong(error, may_be_null),
        };
        match tally.purse.spend(name + value.as_ref().map_or(SHORT, written)) {
            Ok(()) => Ok(value),
            Err(fault) => tally.wrong(at(place, &fault), may_be_null),
        }
    }
}

/// Of the operation that is asked for, if there is one.
fn order(document: &ExecutableDocument, operation: Option<&str>) -> Option<Order> {
    let operation = match (&document.operations, operation) {
        (DocumentOperations::Single(only), _) => only,
        (DocumentOperations::Multiple(all), Some(name)) => all.get(name)?,
        (DocumentOperations::Multiple(all), None) => all.values().next()?,
    };
    Some(Order::of(&operation.node.selection_set.node, &document.fragments))
}

impl Tally {
    fn is_over(&self) -> bool {
        self.faults.load(Relaxed) > FAULTS
    }

    /// Tells it, unless that was done often enough: then the rest of the answer is nothing. A field that may be null is
    /// (GraphQL, section 6.4.4); the library leaves out any that came to nothing.
    fn wrong(&self, error: ServerError, may_be_null: bool) -> ServerResult<Option<Value>> {
        let before = self.faults.fetch_add(1, Relaxed);
        if before > FAULTS {
            return Ok(Some(Value::Null));
        }
        let last = || ServerError::new(format!("more than {FAULTS} things are wrong: the rest is left out"), None);
        let error = if before == FAULTS { bounds::coded(last(), "TOO_COMPLEX") } else { error };
        if may_be_null {
            self.told.lock().push(error);
            return Ok(Some(Value::Null));
        }
        Err(error)
    }
}

/// Bytes of a value in JSON, what is in it aside: that was counted by itself.
fn written(value: &Value) -> usize {
    match value {
        Value::String(text) => text.bytes().map(in_json).sum::<usize>() + 2,
        _ => SHORT,
    }
}

/// RFC 8259 section 7: control characters, but for a few, are written as six.
fn in_json(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

fn at(place: &QueryPathNode<'_>, fault: &Fault) -> ServerError {
    let mut path = Vec::new();
    let mut node = Some(place);
    while let Some(QueryPathNode { parent, segment }) = node {
        path.push(match segment {
            QueryPathSegment::Index(index) => PathSegment::Index(*index),
            QueryPathSegment::Name(name) => PathSegment::Field((*name).to_owned()),
        });
        node = *parent;
    }
    path.reverse();
    fault.of_request().with_path(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_measured_as_they_are_written() {
        for text in ["", "plain", "é \"q\" \\ \n\r\t", "\0\u{1f}\u{7f}", "\u{8}"] {
            let json = serde_json::to_string(text).unwrap();
            let measured = written(&Value::String(text.to_owned()));
            assert!(measured >= json.len() && measured <= json.len() + 4, "{json}: {measured}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_so_often() {
        let tally = Tally::default();
        let told = (0..1_000).filter(|_| tally.wrong(ServerError::new("x", None), false).is_err()).count();
        assert_eq!(told, FAULTS + 1);
        assert!(tally.is_over());
        let tally = Tally::default();
        assert!((0..1_000).all(|_| tally.wrong(ServerError::new("x", None), true) == Ok(Some(Value::Null))));
        assert_eq!(tally.told.lock().len(), FAULTS + 1);
    }
}

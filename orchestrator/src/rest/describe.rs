//! What every operation of the interface has in common, said once: who may not ask, who asks too often, and the fields that go with it.
//! Put into the description, so that no operation forgets to say it.

use utoipa::{
    Modify,
    openapi::{
        ContentBuilder, Header, HeaderBuilder, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response,
        ResponseBuilder,
        path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::Type,
    },
};

use super::conditional::CHANGES;

/// Of what needs a credential.
const COMMON: [(&str, &str); 6] = [
    ("400", "Something of the request cannot be read, or does not exist"),
    ("401", "No credential that counts"),
    ("403", "The role does not allow it, the token is for other areas, or a page of another origin asks"),
    ("408", "The body came too slowly"),
    ("429", "Too many requests: `Retry-After` says for how long to wait"),
    ("503", "The database, or the issuer of the token, does not answer"),
];
/// Paths of one thing, whose answers have tags.
const TAGGED: [&str; 2] = ["/api/v1/exchanges/{id}", "/api/v1/filters/{name}"];
/// A tag that is of a part, and that nobody is spared by.
const TAGGED_IN_PART: &str = "/api/v1/retention";
/// What is carried out once for each key.
const ONCE: [&str; 6] = ["makeToken", "addUser", "makeJoinToken", "makeBreakpoint", "replayExchange", "sendRequest"];

pub(super) struct Common;

impl Modify for Common {
    fn modify(&self, openapi: &mut OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            for (method, operation) in operations(item) {
                if path.starts_with("/api/v1/") {
                    api(path, method, operation);
                } else {
                    add(operation, "429", "Too many requests from this address");
                }
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Delete, &mut item.delete),
        (HttpMethod::Patch, &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn api(path: &str, method: HttpMethod, operation: &mut Operation) {
    for (status, description) in COMMON {
        add(operation, status, description);
    }
    if operation.request_body.is_some() {
        add(operation, "413", "The body is too large");
        add(operation, "415", "The body is not of the kind that is taken");
    }
    let id = operation.operation_id.clone().unwrap_or_default();
    let is_get = method == HttpMethod::Get;
    if is_get && TAGGED.contains(&path) {
        field(operation, "If-None-Match", "An ETag that was given");
        let unchanged = ResponseBuilder::new().description("As `If-None-Match` has it").build();
        operation.responses.responses.entry("304".to_owned()).or_insert(RefOr::T(unchanged));
        tagged(operation, "Of what the asker may see of it");
    }
    if path == TAGGED_IN_PART {
        tagged(operation, "Of the rules");
    }
    if CHANGES.iter().any(|(changes, template)| *template == path && named(&method) == changes.as_str()) {
        field(operation, "If-Match", "Only if it is still what had this ETag, seen by the transaction that changes it");
        add(operation, "412", "It is not what `If-Match` says");
    }
    if ONCE.contains(&id.as_str()) {
        field(
            operation,
            "Idempotency-Key",
            "16 to 255 characters that nobody else chooses, such as a UUID: the request is carried out once, and answered alike for a day",
        );
        add(operation, "409", "The request with this Idempotency-Key is being carried out, or what it makes is there");
        add(operation, "422", "Something of it cannot be, or this Idempotency-Key was used for another request");
    }
}

/// Its answer says which it is.
fn tagged(operation: &mut Operation, of: &str) {
    if let Some(RefOr::T(found)) = operation.responses.responses.get_mut("200") {
        found.headers.insert("ETag".to_owned(), text(of));
    }
}

fn named(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Put => "PUT",
        HttpMethod::Post => "POST",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Patch => "PATCH",
        _ => "",
    }
}

/// A problem document, unless the operation says more of it itself; what comes with the status does so in either case.
fn add(operation: &mut Operation, status: &str, description: &str) {
    let found = operation.responses.responses.entry(status.to_owned());
    let RefOr::T(response) = found.or_insert_with(|| RefOr::T(problem(description))) else { return };
    let (name, means) = match status {
        "429" => ("Retry-After", "Seconds"),
        "401" => ("WWW-Authenticate", "RFC 6750"),
        _ => return,
    };
    response.headers.entry(name.to_owned()).or_insert_with(|| text(means));
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}

fn text(description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(schema).description(Some(description)).build()
}

fn field(operation: &mut Operation, name: &str, description: &str) {
    let parameter: Parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .build();
    operation.parameters.get_or_insert_default().push(parameter);
}

//! One route described: what it takes, what it gives, and the refusals that come with its kind.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use utoipa::ToSchema;
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    Content, HttpMethod, PathItem, Ref, RefOr, Required, Response, ResponseBuilder,
};

use super::wire::Problem;

/// Name of the security scheme.
pub const SESSION_COOKIE: &str = "session";

type Schemas = Vec<(String, RefOr<Schema>)>;

/// One route.
pub struct Described {
    pub method: Method,
    pub path: &'static str,
    tag: &'static str,
    summary: &'static str,
    signed_in: bool,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    answers: Vec<(StatusCode, Response)>,
    refusals: BTreeSet<u16>,
    schemas: Schemas,
}

/// A route for those who are signed in, unless [`Described::anyone`] is said.
pub fn route(
    method: Method,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
) -> Described {
    let refusals = [401, 403, 429, 503].into();
    let (body, answers, schemas) = (None, Vec::new(), Vec::new());
    let mut described = Described {
        tag,
        summary,
        signed_in: true,
        parameters: Vec::new(),
        body,
        answers,
        refusals,
        schemas,
        method,
        path,
    };
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(uuid()));
        described.parameters.push(parameter.build());
        described.refusals.insert(404);
    }
    if described.method != Method::GET {
        described.refusals.insert(409);
    }
    described
}

/// Of a type that has a name of its own: a reference, and everything it refers to.
fn reference<T: ToSchema>(schemas: &mut Schemas) -> RefOr<Schema> {
    let name = T::name().into_owned();
    T::schemas(schemas);
    schemas.push((name.clone(), T::schema()));
    Ref::from_schema_name(name).into()
}

/// An id as it is written.
pub fn uuid() -> RefOr<Schema> {
    text_of(SchemaFormat::Custom("uuid".into()))
}

fn text_of(format: SchemaFormat) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
}

/// One of some words.
pub fn words(words: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
}

impl Described {
    /// No sign-in is asked for.
    pub fn anyone(mut self) -> Self {
        self.signed_in = false;
        self.refusals.remove(&401);
        if self.method == Method::GET {
            self.refusals.remove(&403);
        }
        self
    }

    /// A JSON body.
    pub fn takes<T: ToSchema>(mut self) -> Self {
        let schema = reference::<T>(&mut self.schemas);
        self.body_of("application/json", schema)
    }

    /// A body of any bytes.
    pub fn takes_bytes(self) -> Self {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        self.body_of("application/octet-stream", text_of(format))
    }

    fn body_of(mut self, content_type: &str, schema: RefOr<Schema>) -> Self {
        let body = RequestBodyBuilder::new()
            .required(Some(Required::True))
            .content(content_type, Content::new(Some(schema)));
        self.body = Some(body.build());
        self.refusals.extend([400, 413, 422]);
        self
    }

    pub fn query(mut self, name: &str, needed: bool, schema: impl Into<RefOr<Schema>>) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(if needed { Required::True } else { Required::False })
            .schema(Some(schema));
        self.parameters.push(parameter.build());
        self.refusals.insert(400);
        self
    }

    /// A JSON answer.
    pub fn gives<T: ToSchema>(mut self, status: StatusCode) -> Self {
        let schema = reference::<T>(&mut self.schemas);
        let content = Content::new(Some(schema));
        self.answer(status, ResponseBuilder::new().content("application/json", content))
    }

    /// A JSON object that is described in docs/API.md.
    pub fn gives_object(self, status: StatusCode) -> Self {
        let schema: RefOr<Schema> = ObjectBuilder::new().schema_type(Type::Object).into();
        let content = Content::new(Some(schema));
        self.answer(status, ResponseBuilder::new().content("application/json", content))
    }

    /// `{"items": […]}`
    pub fn gives_items<T: ToSchema>(mut self) -> Self {
        let item = reference::<T>(&mut self.schemas);
        let items = utoipa::openapi::schema::ArrayBuilder::new().items(item);
        let object = ObjectBuilder::new().property("items", items).required("items");
        let content = Content::new(Some(RefOr::<Schema>::from(object)));
        self.answer(StatusCode::OK, ResponseBuilder::new().content("application/json", content))
    }

    /// A file or a text.
    pub fn gives_file(self, content_type: &str) -> Self {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        let schema = match content_type.starts_with("text/") {
            true => ObjectBuilder::new().schema_type(Type::String).into(),
            false => text_of(format),
        };
        let content = Content::new(Some(schema));
        self.answer(StatusCode::OK, ResponseBuilder::new().content(content_type, content))
    }

    /// A table as CSV or as XLSX.
    pub fn gives_tables(self) -> Self {
        const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        let text: RefOr<Schema> = ObjectBuilder::new().schema_type(Type::String).into();
        let file = text_of(SchemaFormat::KnownFormat(KnownFormat::Binary));
        let response = ResponseBuilder::new()
            .content("text/csv; charset=utf-8", Content::new(Some(text)))
            .content(XLSX, Content::new(Some(file)));
        self.answer(StatusCode::OK, response)
    }

    /// Parts of a file, and what is said of a file that has not changed or has no such part.
    pub fn partial(mut self, content_type: &str) -> Self {
        let schema = text_of(SchemaFormat::KnownFormat(KnownFormat::Binary));
        let content = Content::new(Some(schema));
        self = self.answer(
            StatusCode::PARTIAL_CONTENT,
            ResponseBuilder::new().content(content_type, content),
        );
        self.gives_nothing(StatusCode::NOT_MODIFIED)
            .gives_nothing(StatusCode::RANGE_NOT_SATISFIABLE)
    }

    /// A refusal in plain words, for machines that ask nothing but the status.
    pub fn plain(mut self, status: u16) -> Self {
        self.refusals.remove(&status);
        let schema: RefOr<Schema> = ObjectBuilder::new().schema_type(Type::String).into();
        let content = Content::new(Some(schema));
        match StatusCode::from_u16(status) {
            Ok(status) => {
                self.answer(status, ResponseBuilder::new().content("text/plain", content))
            }
            Err(_) => self,
        }
    }

    /// No body.
    pub fn gives_nothing(self, status: StatusCode) -> Self {
        self.answer(status, ResponseBuilder::new())
    }

    fn answer(mut self, status: StatusCode, response: ResponseBuilder) -> Self {
        let words = status.canonical_reason().unwrap_or_default();
        self.answers.push((status, response.description(words).build()));
        self
    }

    /// Refusals besides those that come with the kind of route.
    pub fn refuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.refusals.extend(statuses);
        self
    }

    /// Path, operation, and the schemas they name.
    pub fn build(mut self) -> (&'static str, PathItem, Schemas) {
        let operation = self.operation();
        let method = match self.method {
            Method::POST => HttpMethod::Post,
            Method::PUT => HttpMethod::Put,
            Method::DELETE => HttpMethod::Delete,
            Method::PATCH => HttpMethod::Patch,
            _ => HttpMethod::Get,
        };
        (self.path, PathItem::new(method, operation), self.schemas)
    }

    fn operation(&mut self) -> Operation {
        let problem = reference::<Problem>(&mut self.schemas);
        let mut operation = OperationBuilder::new()
            .tag(self.tag)
            .summary(Some(self.summary))
            .operation_id(Some(operation_id(&self.method, self.path)))
            .request_body(self.body.take());
        if !self.parameters.is_empty() {
            operation = operation.parameters(Some(std::mem::take(&mut self.parameters)));
        }
        if self.signed_in {
            let nothing: [&str; 0] = [];
            operation = operation.security(SecurityRequirement::new(SESSION_COOKIE, nothing));
        }
        for (status, response) in std::mem::take(&mut self.answers) {
            operation = operation.response(status.as_str(), response);
        }
        for status in &self.refusals {
            let words = StatusCode::from_u16(*status).ok().and_then(|s| s.canonical_reason());
            let response = ResponseBuilder::new()
                .description(words.unwrap_or_default())
                .content("application/problem+json", Content::new(Some(problem.clone())));
            operation = operation.response(status.to_string(), response);
        }
        operation.build()
    }
}

fn operation_id(method: &Method, path: &str) -> String {
    let parts = path.split(['/', '.', '-']).filter(|part| !part.is_empty());
    let words: Vec<&str> = parts.map(|part| part.trim_matches(['{', '}'])).collect();
    format!("{}_{}", method.as_str().to_lowercase(), words.join("_"))
}

//! Every route there is: what the OpenAPI document has, and the pages, as `crates/web/src/routes.rs` lists them.

use reqwest::Method;

const ROUTES: &str = include_str!("../../../../web/src/routes.rs");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// Nouns whose rows belong to one person; an id that comes after one of these is a row's.
const OWNED: [&str; 5] = ["threads", "runs", "turns", "sessions", "identities"];

/// One method at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// As it is declared, with `{id}`.
    pub(crate) path: String,
    /// Whether it is for browsers.
    pub(crate) is_page: bool,
    /// What may stand in the query, if the document says so.
    pub(crate) query: Vec<String>,
}

impl Route {
    /// `GET /path`
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The parameters of the path, each with the word before it.
    pub(crate) fn parameters(&self) -> Vec<(&str, &str)> {
        let parts: Vec<&str> = self.path.split('/').collect();
        let mut word = "";
        let mut found = Vec::new();
        for part in parts {
            match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(parameter) => found.push((word, parameter)),
                None => word = part,
            }
        }
        found
    }

    /// Whether its path names something that belongs to one person.
    pub(crate) fn is_of_somebody(&self) -> bool {
        self.owned().count() > 0
    }

    /// The nouns in its path whose rows belong to one person.
    pub(crate) fn owned(&self) -> impl Iterator<Item = &str> {
        self.parameters().into_iter().map(|(noun, _)| noun).filter(|noun| OWNED.contains(noun))
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Route> {
    let mut routes = documented();
    routes.extend(pages());
    routes.sort_by(|one, other| (&one.path, one.method.as_str()).cmp(&(&other.path, other.method.as_str())));
    routes
}

fn documented() -> Vec<Route> {
    let document = serde_json::to_value(retinue_web::openapi()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
            routes.push(Route {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                is_page: false,
                query: query.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect(),
            });
        }
    }
    routes
}

/// Reads `.route("/path", get(…).post(…))`. Routes in another form would not be found, so there are none.
fn pages() -> Vec<Route> {
    for other in [".nest(", ".nest_service(", ".route_service(", ".fallback_service(", "any(", "on("] {
        let is_there = ROUTES.match_indices(other).any(|(at, _)| !is_word(&ROUTES[..at], other));
        assert!(
            !is_there,
            "crates/web/src/routes.rs has `{other}`, which tests/it/isolation/route.rs can't read: teach it"
        );
    }
    let mut routes = Vec::new();
    for declared in ROUTES.split(".route(").skip(1) {
        let (path, handlers) = declared.trim_start().trim_start_matches('"').split_once('"').unwrap();
        let handlers = &handlers[..end_of_call(handlers)];
        let found = METHODS.iter().filter(|method| {
            let call = format!("{method}(");
            handlers.match_indices(&call).any(|(at, _)| !is_word(&handlers[..at], &call))
        });
        let methods: Vec<_> = found.map(|method| method.to_uppercase().parse().unwrap()).collect();
        assert!(
            !methods.is_empty(),
            "tests/it/isolation/route.rs finds no method of {path} in crates/web/src/routes.rs"
        );
        let one = |method| Route { method, path: path.to_owned(), is_page: true, query: Vec::new() };
        routes.extend(methods.into_iter().map(one));
    }
    routes
}

/// Whether what follows is only the end of a longer word.
fn is_word(before: &str, what: &str) -> bool {
    !what.starts_with('.') && before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
}

/// Where the parenthesis closes that was opened before.
fn end_of_call(text: &str) -> usize {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if depth == 0 {
            return at;
        }
    }
    panic!("a call without an end: {text}");
}

//! Every route there is: what the OpenAPI document has, and the pages, as `crates/web/src/routes.rs` lists them.

use std::fs;
use std::path::Path;

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

/// What may be merged with other routes: what the file declares itself.
const MERGED: [&str; 5] = [
    "api()",
    "public_api().into_openapi()",
    "pages().layer(compressed.clone())",
    "public_pages().layer(compressed)",
    "public",
];

/// What would bring in routes that are not found.
fn unreadable(routes: &str) -> Option<String> {
    let forms = [".nest(", ".nest_service(", ".route_service(", ".fallback_service(", "any(", "on("];
    let other = forms.into_iter().find(|form| routes.match_indices(form).any(|(at, _)| !is_word(&routes[..at], form)));
    let mut merged = routes.split(".merge(").skip(1).map(|rest| rest[..end_of_call(rest)].trim());
    other
        .map(str::to_owned)
        .or_else(|| merged.find(|what| !MERGED.contains(what)).map(|what| format!(".merge({what})")))
}

#[test]
fn routes_that_are_not_found_are_refused() {
    assert_eq!(unreadable(ROUTES), None);
    for (other, form) in [
        (".merge(more::routes())", ".merge(more::routes())"),
        (".merge(\n    more)", ".merge(more)"),
        (".nest(\"/more\", more())", ".nest("),
        (".route(\"/more\", any(more))", "any("),
    ] {
        assert_eq!(unreadable(&format!("{ROUTES}Router::new(){other}")).as_deref(), Some(form));
    }
}

/// Every router is made in that one file.
#[test]
fn no_other_file_makes_routes() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("routes.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                assert!(!code.contains("Router::"), "{} makes routes: they belong into routes.rs", path.display());
            }
        }
    }
}

/// Reads `.route("/path", get(…).post(…))`. Routes in another form would not be found, so there are none.
fn pages() -> Vec<Route> {
    if let Some(other) = unreadable(ROUTES) {
        panic!("crates/web/src/routes.rs has `{other}`, which tests/it/isolation/route.rs can't read: teach it");
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

//! The OpenAPI document and what the doors really answer.

mod team;

use std::collections::BTreeSet;

use jsonschema::Validator;
use reqwest::Method;
use retinue_testkit::{Database, IdentityProvider, Person, TestApp};
use serde_json::{Value, json};

/// A way to ask a documented operation, with the status that it should answer.
struct Question {
    method: Method,
    /// As documented, with `{id}`.
    path: &'static str,
    /// As asked.
    url: String,
    body: Option<Value>,
    status: u16,
}

fn ask(method: Method, path: &'static str, id: &str, body: Option<Value>, status: u16) -> Question {
    Question { method, path, url: path.replace("{id}", id), body, status }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_route_answers_as_documented() {
    let (app, provider) = TestApp::with_provider(Database::sqlite()).await;
    let document = app.get("/openapi.json").await;
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let mut asked = BTreeSet::new();
    for question in questions(&app, &provider, &ada).await {
        let body = question.body.clone();
        let mut request = ada.request(question.method.clone(), &question.url);
        if let Some(form) = body.as_ref().and_then(Value::as_str) {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        } else if let Some(body) = &body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let name = format!("{} {}", question.method, question.path);
        assert_eq!(response.status().as_u16(), question.status, "{name}");
        let content_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        check(&document, &question, content_type.as_deref(), &text);
        asked.insert(format!("{} {}", question.method.as_str().to_lowercase(), question.path));
        let begins_a_run = question.path.ends_with("/runs") || question.path.ends_with("/retry");
        if begins_a_run && question.status == 201 {
            app.model.next().await.answer("Done").await;
            let run: Value = serde_json::from_str(&text).unwrap();
            ada.follow(run["id"].as_str().unwrap()).await.rest().await;
        }
    }
    assert_eq!(asked, documented(&document), "every documented operation is asked, and nothing else");
}

fn documented(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{method} {path}")));
    operations.collect()
}

/// Good and bad questions to every operation.
async fn questions(app: &TestApp, provider: &IdentityProvider, ada: &Person) -> Vec<Question> {
    let thread = ada.thread().await;
    let run = ada.say(&thread, "Hello").await;
    app.model.next().await.answer("Hi").await;
    ada.follow(&run).await.rest().await;
    let doomed = ada.thread().await;
    let agents = ada.get("/api/agents").await;
    let agent = agents["data"][0]["id"].as_str().unwrap().to_owned();
    let (no_thread, no_run, no_agent) =
        ("thr_01h455vb4pex5vsknk084sn02q", "run_01h455vb4pex5vsknk084sn02q", "agt_01h455vb4pex5vsknk084sn02q");
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let mut questions = vec![
        ask(get.clone(), "/api/threads", "", None, 200),
        ask(post.clone(), "/api/threads", "", Some(json!({"title": "T"})), 201),
        ask(post.clone(), "/api/threads", "", Some(json!({"title": ""})), 400),
        ask(get.clone(), "/api/threads/{id}", &thread, None, 200),
        ask(get.clone(), "/api/threads/{id}", no_thread, None, 404),
        ask(patch.clone(), "/api/threads/{id}", &thread, Some(json!({"title": "U"})), 200),
        ask(patch.clone(), "/api/threads/{id}", &thread, Some(json!({"model": "no"})), 400),
        ask(patch, "/api/threads/{id}", no_thread, Some(json!({})), 404),
        ask(delete.clone(), "/api/threads/{id}", &doomed, None, 204),
        ask(delete, "/api/threads/{id}", no_thread, None, 404),
        ask(get.clone(), "/api/threads/{id}/messages", &thread, None, 200),
        ask(get.clone(), "/api/threads/{id}/messages", no_thread, None, 404),
        ask(post.clone(), "/api/runs/{id}/cancel", &run, None, 200),
        ask(post.clone(), "/api/runs/{id}/cancel", no_run, None, 404),
        ask(post.clone(), "/api/runs/{id}/retry", &run, None, 201),
        ask(post.clone(), "/api/runs/{id}/retry", &run, None, 409),
        ask(post.clone(), "/api/runs/{id}/retry", no_run, None, 404),
        ask(post.clone(), "/api/threads/{id}/runs", &thread, Some(json!({"input": "More"})), 201),
        ask(post.clone(), "/api/threads/{id}/runs", &thread, Some(json!({"input": ""})), 400),
        ask(post, "/api/threads/{id}/runs", no_thread, Some(json!({"input": "x"})), 404),
        ask(get.clone(), "/api/runs/{id}", &run, None, 200),
        ask(get.clone(), "/api/runs/{id}", no_run, None, 404),
        ask(get.clone(), "/api/runs/{id}/events", &run, None, 200),
        ask(get.clone(), "/api/runs/{id}/events", no_run, None, 404),
        ask(get.clone(), "/api/agents", "", None, 200),
        ask(get.clone(), "/api/agents/{id}", &agent, None, 200),
        ask(get.clone(), "/api/agents/{id}", no_agent, None, 404),
        ask(get.clone(), "/api/models", "", None, 200),
        ask(get.clone(), "/healthz", "", None, 200),
        ask(get.clone(), "/readyz", "", None, 200),
    ];
    let mut search = ask(get.clone(), "/api/threads", "", None, 200);
    search.url.push_str("?q=hi&limit=1");
    let mut bad_cursor = ask(get.clone(), "/api/threads", "", None, 400);
    bad_cursor.url.push_str("?cursor=x");
    let mut bad_page = ask(get, "/api/threads/{id}/messages", &thread, None, 400);
    bad_page.url.push_str("?limit=0");
    questions.extend([search, bad_cursor, bad_page]);
    questions.extend(team::about_teams(app, provider, ada).await);
    questions.extend(about_sign_in(app, provider, ada).await);
    questions
}

/// Good and bad questions about who somebody is. The last of them signs Ada out.
async fn about_sign_in(app: &TestApp, provider: &IdentityProvider, ada: &Person) -> Vec<Question> {
    // Two further sessions: one to be ended by her, one by the provider.
    let elsewhere = Person::signed_in(app, provider, "ada").await;
    let sessions = elsewhere.get("/api/sessions").await;
    let is_current = |session: &&Value| session["current"] == json!(true);
    let session = sessions["data"].as_array().unwrap().iter().find(is_current).unwrap()["id"].clone();
    let identity = ada.get("/api/identities").await["data"][0]["id"].clone();
    let (session, identity) = (session.as_str().unwrap(), identity.as_str().unwrap());
    let token = format!("logout_token={}", provider.logout_token(&json!({"sub": "nobody", "sid": null})));
    let (no_session, no_identity) = ("ses_01h455vb4pex5vsknk084sn02q", "idn_01h455vb4pex5vsknk084sn02q");
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let mut unknown = ask(get.clone(), "/auth/login", "", None, 400);
    unknown.url.push_str("?provider=unknown");
    vec![
        unknown,
        ask(get.clone(), "/auth/me", "", None, 200),
        ask(get.clone(), "/auth/providers", "", None, 200),
        ask(get.clone(), "/auth/login", "", None, 303),
        ask(get.clone(), "/auth/callback", "", None, 400),
        ask(get.clone(), "/api/sessions", "", None, 200),
        ask(delete.clone(), "/api/sessions/{id}", session, None, 204),
        ask(delete.clone(), "/api/sessions/{id}", no_session, None, 404),
        ask(get.clone(), "/api/identities", "", None, 200),
        ask(delete.clone(), "/api/identities/{id}", identity, None, 409),
        ask(delete, "/api/identities/{id}", no_identity, None, 404),
        ask(post.clone(), "/auth/backchannel-logout", "", Some(json!(token)), 200),
        ask(post.clone(), "/auth/backchannel-logout", "", Some(json!("logout_token=x")), 400),
        // Nobody comes in by address here.
        ask(post.clone(), "/auth/login", "", Some(json!({"email": "a@b.example", "password": "x"})), 403),
        ask(post.clone(), "/auth/magic-link", "", Some(json!({"email": "a@b.example"})), 403),
        ask(post.clone(), "/auth/magic-link/verify", "", Some(json!({"token": "x"})), 403),
        ask(post.clone(), "/auth/password-reset", "", Some(json!({"email": "a@b.example"})), 403),
        ask(
            post.clone(),
            "/auth/password-reset/verify",
            "",
            Some(json!({"token": "x", "password": "a long enough one"})),
            403,
        ),
        ask(post.clone(), "/auth/email-change/verify", "", Some(json!({"token": "x"})), 403),
        ask(post.clone(), "/auth/register", "", Some(json!({"email": "a@b.example"})), 403),
        ask(post, "/auth/logout", "", None, 200),
        ask(get, "/auth/me", "", None, 401),
    ]
}

/// Compares an answer with what the document says of it.
fn check(document: &Value, question: &Question, content_type: Option<&str>, text: &str) {
    let operation = &document["paths"][question.path][question.method.as_str().to_lowercase()];
    let documented = &operation["responses"][question.status.to_string()];
    let name = format!("{} {} {}", question.method, question.path, question.status);
    assert!(documented.is_object(), "{name} is not documented");
    let Some(content) = documented["content"].as_object() else {
        assert!(text.is_empty(), "{name} has a body and documents none");
        return;
    };
    let (media_type, described) = content.iter().next().unwrap();
    let is_problem = question.status >= 400;
    let expected = if is_problem { "application/problem+json" } else { media_type.as_str() };
    assert_eq!(content_type, Some(expected), "{name}");
    if media_type == "application/json" {
        let answer: Value = serde_json::from_str(text).unwrap();
        let errors: Vec<_> =
            validator(document, &described["schema"]).iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?} in {answer}");
    }
}

/// A validator of one schema, which may refer to the others of the document. What is not described is an error too.
fn validator(document: &Value, schema: &Value) -> Validator {
    let mut components = document["components"].clone();
    let schemas = components["schemas"].as_object_mut().unwrap();
    // What others are put together of has more members there.
    let parts: Vec<String> = schemas.values().flat_map(parts).collect();
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| !parts.contains(name)) {
        assert!(schema.is_object(), "{name}");
        schema["unevaluatedProperties"] = json!(false);
    }
    let root = json!({"components": components, "allOf": [schema]});
    jsonschema::validator_for(&root).unwrap()
}

/// The schemas that this one is put together of.
fn parts(schema: &Value) -> Vec<String> {
    let all_of = schema["allOf"].as_array().cloned().unwrap_or_default();
    let names = all_of.iter().filter_map(|part| part["$ref"].as_str()?.rsplit('/').next().map(str::to_owned));
    names.collect()
}

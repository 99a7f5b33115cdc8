//! The provider's doors.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::script::{Asked, Grant, merge};
use super::{Script, Shared, sign};

type Parameters = HashMap<String, String>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/keys", get(keys))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .route("/userinfo", get(user_info))
        .route("/end_session", get(end_session))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), door))
        .with_state(shared)
}

/// Notes who asked, answers otherwise where the script says so, tells the time, and keeps no connection.
async fn door(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if path != "/token" {
        let parameters = parameters(request.uri().query().unwrap_or_default().as_bytes());
        note(&shared, &path, request.headers(), parameters);
    }
    let hold = shared.script().holds.get(path.as_str()).cloned();
    if let Some(hold) = hold {
        hold.wait().await;
    }
    let reply = shared.script().replies.get(path.as_str()).cloned();
    let mut response = match reply {
        Some(reply) => reply.into_response().await,
        None => next.run(request).await,
    };
    let now = shared.now() + SignedDuration::from_secs(shared.script().clock_ahead);
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap();
    response.headers_mut().insert("date", HeaderValue::from_str(&date).unwrap());
    response.headers_mut().insert("connection", HeaderValue::from_static("close"));
    response
}

fn note(shared: &Shared, path: &str, headers: &HeaderMap, parameters: Parameters) {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    shared.script().asked.push(Asked { path: path.to_owned(), authorization, parameters });
}

fn parameters(text: &[u8]) -> Parameters {
    form_urlencoded::parse(text).into_owned().collect()
}

async fn metadata(State(shared): State<Arc<Shared>>) -> Response {
    let issuer = &shared.issuer;
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "end_session_endpoint": format!("{issuer}/end_session"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported":
            ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    });
    merge(&mut document, &shared.script().metadata);
    axum::Json(document).into_response()
}

async fn keys(State(shared): State<Arc<Shared>>) -> Response {
    let script = shared.script();
    let mut set = json!({"keys": script.keys.iter().map(super::SigningKey::jwk).collect::<Vec<_>>()});
    merge(&mut set, &script.key_set);
    axum::Json(set).into_response()
}

async fn authorize(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let url = Url::parse(&format!("{}{uri}", shared.issuer)).unwrap();
    match grant(&shared, &url) {
        Ok(back) => (StatusCode::FOUND, [("location", String::from(back))]).into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, why).into_response(),
    }
}

/// Signs the person in without asking them anything; gives the address they are sent back to.
pub(super) fn grant(shared: &Shared, url: &Url) -> Result<Url, String> {
    let parameters: Parameters = url.query_pairs().into_owned().collect();
    let parameter = |name: &str| parameters.get(name).cloned().ok_or_else(|| format!("{name} is missing"));
    let mut script = shared.script();
    if parameter("client_id")? != script.client_id || parameter("response_type")? != "code" {
        return Err("another client, or not the code flow".to_owned());
    }
    if parameter("code_challenge_method")? != "S256" || !parameter("scope")?.split(' ').any(|one| one == "openid") {
        return Err("no S256, or no openid".to_owned());
    }
    let redirect_uri = parameter("redirect_uri")?;
    let nonce = parameters.get("nonce").cloned();
    let has_max_age = parameters.contains_key("max_age");
    let challenge = parameter("code_challenge")?;
    let grant = Grant { nonce, has_max_age, challenge, redirect_uri: redirect_uri.clone() };
    // No two providers give out the same.
    let code = format!("{}@{}", script.next("code"), shared.issuer);
    script.grants.insert(code.clone(), grant);
    let mut back = Url::parse(&redirect_uri).map_err(|error| error.to_string())?;
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &parameter("state")?)
        .append_pair("iss", &shared.issuer);
    Ok(back)
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = parameters(&body);
    note(&shared, "/token", &headers, form.clone());
    let mut script = shared.script();
    if !is_client(&script, &headers, &form) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let (nonce, has_max_age) = match text("grant_type") {
        "authorization_code" => match script.grants.remove(text("code")) {
            Some(grant)
                if grant.challenge == sign::challenge(text("code_verifier"))
                    && grant.redirect_uri == text("redirect_uri") =>
            {
                (grant.nonce, grant.has_max_age)
            }
            _ => return refused(StatusCode::BAD_REQUEST, "invalid_grant"),
        },
        "refresh_token" if script.refresh_tokens.remove(text("refresh_token")) => (None, false),
        "refresh_token" => return refused(StatusCode::BAD_REQUEST, "invalid_grant"),
        _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    };
    axum::Json(sign::answer(&shared, &mut script, (nonce.as_deref(), has_max_age))).into_response()
}

/// Whether the client shows its secret, in the header or in the form. Assertions are for the test to look at.
fn is_client(script: &Script, headers: &HeaderMap, form: &Parameters) -> bool {
    let Some(secret) = &script.client_secret else { return true };
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = STANDARD.encode(format!("{}:{}", encoded(&script.client_id), encoded(secret)));
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    header == Some(&format!("Basic {basic}")) || form.get("client_secret") == Some(secret)
}

fn refused(status: StatusCode, error: &str) -> Response {
    (status, axum::Json(json!({"error": error, "error_description": "as the test wants it"}))).into_response()
}

async fn user_info(State(shared): State<Arc<Shared>>) -> Response {
    let script = shared.script();
    let mut claims: Value = script.person.clone();
    claims["sub"] = json!(script.subject);
    merge(&mut claims, &script.user_info);
    axum::Json(claims).into_response()
}

async fn end_session(uri: Uri) -> Response {
    let query = parameters(uri.query().unwrap_or_default().as_bytes());
    match query.get("post_logout_redirect_uri").and_then(|back| Url::parse(back).ok()) {
        Some(mut back) => {
            if let Some(state) = query.get("state") {
                back.query_pairs_mut().append_pair("state", state);
            }
            (StatusCode::FOUND, [("location", String::from(back))]).into_response()
        }
        None => "You are signed out.".into_response(),
    }
}

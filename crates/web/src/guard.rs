//! Who may call what: each route is either for whoever is signed in, or public. The two kinds have states of their own: a
//! handler that takes a [`Ctx`] can't be put among the public routes, for it would not compile. A public one that does
//! something else for whoever is signed in says so by taking [`Perhaps`].

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{AUTHORIZATION, HeaderName, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use retinue_app::{App, Caller, Context, Visit};
use retinue_model::error::Kind;
use retinue_model::return_to::ReturnTo;
use retinue_model::{Error, Result};

use crate::asked::{Asked, Refused};
use crate::cookie;
use crate::page::page_of_form;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// What a browser may call itself, in bytes; more is cut off.
const MAX_USER_AGENT: usize = 200;

/// The state of routes for whoever is signed in.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn(pub(crate) App);

/// The state of routes for everybody.
#[derive(Clone, Debug)]
pub(crate) struct Public(pub(crate) App);

/// Who asks, and everything to answer with. The only way to it is the credential that a request shows.
#[derive(Debug)]
pub(crate) struct Ctx(pub(crate) Context);

impl FromRequestParts<SignedIn> for Ctx {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, SignedIn(app): &SignedIn) -> std::result::Result<Self, Refused> {
        match known(parts, app).await {
            Ok(ctx) => Ok(Self(ctx)),
            Err(error) => {
                let place = return_to(parts);
                Err(Refused::new(error, Asked::of(&parts.extensions)).with_sign_in(place))
            }
        }
    }
}

/// Somebody of whom nothing is known.
#[derive(Debug)]
pub(crate) struct Visitor(pub(crate) Visit);

impl FromRequestParts<Public> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, Public(app): &Public) -> std::result::Result<Self, Self::Rejection> {
        Ok(Self(visit(parts, app)))
    }
}

/// Somebody who may be signed in; one whose session is over is not.
#[derive(Debug)]
pub(crate) struct Perhaps(pub(crate) Option<Context>);

impl FromRequestParts<Public> for Perhaps {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, Public(app): &Public) -> std::result::Result<Self, Refused> {
        match known(parts, app).await {
            Ok(ctx) => Ok(Self(Some(ctx))),
            Err(error) if matches!(error.code(), "not_signed_in" | "session_ended") => Ok(Self(None)),
            // It can't be told who this is. Whoever signs out must not hear that they did.
            Err(error) => Err(Refused::new(error, Asked::of(&parts.extensions))),
        }
    }
}

async fn known(parts: &Parts, app: &App) -> Result<Context> {
    refuse_other_credentials(&parts.headers)?;
    if app.auth().is_single_user() {
        return Ok(app.local_context(request_id(parts)));
    }
    let cookie = cookie::session(&parts.headers, app)?;
    visit(parts, app).authenticate(cookie).await
}

/// A credential that is shown and does not count ends the request; it never falls through to another.
fn refuse_other_credentials(headers: &HeaderMap) -> Result<()> {
    // One without a token is one too.
    let scheme = |value: &[u8]| value.split(u8::is_ascii_whitespace).next().unwrap_or_default().to_ascii_lowercase();
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    if authorizations.any(|value| scheme(value.as_bytes()) == b"bearer") || headers.contains_key(API_KEY) {
        return Err(Error::new(
            Kind::Unauthenticated,
            "credential_kind_disabled",
            "The token or API key in this request is not accepted: this server takes none. Leave it out.",
        ));
    }
    Ok(())
}

fn request_id(parts: &Parts) -> Arc<str> {
    Asked::of(&parts.extensions).map_or_else(|| Arc::from(""), |asked| Arc::clone(&asked.id))
}

fn visit(parts: &Parts, app: &App) -> Visit {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    let proxies = Asked::of(&parts.extensions).map(|asked| &asked.settings.trusted_proxies);
    let address = peer.map(|peer| proxies.map_or(peer, |proxies| proxies.client(peer, &parts.headers)));
    let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let end = user_agent.floor_char_boundary(MAX_USER_AGENT);
    let (user_agent, device) = (user_agent[..end].to_owned(), cookie::device(&parts.headers, app));
    let caller = Caller { address, user_agent, device };
    Visit::new(app.clone(), request_id(parts), caller)
}

/// Where somebody goes after signing in: to the page they wanted, or to the page whose form they sent.
fn return_to(parts: &Parts) -> ReturnTo {
    let path = parts.uri.path();
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return ReturnTo::new(parts.uri.path_and_query().map_or(path, axum::http::uri::PathAndQuery::as_str));
    }
    page_of_form(path)
}

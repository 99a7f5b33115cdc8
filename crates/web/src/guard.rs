//! Who may call what: each route is either for whoever is signed in, or public. The two kinds have states of their own: a
//! handler that takes a [`Ctx`] can't be put among the public routes, for it would not compile. A public one that does
//! something else for whoever is signed in says so by taking [`Perhaps`]. A program with an API key gets in only where the
//! handler says for what, by taking a [`Keyed`].

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::Method;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use retinue_app::{App, Caller, Context, Visit};
use retinue_model::api_key::KeyScope;
use retinue_model::error::Kind;
use retinue_model::return_to::ReturnTo;
use retinue_model::{Error, Result};

use crate::asked::{Asked, Refused};
use crate::page::page_of_form;
use crate::{bearer, cookie, denied};

/// What a browser may call itself, in bytes; more is cut off.
const MAX_USER_AGENT: usize = 200;

/// The state of routes for whoever is signed in.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn(pub(crate) App);

/// The state of routes for everybody.
#[derive(Clone, Debug)]
pub(crate) struct Public(pub(crate) App);

/// Who asks, and everything to answer with. The only way to it is the credential that a request shows. Programs with a key do
/// not get it.
#[derive(Debug)]
pub(crate) struct Ctx(pub(crate) Context);

/// Who asks, be it by an API key that has the scope `S`.
#[derive(Debug)]
pub(crate) struct Keyed<S>(pub(crate) Context, pub(crate) PhantomData<S>);

/// Who asks, be it by whatever API key.
#[derive(Debug)]
pub(crate) struct AnyKey(pub(crate) Context);

impl FromRequestParts<SignedIn> for AnyKey {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, SignedIn(app): &SignedIn) -> std::result::Result<Self, Refused> {
        known(parts, app).await.map(Self).map_err(|error| refused(parts, error))
    }
}

/// What a key must be for.
pub(crate) trait Scoped {
    /// The scope.
    const SCOPE: KeyScope;
}

macro_rules! scoped {
    ($($name:ident)*) => {$(
        #[doc = concat!("A key must have the scope [`KeyScope::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub(crate) struct $name;

        impl Scoped for $name {
            const SCOPE: KeyScope = KeyScope::$name;
        }
    )*};
}

/// Markers for [`Keyed`].
pub(crate) mod scope {
    use super::{KeyScope, Scoped};

    scoped! {
        ThreadsRead ThreadsWrite AgentsRead AgentsRun AgentsWrite TeamsRead TeamsWrite AuditRead
    }
}

impl<S: Scoped> FromRequestParts<SignedIn> for Keyed<S> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, SignedIn(app): &SignedIn) -> std::result::Result<Self, Refused> {
        let ctx = known(parts, app).await.map_err(|error| refused(parts, error))?;
        match ctx.key_scopes() {
            Some(scopes) if !scopes.has(S::SCOPE) => Err(denied(parts, &ctx, insufficient_scope(S::SCOPE))),
            _ => Ok(Self(ctx, PhantomData)),
        }
    }
}

/// What is told to programs whose key is for something else (RFC 6750, section 3.1).
fn insufficient_scope(scope: KeyScope) -> Error {
    let detail = format!("This API key is not for that: it has not the scope `{}`.", scope.as_str());
    Error::new(Kind::Forbidden, "insufficient_scope", detail)
}

fn refused(parts: &Parts, error: Error) -> Refused {
    let place = return_to(parts);
    Refused::new(error, Asked::of(&parts.extensions)).with_sign_in(place)
}

/// The same for somebody who is known.
fn denied(parts: &Parts, ctx: &Context, error: Error) -> Refused {
    let denied = denied::of(Some(ctx), &error);
    refused(parts, error).with_denied(denied)
}

impl FromRequestParts<SignedIn> for Ctx {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, SignedIn(app): &SignedIn) -> std::result::Result<Self, Refused> {
        let ctx = known(parts, app).await.map_err(|error| refused(parts, error))?;
        match ctx.key_scopes() {
            Some(_) => Err(denied(parts, &ctx, session_required())),
            None => Ok(Self(ctx)),
        }
    }
}

fn session_required() -> Error {
    Error::new(Kind::Forbidden, "session_required", "This is for people who are signed in, and not for API keys.")
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
    match bearer::shown(&parts.headers) {
        Ok(None) => {}
        Ok(Some(text)) => return visit(parts, app).authenticate_key(text).await,
        Err(error) => return Err(visit(parts, app).refuse_shown("bearer", error).await),
    }
    if app.auth().is_single_user() {
        return Ok(app.local_context(request_id(parts)));
    }
    let cookie = cookie::session(&parts.headers, app)?;
    visit(parts, app).authenticate(cookie).await
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

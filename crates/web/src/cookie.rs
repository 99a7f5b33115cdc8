//! Cookies (RFC 6265bis): which there are, and what they are called.
//!
//! Over https they have the prefix `__Host-`, so that no neighbour under the same domain can set one. http is for this
//! machine only, where not every browser would take that.

use axum::http::header::{COOKIE, InvalidHeaderValue};
use axum::http::{HeaderMap, HeaderValue};
use retinue_app::App;
use retinue_app::device::{DeviceCookie, LASTS};
use retinue_app::session::Opened;
use retinue_model::error::Kind;
use retinue_model::{Error, Result};

/// Sign-ins at providers that a browser may have under way; more begin anew.
const MOST_PENDING: usize = 5;
/// How long one may take, in seconds.
const PENDING_SECONDS: i64 = 60 * 60;

fn is_secure(app: &App) -> bool {
    app.auth().public_url.starts_with("https://")
}

/// What the names of our cookies begin with.
fn prefix(app: &App) -> &'static str {
    if is_secure(app) { "__Host-retinue-" } else { "retinue-" }
}

fn name(app: &App, name: &str) -> String {
    format!("{}{name}", prefix(app))
}

fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// What the cookie of a session says, if there is one.
///
/// # Errors
/// `session_ended` if there are two: one of them is somebody else's doing.
pub(crate) fn session<'h>(headers: &'h HeaderMap, app: &App) -> Result<Option<&'h str>> {
    let prefix = prefix(app);
    let is_session = |name: &str| name.strip_prefix(prefix) == Some("session");
    let mut found = all(headers).filter(|(name, _)| is_session(name)).map(|(_, value)| value);
    let first = found.next();
    if found.next().is_some() {
        return Err(Error::new(
            Kind::Unauthenticated,
            "session_ended",
            "Your browser sent two sessions at once, so none of them counts. Sign in again.",
        ));
    }
    Ok(first.filter(|value| !value.is_empty()))
}

/// What a browser kept of one of its sign-ins.
pub(crate) fn pending<'h>(headers: &'h HeaderMap, app: &App, id: &str) -> Option<&'h str> {
    let wanted = name(app, &format!("signin-{id}"));
    all(headers).find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// The value of a `Set-Cookie` header.
pub(crate) type SetCookie = std::result::Result<HeaderValue, InvalidHeaderValue>;

fn set(app: &App, name: &str, value: &str, seconds: i64) -> SetCookie {
    let secure = if is_secure(app) { "; Secure" } else { "" };
    HeaderValue::try_from(format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"))
}

/// What a browser keeps to be recognised, as it came.
pub(crate) fn device(headers: &HeaderMap, app: &App) -> Option<DeviceCookie> {
    let wanted = name(app, "device");
    all(headers).find(|(name, _)| *name == wanted).and_then(|(_, value)| DeviceCookie::new(value))
}

/// Keeps a session, and what the browser is recognised by, if there is to be one.
pub(crate) fn keep(app: &App, opened: &Opened) -> impl Iterator<Item = SetCookie> + use<> {
    let session = set(app, &name(app, "session"), &opened.cookie, opened.lasts.as_secs());
    let device = opened.device.as_ref().map(|device| keep_device(app, device));
    std::iter::once(session).chain(device)
}

/// Keeps what the browser is recognised by, for longer than any session.
pub(crate) fn keep_device(app: &App, device: &DeviceCookie) -> SetCookie {
    set(app, &name(app, "device"), device.expose(), LASTS.as_secs())
}

/// Lets go of the session.
pub(crate) fn forget(app: &App) -> SetCookie {
    set(app, &name(app, "session"), "", 0)
}

/// Keeps a sign-in that is under way, beside others: whoever begins in two tabs may end in both. Those of a browser that
/// never ends any are let go of, or its requests would grow too large.
pub(crate) fn keep_pending(headers: &HeaderMap, app: &App, id: &str, kept: &str) -> Vec<SetCookie> {
    let prefix = name(app, "signin-");
    let others: Vec<&str> = all(headers).map(|(name, _)| name).filter(|name| name.starts_with(&prefix)).collect();
    let forgotten = others.len() >= MOST_PENDING;
    let mut cookies = vec![set(app, &format!("{prefix}{id}"), kept, PENDING_SECONDS)];
    cookies.extend(others.into_iter().filter(|_| forgotten).map(|name| set(app, name, "", 0)));
    cookies
}

/// Lets go of a sign-in.
pub(crate) fn forget_pending(app: &App, id: &str) -> SetCookie {
    set(app, &name(app, &format!("signin-{id}")), "", 0)
}

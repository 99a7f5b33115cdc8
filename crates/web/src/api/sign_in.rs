//! `/auth/…`: signing in at providers, and out.

use axum::Extension;
use axum::extract::{FromRequestParts, RawQuery, Request};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use retinue_app::sign_in::{self, Begun, Finished, Returned, Underway, Wish};
use retinue_app::{App, Visit, sign_out};
use retinue_model::return_to::ReturnTo;
use retinue_model::{Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::asked::Asked;
use crate::cookie::{self, SetCookie};
use crate::errand::{Errand, Why};
use crate::extract::{Ctx, Param, Params, Perhaps, Visitor, form};
use crate::guard::Public;
use crate::json::Json;
use crate::page::sign_in::{Aim, failed, is_to_sign_in_again, lead_on, sign_in_again};
use crate::problem::{Answer, InRequest, Problem};

/// How people sign in here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ways {
    /// `single_user`, `oidc` or `local`.
    #[schema(example = "oidc")]
    mode: &'static str,
    /// `oidc`, `password` and `magic_link`, as far as people can sign in by them.
    methods: Vec<&'static str>,
    /// Who may become a user by an address: `closed`, `invite` or `open`; null where nobody signs in with one.
    #[schema(required)]
    registration: Option<&'static str>,
    /// Identity providers.
    providers: Vec<ProviderItem>,
}

/// An identity provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderItem {
    /// Its name: the `provider` of `/auth/login`.
    name: String,
    /// What people call it.
    label: String,
    /// Where a browser goes to sign in.
    login_url: String,
}

/// How people sign in here.
#[utoipa::path(get, path = "/auth/providers", tag = "sign-in", responses((status = 200, body = Ways)))]
pub(crate) async fn providers(Visitor(visit): Visitor) -> Json<Ways> {
    let auth = visit.app().auth();
    let providers = auth.providers.iter().map(|provider| ProviderItem {
        name: provider.name().to_owned(),
        label: provider.label.clone(),
        login_url: format!("/auth/login?provider={}", provider.name()),
    });
    Json(Ways {
        mode: auth.mode.as_str(),
        methods: auth.methods(),
        registration: auth.local.as_ref().map(|local| local.registration.as_str()),
        providers: providers.collect(),
    })
}

/// Where to sign in, and where to go then.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Login {
    /// The provider's name; the first one if left out.
    provider: Option<String>,
    /// A path of this server to come back to.
    #[serde(default)]
    return_to: String,
    /// `1`: the provider is to ask who it is, though somebody may be signed in there.
    again: Option<String>,
}

/// Begin to sign in at an identity provider: leads a browser there.
#[utoipa::path(get, path = "/auth/login", tag = "sign-in", params(Login), responses(
    (status = 303, description = "To the provider"),
    (status = 400, body = Problem, description = "`provider_unknown`"),
    (status = 503, body = Problem, description = "The provider can't be used: the code says why"),
))]
pub(crate) async fn login(
    Visitor(visit): Visitor,
    Extension(asked): Extension<Asked>,
    Params(query): Params<Login>,
    headers: HeaderMap,
) -> Response {
    let return_to = ReturnTo::new(&query.return_to);
    // The form for addresses is sent here; whoever comes back to its address gets the page on which it stands.
    if asked.wants_page && query.provider.is_none() && visit.app().auth().providers.is_empty() {
        return Redirect::to(&Errand { return_to, why: Why::Nothing }.href("/sign-in")).into_response();
    }
    let (wish, why) = if query.again.is_some() { (Wish::Anew, Why::Again) } else { (Wish::SignIn, Why::Nothing) };
    match sign_in::begin(&visit, query.provider.as_deref(), &return_to, wish).await {
        Ok(begun) => lead_away(Redirect::to(&begun.url).into_response(), (visit.app(), &headers), &begun),
        Err(error) => failed(&visit, &asked, error, &Aim::SignIn(Errand { return_to, why })),
    }
}

fn lead_away(response: Response, (app, headers): (&App, &HeaderMap), begun: &Begun) -> Response {
    with_cookies(response, cookie::keep_pending(headers, app, &begun.id, &begun.kept))
}

pub(crate) fn with_cookies(mut response: Response, cookies: impl IntoIterator<Item = SetCookie>) -> Response {
    // What a cookie says is ours: it has only characters that a header may have.
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[derive(Debug, Deserialize)]
struct AddForm {
    provider: String,
}

/// `POST /account/identities/add`: whoever is signed in adds an identity of a provider.
pub(crate) async fn add(
    Ctx(ctx): Ctx,
    Extension(asked): Extension<Asked>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let visit = ctx.as_visit();
    let begun = async {
        let AddForm { provider } = form(request).await?;
        sign_in::begin(&visit, Some(&provider), &ReturnTo::new("/account"), Wish::Add(&ctx)).await
    };
    match begun.await {
        Ok(begun) => lead_away(lead_on(&begun.url), (ctx.app(), &headers), &begun),
        Err(error) if is_to_sign_in_again(&error) => sign_in_again(),
        Err(error) => failed(&visit, &asked, error, &Aim::AddIdentity),
    }
}

/// A browser that comes back from a provider.
#[derive(FromRequestParts)]
#[from_request(state(Public))]
pub(crate) struct Homecoming {
    visitor: Visitor,
    current: Perhaps,
    #[from_request(via(Extension))]
    asked: Asked,
    query: RawQuery,
    headers: HeaderMap,
}

/// Where an identity provider sends a browser back to. Sets the cookie of a session, and leads on.
#[utoipa::path(get, path = "/auth/callback", tag = "sign-in", responses(
    (status = 303, description = "Signed in; to `return_to`"),
    (status = 400, body = Problem, description = "What the provider or the browser brought is wrong: the code says what"),
    (status = 403, body = Problem, description = "`user_unknown`, `user_disabled`, `oidc_denied`, `sign_in_again`"),
    (status = 409, body = Problem, description = "`signed_out_meanwhile`, `sign_in_overtaken`"),
    (status = 503, body = Problem, description = "`sign_in_busy`, or the provider can't be used: the code says why"),
))]
pub(crate) async fn callback(browser: Homecoming) -> Response {
    browser.finish(|returned| returned).await
}

/// `GET /auth/callback/{name}`: the same, at an address that only one provider was told.
pub(crate) async fn callback_at(Param(name): Param<String>, browser: Homecoming) -> Response {
    browser.finish(|returned| returned.at(&name)).await
}

impl Homecoming {
    async fn finish(self, place: impl FnOnce(Returned) -> Returned) -> Response {
        let Self { visitor: Visitor(visit), current: Perhaps(current), asked, query: RawQuery(query), headers } = self;
        let returned = match Returned::parse(query.as_deref().unwrap_or_default()) {
            Ok(returned) => place(returned),
            Err(error) => return failed(&visit, &asked, error, &Aim::default()),
        };
        let (app, id) = (visit.app(), returned.id());
        // Whatever comes of it: it counts once, but for whoever found no place to begin.
        let spent = cookie::forget_pending(app, &id);
        let underway = match Underway::open(&visit, cookie::pending(&headers, app, &id)) {
            Ok(underway) => underway,
            Err(error) => return with_cookies(failed(&visit, &asked, error, &Aim::default()), [spent]),
        };
        let aim = Aim::of(&underway);
        match underway.finish(&visit, returned, current).await {
            Ok(Finished { opened, return_to }) => {
                let kept = opened.iter().flat_map(|opened| cookie::keep(app, opened));
                with_cookies(Redirect::to(return_to.as_str()).into_response(), std::iter::once(spent).chain(kept))
            }
            Err(error) => {
                let spent = (error.code() != "sign_in_busy").then_some(spent);
                with_cookies(failed(&visit, &asked, error, &aim), spent)
            }
        }
    }
}

/// Where to go next.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedOut {
    /// Where a browser goes to sign out at the provider too; null if there is no need.
    #[schema(required)]
    redirect: Option<String>,
}

/// Sign out. The session ends at once; a browser is led on to sign out at the provider too.
#[utoipa::path(post, path = "/auth/logout", tag = "sign-in", responses(
    (status = 200, body = SignedOut, description = "For programs; browsers get a page that leads to the provider"),
    (status = 303, description = "For browsers, if there is no need to sign out at the provider too"),
    (status = 401, body = Problem, description = "`credential_kind_disabled`: nobody was signed out"),
    (status = 503, body = Problem, description = "The session can't be ended at the moment; it goes on"),
))]
pub(crate) async fn logout(
    Visitor(visit): Visitor,
    Perhaps(current): Perhaps,
    Extension(asked): Extension<Asked>,
) -> Answer<Response> {
    let redirect = match &current {
        Some(ctx) => sign_out::sign_out(ctx).await.in_request(ctx)?,
        None => None,
    };
    let response = if asked.wants_page {
        redirect.as_deref().map_or_else(|| Redirect::to("/signed-out").into_response(), lead_on)
    } else {
        Json(SignedOut { redirect }).into_response()
    };
    Ok(with_cookies(response, [cookie::forget(visit.app())]))
}

#[derive(Deserialize)]
struct LogoutToken {
    logout_token: String,
}

/// An identity provider says that somebody signed out there: OpenID Connect Back-Channel Logout 1.0. The body is a form with
/// `logout_token`.
#[utoipa::path(post, path = "/auth/backchannel-logout", tag = "sign-in", responses(
    (status = 200, description = "The sessions have ended"),
    (status = 400, body = Problem, description = "The token is refused: the code says why"),
    (status = 503, body = Problem, description = "It can't be told at the moment; send it again"),
))]
pub(crate) async fn back_channel_logout(Visitor(visit): Visitor, request: Request) -> Answer<StatusCode> {
    take_logout_token(&visit, request).await.in_request(&visit)?;
    Ok(StatusCode::OK)
}

async fn take_logout_token(visit: &Visit, request: Request) -> Result<()> {
    let LogoutToken { logout_token } = form(request).await?;
    let taken = sign_out::back_channel(visit, &logout_token).await;
    taken.map_err(|error: Error| {
        visit.note_refused("a logout token was refused", &error, None);
        // A token that comes twice is a fault of the request, as all else that is wrong with one.
        if error.code() == "logout_token_replayed" {
            Error::invalid("logout_token_replayed", error.detail().to_owned())
        } else {
            error
        }
    })
}

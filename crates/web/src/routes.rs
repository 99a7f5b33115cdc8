//! Every route.

use axum::Router;
use axum::routing::{get, post};
use retinue_app::App;
use tower_http::compression::CompressionLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::door::Door;
use crate::guard::{Public, SignedIn};
use crate::{Settings, api, assets, denied, openapi, page};

/// JSON and events for whoever is signed in; these are in the OpenAPI document.
fn api() -> OpenApiRouter<SignedIn> {
    OpenApiRouter::new()
        .routes(routes!(api::session::me)) // /auth/me
        .routes(routes!(api::thread::list, api::thread::create)) // /api/threads
        .routes(routes!(api::thread::get, api::thread::change, api::thread::delete)) // /api/threads/{id}
        .routes(routes!(api::message::list)) // /api/threads/{id}/messages
        .routes(routes!(api::run::start)) // /api/threads/{id}/runs
        .routes(routes!(api::run::get)) // /api/runs/{id}
        .routes(routes!(api::event::follow)) // /api/runs/{id}/events
        .routes(routes!(api::run::cancel)) // /api/runs/{id}/cancel
        .routes(routes!(api::run::retry)) // /api/runs/{id}/retry
        .routes(routes!(api::agent::list, api::agent::create)) // /api/agents
        .routes(routes!(api::agent::get, api::agent::change, api::agent::delete)) // /api/agents/{id}
        .routes(routes!(api::agent::versions)) // /api/agents/{id}/versions
        .routes(routes!(api::agent::restore)) // /api/agents/{id}/restore
        .routes(routes!(api::team::list, api::team::create)) // /api/teams
        .routes(routes!(api::team::get, api::team::change, api::team::delete)) // /api/teams/{id}
        .routes(routes!(api::member::list, api::member::add)) // /api/teams/{id}/members
        .routes(routes!(api::member::change, api::member::remove)) // /api/teams/{id}/members/{user_id}
        .routes(routes!(api::invitation::list, api::invitation::create)) // /api/teams/{id}/invitations
        .routes(routes!(api::invitation::revoke)) // /api/teams/{id}/invitations/{invitation_id}
        .routes(routes!(api::invitation::accept)) // /invitations/accept
        .routes(routes!(api::api_key::list_of_team)) // /api/teams/{id}/api-keys
        .routes(routes!(api::api_key::list, api::api_key::create)) // /api/api-keys
        .routes(routes!(api::api_key::revoke)) // /api/api-keys/{id}
        .routes(routes!(api::audit::list)) // /api/audit
        .routes(routes!(api::audit::export)) // /api/audit/export
        .routes(routes!(api::usage::own)) // /api/usage
        .routes(routes!(api::usage::of_organization)) // /api/usage/organization
        .routes(routes!(api::usage::of_team)) // /api/teams/{id}/usage
        .routes(routes!(api::budget::of_team, api::budget::set_of_team, api::budget::clear_of_team)) // /api/teams/{id}/budget
        .routes(routes!(api::budget::of_user, api::budget::set_of_user, api::budget::clear_of_user)) // /api/users/{id}/budget
        .routes(routes!(api::access::explain)) // /api/access/explain
        .routes(routes!(api::user::list)) // /api/users
        .routes(routes!(api::user::get, api::user::change)) // /api/users/{id}
        .routes(routes!(api::offboarding::plan, api::offboarding::offboard)) // /api/users/{id}/offboard
        .routes(routes!(api::provider::list)) // /api/models
        .routes(routes!(api::session::list)) // /api/sessions
        .routes(routes!(api::session::end)) // /api/sessions/{id}
        .routes(routes!(api::link::change_address)) // /auth/email-change/verify
        .routes(routes!(api::identity::list)) // /api/identities
        .routes(routes!(api::identity::remove)) // /api/identities/{id}
}

/// What anybody may call; this is in the OpenAPI document too. A test knows these by heart: each further one needs a reason.
fn public_api() -> OpenApiRouter<Public> {
    OpenApiRouter::new()
        .routes(routes!(api::sign_in::providers)) // /auth/providers
        .routes(routes!(api::sign_in::login, api::credential::sign_in)) // /auth/login
        .routes(routes!(api::link::ask)) // /auth/magic-link
        .routes(routes!(api::link::verify)) // /auth/magic-link/verify
        .routes(routes!(api::link::ask_to_reset)) // /auth/password-reset
        .routes(routes!(api::link::reset)) // /auth/password-reset/verify
        .routes(routes!(api::register::register)) // /auth/register
        .routes(routes!(api::sign_in::callback)) // /auth/callback
        .routes(routes!(api::sign_in::logout)) // /auth/logout
        .routes(routes!(api::sign_in::back_channel_logout)) // /auth/backchannel-logout
        .routes(routes!(api::health::alive)) // /healthz
        .routes(routes!(api::health::ready)) // /readyz
}

/// Everything that the OpenAPI document describes.
pub(crate) fn described() -> utoipa::openapi::OpenApi {
    let mut document = OpenApiRouter::<SignedIn>::with_openapi(openapi::description()).merge(api()).into_openapi();
    openapi::may_be_unauthenticated(&mut document);
    document.merge(public_api().into_openapi());
    document
}

/// Pages, and the forms on them, for whoever is signed in.
fn pages() -> Router<SignedIn> {
    Router::new()
        .route("/", get(page::home::show))
        .route("/threads", post(page::home::start))
        .route("/threads/{id}", get(page::thread::show))
        .route("/threads/{id}/runs", post(page::thread::say))
        .route("/threads/{id}/turns/{message_id}", get(page::turn::show))
        .route("/threads/{id}/title", post(page::thread::rename))
        .route("/threads/{id}/delete", get(page::thread_delete::ask).post(page::thread_delete::delete))
        .route("/runs/{id}/cancel", post(page::turn::cancel))
        .route("/runs/{id}/retry", post(page::turn::retry))
        .route("/agents", get(page::agent::list).post(page::agent_edit::create))
        .route("/agents/new", get(page::agent_edit::ask))
        .route("/agents/{id}", get(page::agent_edit::show).post(page::agent_edit::save))
        .route("/agents/{id}/delete", post(page::agent_edit::delete))
        .route("/agents/{id}/restore", post(page::agent_edit::restore))
        .route("/teams", get(page::teams::list).post(page::teams::create))
        .route("/teams/{id}", get(page::team::show))
        .route("/teams/{id}/name", post(page::team::rename))
        .route("/teams/{id}/members", post(page::team::add))
        .route("/teams/{id}/members/{user_id}/role", post(page::team::change))
        .route("/teams/{id}/members/{user_id}/remove", post(page::team::remove))
        .route("/teams/{id}/invitations", post(page::team_invitation::create))
        .route("/teams/{id}/invitations/{invitation_id}/revoke", post(page::team_invitation::revoke))
        .route("/teams/{id}/budget", get(page::budget::ask_of_team).post(page::budget::set_of_team))
        .route("/teams/{id}/delete", get(page::team_delete::ask).post(page::team_delete::delete))
        .route("/api-keys", get(page::api_key::list).post(page::api_key::create))
        .route("/api-keys/{id}/revoke", post(page::api_key::revoke))
        .route("/audit", get(page::audit::list))
        .route("/usage", get(page::usage::show))
        .route("/admin", get(page::admin::list))
        .route("/admin/access", get(page::access::show))
        .route("/admin/users/{id}", post(page::admin::change))
        .route("/admin/users/{id}/offboard", get(page::offboarding::ask).post(page::offboarding::offboard))
        .route("/admin/users/{id}/budget", get(page::budget::ask_of_user).post(page::budget::set_of_user))
        .route("/account", get(page::account::show))
        .route("/account/name", post(page::account::rename))
        .route("/account/password", post(page::account_password::change))
        .route("/account/email", post(page::account_password::change_address))
        .route("/account/identities/add", post(api::sign_in::add))
        .route("/account/identities/{id}/remove", post(page::account::remove_identity))
        .route("/account/sessions/{id}/end", post(page::account::end_session))
        .route("/account/sessions/end-others", post(page::account::end_other_sessions))
        .route("/auth/email-change/verify", get(page::link::change_address))
        .route("/account/take-over", post(page::account::take_over))
}

/// Pages that anybody may look at.
fn public_pages() -> Router<Public> {
    Router::new()
        .route("/sign-in", get(page::sign_in::show))
        .route("/auth/magic-link", get(page::link::ask))
        .route("/auth/magic-link/verify", get(page::link::verify))
        .route("/auth/password-reset", get(page::link::ask_to_reset))
        .route("/auth/password-reset/verify", get(page::link::reset))
        .route("/auth/register", get(page::link::register))
        .route("/invitations/accept", get(page::invitation::show))
        .route("/set-up", get(page::set_up::show).post(api::set_up::finish))
        .route("/signed-out", get(page::sign_in::signed_out))
        .route("/auth/callback/{name}", get(api::sign_in::callback_at))
        .route("/openapi.json", get(openapi::get))
}

/// What is counted and measured, for whoever runs the server, on a listener of its own; `render` writes it.
pub fn metrics_router(
    app: &App,
    settings: Settings,
    render: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> Router {
    let door = door(app, settings);
    Router::new()
        .route("/metrics", get(move || std::future::ready(render())))
        .fallback(page::missing)
        .method_not_allowed_fallback(page::wrong_method)
        .layer(door)
}

fn door(app: &App, settings: Settings) -> Door {
    let ids = app.clone();
    Door::new(settings, move || ids.new_request_id())
}

/// The whole server.
pub fn router(app: App, settings: Settings) -> Router {
    let door = door(&app, settings);
    let (api, _) = api().split_for_parts();
    let (public_api, _) = public_api().split_for_parts();
    // Rendered anew for everybody, and text: worth compressing. Events must not wait for a full block.
    let compressed = CompressionLayer::new().gzip(true);
    let guarded = api.merge(pages().layer(compressed.clone())).with_state(SignedIn(app.clone()));
    let guarded = guarded.route_layer(axum::middleware::from_fn(denied::tell));
    let public = public_api.merge(public_pages().layer(compressed)).with_state(Public(app));
    guarded
        .merge(public)
        .route("/assets/{hash}/{name}", get(assets::get))
        .fallback(page::missing)
        .method_not_allowed_fallback(page::wrong_method)
        .layer(door)
}

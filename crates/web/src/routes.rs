//! Every route.

use axum::Router;
use axum::routing::{get, post};
use retinue_app::App;
use tower_http::compression::CompressionLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::door::Door;
use crate::{Settings, api, assets, openapi, page};

/// JSON and events; these are in the OpenAPI document.
pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::thread::list, api::thread::create)) // /api/threads
        .routes(routes!(api::thread::get, api::thread::change, api::thread::delete)) // /api/threads/{id}
        .routes(routes!(api::message::list)) // /api/threads/{id}/messages
        .routes(routes!(api::run::start)) // /api/threads/{id}/runs
        .routes(routes!(api::run::get)) // /api/runs/{id}
        .routes(routes!(api::event::follow)) // /api/runs/{id}/events
        .routes(routes!(api::run::cancel)) // /api/runs/{id}/cancel
        .routes(routes!(api::run::retry)) // /api/runs/{id}/retry
        .routes(routes!(api::agent::list)) // /api/agents
        .routes(routes!(api::agent::get)) // /api/agents/{id}
        .routes(routes!(api::provider::list)) // /api/models
        .routes(routes!(api::health::alive)) // /healthz
        .routes(routes!(api::health::ready)) // /readyz
}

/// Pages, and the forms on them.
fn pages() -> Router<App> {
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
        .route("/agents", get(page::agent::list))
        .route("/openapi.json", get(openapi::get))
        // Rendered anew for everybody, and text: worth compressing. Events must not wait for a full block.
        .layer(CompressionLayer::new().gzip(true))
}

/// The whole server.
pub fn router(app: App, settings: Settings) -> Router {
    let (api, _) = api().split_for_parts();
    let ids = app.clone();
    let door = Door::new(settings, move || ids.new_request_id());
    api.merge(pages())
        .route("/assets/{hash}/{name}", get(assets::get))
        .fallback(page::missing)
        .method_not_allowed_fallback(page::wrong_method)
        .layer(door)
        .with_state(app)
}

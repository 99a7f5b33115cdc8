//! Where it is told that somebody who is known was refused: each answer to such an error says so, and all of them pass here.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use retinue_app::{Context, Denial};
use retinue_model::Error;

/// What an error denies to whoever asks, if it does, until it is answered.
pub(crate) type Denied = Option<Arc<Denial>>;

/// What an error denies.
pub(crate) fn of(ctx: Option<&Context>, error: &Error) -> Denied {
    ctx.and_then(|ctx| Denial::of(ctx, error)).map(Arc::new)
}

/// Says with an answer what it denies.
pub(crate) fn mark(response: &mut Response, denied: Denied) {
    if let Some(denial) = denied {
        response.extensions_mut().insert(denial);
    }
}

/// Tells what an answer denies, before it goes out.
pub(crate) async fn tell(request: Request, next: Next) -> Response {
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let uri = request.uri().clone();
    let mut response = next.run(request).await;
    if let Some(denial) = response.extensions_mut().remove::<Arc<Denial>>() {
        denial.tell(format!("{method} {}", route.as_ref().map_or("", MatchedPath::as_str)), uri.path()).await;
    }
    response
}

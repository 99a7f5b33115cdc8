//! The least that an axum server can do: what the requests per second of Retinue are compared with.
//!
//! `bare ADDRESS` answers `GET /` with a few bytes of text, and `GET /{length}` with that many.

use std::error::Error;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use tokio::net::TcpListener;

/// The longest answer.
const MAX_LENGTH: usize = 1 << 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: bare ADDRESS")?;
    let router = Router::new()
        .route("/", get(async || "bare"))
        .route("/{length}", get(async |Path(length): Path<usize>| "x".repeat(length.min(MAX_LENGTH))));
    axum::serve(TcpListener::bind(address).await?, router).await?;
    Ok(())
}

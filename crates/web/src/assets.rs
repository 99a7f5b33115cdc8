//! Style, scripts and pictures of the pages, under a name that changes with them, so that they may be kept for ever.

use axum::Extension;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};

use crate::asked::Asked;
use crate::extract::Param;
use crate::page;

struct Asset {
    name: &'static str,
    media_type: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// `GET /assets/{hash}/{name}`
pub(crate) async fn get(
    Param((hash, name)): Param<(String, String)>,
    asked: Extension<Asked>,
    headers: HeaderMap,
) -> Response {
    let is_current = BASE.rsplit('/').next() == Some(hash.as_str());
    let Some(asset) = ASSETS.iter().find(|asset| is_current && asset.name == name) else {
        return page::missing(asked).await;
    };
    let accepts = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fixed = [
        (CONTENT_TYPE, HeaderValue::from_static(asset.media_type)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if accepts.split(',').any(|coding| coding.trim() == "gzip" || coding.trim().starts_with("gzip;q=1")) {
        (fixed, [(CONTENT_ENCODING, HeaderValue::from_static("gzip"))], asset.gzip).into_response()
    } else {
        (fixed, asset.plain).into_response()
    }
}

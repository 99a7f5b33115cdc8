//! How long requests took, by route and status.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::StatusCode;
use metrics::{Histogram, histogram};

/// The histograms of one route. Finding one by its labels costs more than writing to it, so each is found once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timings(Arc<RwLock<Vec<(StatusCode, Histogram)>>>);

impl Timings {
    /// Notes a request to the route; `route` is the same at each call.
    pub(crate) fn record(&self, route: &str, status: StatusCode, elapsed: Duration) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, histogram)) = known.iter().find(|(of, _)| *of == status) {
            return histogram.record(elapsed);
        }
        drop(known);
        let labels = [("route", route.to_owned()), ("status", status.as_u16().to_string())];
        let histogram = histogram!("retinue_http_request_seconds", &labels);
        histogram.record(elapsed);
        self.0.write().unwrap_or_else(PoisonError::into_inner).push((status, histogram));
    }
}

//! Server-sent events: the text form, and the stream of one run.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, future, stream};
use retinue_app::Context;
use retinue_app::event::Follow;
use retinue_model::event::{Event, Name};
use retinue_model::{Error, Result};
use tokio::time::timeout;

use crate::rendered::Renderer;

/// How long a connection is silent at most, so that proxies keep it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// After how many milliseconds a client that lost the connection comes back. Each says what it has, so that coming back
/// costs little, and browsers would wait for three seconds and more.
const RETRY: &str = "retry: 1000\n\n";

/// A run's events on their way to one client, for as long as its session lasts.
pub(crate) struct RunStream {
    ctx: Context,
    follow: Follow,
    /// Events up to this number are known to the client.
    known: i64,
    renderer: Option<Renderer>,
    ended: bool,
}

impl RunStream {
    /// Sends the events after number `known`. With `rendered`, the text so far as HTML too; `follow` must then begin at 0.
    pub(crate) fn new(ctx: Context, follow: Follow, known: i64, rendered: bool) -> Self {
        Self { ctx, follow, known, renderer: rendered.then(Renderer::default), ended: false }
    }

    /// The next bytes; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let mut text = String::new();
        while text.is_empty() && !self.ended {
            self.advance(&mut text).await;
        }
        (!text.is_empty()).then(|| Bytes::from(text))
    }

    async fn advance(&mut self, text: &mut String) {
        let unsent = self.renderer.as_ref().filter(|renderer| renderer.has_unsent()).map(Renderer::patience);
        match timeout(unsent.unwrap_or(KEEP_ALIVE), self.follow.next()).await {
            Ok(Ok(Some(events))) => self.write(&events, text).await,
            Ok(Ok(None)) => self.ended = true,
            Ok(Err(error)) => {
                // The client comes back with the number of its last event.
                tracing::warn!(?error, "can_fail(events): a stream ended early");
                self.ended = true;
            }
            Err(_) if unsent.is_some() => self.write_rendered(text, true).await,
            Err(_) => text.push_str(":\n\n"),
        }
    }

    async fn write(&mut self, events: &[Event], text: &mut String) {
        for event in events {
            if let Some(renderer) = &mut self.renderer {
                if let Ok(Some(delta)) = event.delta_text() {
                    renderer.push(&delta);
                }
                if event.name == Name::MessageCompleted || event.name.is_terminal() {
                    self.write_rendered(text, true).await;
                }
            }
            // How it ended is told even to a client that knows it, or it would ask again and again.
            if event.seq > self.known || event.name.is_terminal() {
                write_event(event, text);
                self.known = event.seq;
            }
            self.ended |= event.name.is_terminal();
        }
        self.write_rendered(text, false).await;
    }

    async fn write_rendered(&mut self, text: &mut String, all: bool) {
        let Some(mut renderer) = self.renderer.take() else { return };
        // A long block takes milliseconds, which the other streams should not wait for.
        let taken = if renderer.is_heavy() {
            tokio::task::spawn_blocking(move || (renderer.take(all), renderer)).await
        } else {
            Ok((renderer.take(all), renderer))
        };
        let Ok((piece, renderer)) = taken else { return };
        self.renderer = Some(renderer);
        if let Some(Ok(data)) = piece.as_ref().map(serde_json::to_string) {
            let _ = write!(text, "event: message.rendered\ndata: {data}\n\n");
        }
    }
}

fn write_event(event: &Event, text: &mut String) {
    // Writing to a String does not fail.
    let _ = write!(text, "id: {}\nevent: {}\ndata: {}\n\n", event.seq, event.name.as_str(), event.data);
}

impl IntoResponse for RunStream {
    fn into_response(self) -> Response {
        // Whoever may not come in any more is not told anything more.
        let ctx = self.ctx.clone();
        let ended = Box::pin(async move { ctx.ended().await });
        let events = stream::unfold(self, |mut run| async move { run.next().await.map(|bytes| (bytes, run)) });
        let retry = stream::once(future::ready(Bytes::from_static(RETRY.as_bytes())));
        let bytes = retry.chain(events.take_until(ended)).map(Ok::<_, Infallible>);
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            // nginx would hold the events back.
            (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        ];
        (headers, Body::from_stream(bytes)).into_response()
    }
}

/// The number of the last event that a client has got.
///
/// # Errors
/// `invalid_last_event_id` if it is not a whole number from 0 on.
pub(crate) fn last_event_id(text: &str) -> Result<i64> {
    text.trim().parse().ok().filter(|number| *number >= 0).ok_or_else(|| {
        Error::invalid("invalid_last_event_id", "Last-Event-ID must be the `id` of an event that this stream gave.")
    })
}

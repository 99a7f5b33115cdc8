//! Answers of many lines, each an object in JSON, that are written while they are read: <https://jsonlines.org>.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;
use jiff::tz::Offset;
use retinue_model::visible::is_unseen;
use retinue_model::{Error, Result};
use serde::Serialize;

/// One line. Whatever somebody wrote in it, nothing else ends it than its end, and a terminal that it is shown on does
/// nothing but show it.
pub(crate) fn line(entry: &impl Serialize) -> Result<String> {
    let json = serde_json::to_string(entry).map_err(Error::internal)?;
    let mut line = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if is_unseen(c) {
            // In JSON those stand in strings alone, and all of them have four digits. Writing to a String does not fail.
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    Ok(line)
}

/// A file of lines, named after the day. Whoever reads slowly is waited for; where it breaks off the connection is closed
/// before the end of the body, so that nobody takes a part for the whole.
pub(crate) fn file<S>(name: &str, now: Timestamp, lines: S) -> Result<Response>
where
    S: Stream<Item = Result<Bytes>> + Send + 'static,
{
    let day = Offset::UTC.to_datetime(now).date();
    let disposition = format!("attachment; filename=\"{name}-{day}.jsonl\"");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (CONTENT_DISPOSITION, HeaderValue::try_from(disposition).map_err(Error::internal)?),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_written_is_read_again_from_one_line(text in any::<String>(), unseen in "[\\p{Cc}\u{2028}\u{2029}\u{202e}]{0,5}") {
            let entry = json!({ "name": format!("{text}{unseen}") });
            let line = line(&entry).unwrap();
            let (all, end) = line.split_at(line.len() - 1);
            prop_assert_eq!(end, "\n");
            prop_assert!(!all.chars().any(is_unseen));
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), entry);
        }
    }
}

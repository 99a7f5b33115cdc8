//! What all lists have in common.

use axum::response::{IntoResponse, Response};
use retinue_app::cursor;
use retinue_model::id::{Id, Noun};
use retinue_model::{Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::json;

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 200;
/// What an entry takes on the wire, so that most lists are written without making room twice.
const ENTRY_BYTES: usize = 320;

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// How many at most: 1 to 200, otherwise 20.
    #[param(minimum = 1, maximum = 200, default = 20)]
    pub(crate) limit: Option<usize>,
    /// Where the list goes on: the `next_cursor` of the answer before.
    pub(crate) cursor: Option<String>,
}

impl Range {
    pub(crate) fn limit(&self) -> Result<usize> {
        limit(self.limit)
    }
}

pub(crate) fn limit(asked: Option<usize>) -> Result<usize> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(_) => Err(Error::invalid("invalid_limit", format!("`limit` is from 1 to {MAX_LIMIT}."))),
    }
}

/// A part of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The entries.
    pub(crate) data: Vec<T>,
    /// Where the list goes on; null at its end.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

/// A list that is short enough to be read whole, and given in parts all the same.
pub(crate) struct Short<T> {
    /// What its cursors are told from others by.
    pub(crate) name: &'static str,
    /// All of it, in the order of the ids or against it.
    pub(crate) entries: Vec<T>,
    /// Whether the newest come first.
    pub(crate) newest_first: bool,
}

impl<T> Short<T> {
    /// The part that is asked for.
    pub(crate) fn part<N: Noun>(self, range: &Range, id: impl Fn(&T) -> Id<N>) -> Result<List<T>> {
        let limit = range.limit()?;
        let after: Option<Id<N>> =
            range.cursor.as_deref().map(|cursor| cursor::to_entry(self.name, cursor)).transpose()?;
        // The one that the cursor names may be gone since.
        let is_passed = |entry: &T| match after {
            Some(after) if self.newest_first => id(entry).uuid() >= after.uuid(),
            Some(after) => id(entry).uuid() <= after.uuid(),
            None => false,
        };
        let mut data: Vec<T> = self.entries.into_iter().filter(|entry| !is_passed(entry)).collect();
        let goes_on = data.len() > limit;
        data.truncate(limit);
        let last = data.last().filter(|_| goes_on);
        Ok(List { next_cursor: last.map(|last| cursor::of_entry(self.name, id(last))), data })
    }
}

impl<T> List<T> {
    /// A list that is whole.
    pub(crate) const fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None }
    }
}

/// An entry of a list that is asked for all the time.
pub(crate) trait Entry: Serialize {
    /// Writes what serde does, with less work.
    fn write(&self, json: &mut Vec<u8>) -> serde_json::Result<()>;
}

impl<T: Entry> List<T> {
    fn write(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = Vec::with_capacity(ENTRY_BYTES * (self.data.len() + 1));
        json.extend_from_slice(b"{\"data\":[");
        for (index, entry) in self.data.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            entry.write(&mut json)?;
        }
        json.extend_from_slice(b"],\"next_cursor\":");
        serde_json::to_writer(&mut json, &self.next_cursor)?;
        json.push(b'}');
        Ok(json)
    }
}

impl<T: Entry> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        match self.write() {
            Ok(text) => json::of_text(text),
            // It can't be written the other way either, and that answer says so.
            Err(_) => axum::Json(self).into_response(),
        }
    }
}

#[cfg(test)]
pub(crate) fn assert_written_as_serde_does<T: Entry>(list: &List<T>) {
    assert_eq!(String::from_utf8(list.write().unwrap()).unwrap(), serde_json::to_string(list).unwrap());
}

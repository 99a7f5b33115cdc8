//! What a discovery document says about its provider, and only the operator is told.

use serde_json::Value;

use crate::json::Object;

/// A discovery document. What is of another type in it counts as not there: nobody's sign-in depends on it.
#[derive(Clone, Copy)]
pub(super) struct Announced<'a>(pub &'a Object);

impl<'a> Announced<'a> {
    pub(super) fn list(self, name: &str) -> Option<Vec<&'a str>> {
        let items = self.0.get(name)?.as_array()?;
        Some(items.iter().filter_map(Value::as_str).collect())
    }

    /// Whether there is a list, and this is not in it.
    pub(super) fn leaves_out(self, name: &str, value: &str) -> bool {
        self.list(name).is_some_and(|items| !items.contains(&value))
    }

    pub(super) fn flag(self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }
}

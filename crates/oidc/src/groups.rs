//! In which groups somebody is, in the provider's words.
//!
//! What is not said, or not said whole, is not known; that is another thing than to be in none.

use serde_json::Value;

use crate::json::Object;
use crate::required_claims;

/// The longest name of a group that is kept, in bytes: no rule has a longer one.
const MAX_NAME: usize = 1_024;

/// In which groups somebody is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Groups {
    /// The provider does not say, or in a way that is not understood.
    #[default]
    Unknown,
    /// In these, and in no others.
    Known(Vec<String>),
}

impl Groups {
    /// What these claims say; dots lead into claims, as those that are required do.
    pub(crate) fn of(claims: &Object, name: &str) -> Self {
        if is_elsewhere(claims, name) {
            return Self::Unknown;
        }
        match required_claims::find(claims, name) {
            Some(Value::Array(values)) => names(values),
            _ => Self::Unknown,
        }
    }

    /// Whether nothing is known of them.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// The names, if all of them are: a list that is understood in part says nothing of the rest.
fn names(values: &[Value]) -> Groups {
    let names: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
    let kept = |names: Vec<&str>| names.into_iter().filter(|name| name.len() <= MAX_NAME).map(str::to_owned).collect();
    names.map_or(Groups::Unknown, |names| Groups::Known(kept(names)))
}

/// Whether there are too many to be told here: the claim is named as one that is elsewhere (OpenID Connect Core 1.0, section
/// 5.6.2), as Entra does from 200 groups on, or `hasgroups` says so.
fn is_elsewhere(claims: &Object, name: &str) -> bool {
    let first = name.split('.').next().unwrap_or(name);
    let named = claims.get("_claim_names").and_then(Value::as_object);
    let is_named = named.is_some_and(|named| named.contains_key(name) || named.contains_key(first));
    let has_groups = claims.get("hasgroups").is_some_and(|value| value == &Value::Bool(true) || value == "true");
    is_named || has_groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(claims: &Value) -> Groups {
        Groups::of(claims.as_object().unwrap(), "groups")
    }

    fn known(names: &[&str]) -> Groups {
        Groups::Known(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn only_a_list_of_names_is_known() {
        assert_eq!(of(&json!({"groups": ["a", "b", ""]})), known(&["a", "b", ""]));
        assert_eq!(of(&json!({"groups": []})), known(&[]));
        assert_eq!(of(&json!({"groups": ["a", "x".repeat(100_000)]})), known(&["a"]));
        for strange in [
            json!({}),
            json!({"groups": null}),
            json!({"groups": "a"}),
            json!({"groups": "a,b"}),
            json!({"groups": 1}),
            json!({"groups": {"a": true}}),
            json!({"groups": true}),
            json!({"groups": [1, 2]}),
            json!({"groups": ["a", 1]}),
            json!({"groups": ["a", null]}),
            json!({"groups": ["a", ["b"]]}),
            json!({"Groups": ["a"]}),
        ] {
            assert_eq!(of(&strange), Groups::Unknown, "{strange}");
        }
    }

    #[test]
    fn too_many_to_be_told_are_not_none() {
        for more in [
            json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph"}}}),
            json!({"_claim_names": {"groups": "src1"}, "groups": []}),
            json!({"hasgroups": true}),
            json!({"hasgroups": "true", "groups": []}),
        ] {
            assert_eq!(of(&more), Groups::Unknown, "{more}");
        }
        for whole in [
            json!({"_claim_names": {"address": "src1"}, "groups": ["a"]}),
            json!({"_claim_names": "groups", "hasgroups": false, "groups": ["a"]}),
        ] {
            assert_eq!(of(&whole), known(&["a"]), "{whole}");
        }
    }

    #[test]
    fn a_claim_within_claims_is_found() {
        let claims = json!({"realm_access": {"roles": ["a"]}, "https://example.com/groups": ["b"]});
        let claims = claims.as_object().unwrap();
        assert_eq!(Groups::of(claims, "realm_access.roles"), known(&["a"]));
        assert_eq!(Groups::of(claims, "https://example.com/groups"), known(&["b"]));
        assert_eq!(Groups::of(claims, "realm_access"), Groups::Unknown);
    }

    proptest! {
        #[test]
        fn any_list_of_names_is_known_whole(names in proptest::collection::vec(".{0,20}", 0..50)) {
            prop_assert_eq!(of(&json!({"groups": names})), Groups::Known(names));
        }
    }
}

//! Claims without which nobody comes in: how an operator narrows down who may use this server.

use retinue_model::Result;
use serde_json::Value;

use crate::json::Object;
use crate::reason::{Reason, quoted};

/// A claim's name, and the values of which it must have one.
pub(crate) type RequiredClaim = (String, Vec<String>);

/// # Errors
/// What is wrong with them, and how to mend it.
pub(crate) fn check(required: &[RequiredClaim]) -> Result<(), String> {
    if required.iter().any(|(name, _)| name.trim().is_empty()) {
        return Err("has one without a name. Take it out.".to_owned());
    }
    match required.iter().find(|(_, accepted)| accepted.is_empty()) {
        Some((name, _)) => Err(format!("has {name:?} without a value, so nobody could come in. Name a value.")),
        None => Ok(()),
    }
}

/// Whether one of them is not among these claims.
pub(crate) fn lacks_one(claims: &Object, required: &[RequiredClaim]) -> bool {
    required.iter().any(|(name, _)| find(claims, name).is_none())
}

/// Whether somebody may come in, or stay. Where both places have a claim, the signed one counts.
///
/// # Errors
/// `ClaimRefused`.
pub(crate) fn admit(required: &[RequiredClaim], id_token: &Object, user_info: &Object) -> Result<()> {
    required.iter().try_for_each(|claim| match find(id_token, &claim.0).or_else(|| find(user_info, &claim.0)) {
        Some(value) => accept(claim, value),
        None => Err(Reason::ClaimRefused.because(format!("the claim {} is missing", quoted(&claim.0)))),
    })
}

fn accept((name, accepted): &RequiredClaim, value: &Value) -> Result<()> {
    let is_accepted = |value: &Value| match value {
        Value::String(text) => accepted.contains(text),
        Value::Bool(_) | Value::Number(_) => accepted.contains(&value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    let has_one = match value {
        Value::Array(values) => values.iter().any(is_accepted),
        value => is_accepted(value),
    };
    if has_one {
        return Ok(());
    }
    Err(Reason::ClaimRefused.because(format!("the claim {} has no value that is accepted", quoted(name))))
}

/// The claim of this name, or what lies within claims if the name is a path with dots. Names with dots in them go before
/// paths, at each step: `https://example.com/roles` is a name, `realm_access.roles` mostly is not.
pub(crate) fn find<'a>(claims: &'a Object, path: &str) -> Option<&'a Value> {
    let within = |dot: usize| find(claims.get(&path[..dot])?.as_object()?, &path[dot + 1..]);
    let named = claims.get(path).filter(|value| !value.is_null());
    named.or_else(|| path.rmatch_indices('.').find_map(|(dot, _)| within(dot)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(claims: &Value) -> Object {
        claims.as_object().unwrap().clone()
    }

    fn required(name: &str, accepted: &[&str]) -> Vec<RequiredClaim> {
        vec![(name.to_owned(), accepted.iter().map(|value| (*value).to_owned()).collect())]
    }

    #[test]
    fn a_claim_is_found_by_its_name_or_its_path() {
        let claims = object(&json!({
            "hd": "a", "x.y": "b", "x": {"y": "c", "z": "d"}, "https://example.com/roles": "e", "n": null,
            "resource_access": {"my.client": {"roles": "f"}, "my": {"client": 1}},
        }));
        let cases = [
            ("hd", Some("a")),
            ("x.y", Some("b")),
            ("x.z", Some("d")),
            ("https://example.com/roles", Some("e")),
            ("resource_access.my.client.roles", Some("f")),
            ("hd.a", None),
            ("x.", None),
            (".x", None),
            (".", None),
            ("n", None),
            ("n.a", None),
            ("", None),
        ];
        for (path, expected) in cases {
            assert_eq!(find(&claims, path).and_then(Value::as_str), expected, "{path}");
        }
    }

    #[test]
    fn one_common_value_is_enough() {
        let cases = [
            (json!("a"), true),
            (json!("b"), true),
            (json!("c"), false),
            (json!("A"), false),
            (json!("a b"), false),
            (json!(["c", "b"]), true),
            (json!(["c"]), false),
            (json!([["a"]]), false),
            (json!([]), false),
            (json!({"a": "a"}), false),
            (json!(true), true),
            (json!(false), false),
            (json!(7), true),
            (json!([7]), true),
            (json!(7.5), false),
        ];
        for (value, is_accepted) in cases {
            let required = required("r", &["a", "b", "true", "7"]);
            let claims = object(&json!({"r": value}));
            assert_eq!(admit(&required, &claims, &Object::new()).is_ok(), is_accepted, "{claims:?}");
        }
    }

    #[test]
    fn what_is_signed_counts() {
        let (good, bad, none) = (object(&json!({"r": "a"})), object(&json!({"r": "b"})), Object::new());
        let required = required("r", &["a"]);
        assert!(admit(&required, &good, &bad).is_ok() && admit(&required, &none, &good).is_ok());
        assert_eq!(admit(&required, &bad, &good).unwrap_err().code(), "oidc_claim_refused");
        assert_eq!(admit(&required, &none, &none).unwrap_err().code(), "oidc_claim_refused");
        assert!(lacks_one(&none, &required) && !lacks_one(&bad, &required));
    }

    #[test]
    fn all_of_them_must_fit() {
        let required = [required("r", &["a"]), required("s", &["b"])].concat();
        assert!(admit(&required, &object(&json!({"r": "a", "s": "b"})), &Object::new()).is_ok());
        assert!(admit(&required, &object(&json!({"r": "a", "s": "c"})), &Object::new()).is_err());
        assert!(admit(&required, &object(&json!({"r": "a"})), &Object::new()).is_err());
    }

    #[test]
    fn nobody_is_shut_out_by_mistake() {
        assert!(check(&required("r", &["a"])).is_ok() && check(&[]).is_ok());
        assert!(check(&required("r", &[])).unwrap_err().contains("Name a value"));
        assert!(check(&required(" ", &["a"])).unwrap_err().contains("without a name"));
    }
}

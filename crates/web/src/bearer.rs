//! What programs show: an API key, in `Authorization: Bearer` or in `X-API-Key` (RFC 6750).
//!
//! A credential that is shown ends the request if it does not count; it never falls through to another.

use axum::http::HeaderMap;
use retinue_model::api_key::PREFIX;
use retinue_model::error::Kind;
use retinue_model::{Error, Result};

/// The API key that a request shows, if it shows any credential of a program.
///
/// # Errors
/// `invalid_request` if it shows several, or one without a text; `credential_kind_disabled` if it is of another kind.
pub(crate) fn shown(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut authorizations = headers.get_all("authorization").iter();
    let (first, second) = (authorizations.next(), authorizations.next());
    let mut keys = headers.get_all("x-api-key").iter();
    let (key, other) = (keys.next(), keys.next());
    let token = first.and_then(|value| token_of(value.as_bytes()));
    match (token, key) {
        (None, _) if first.is_some_and(|value| has_key(value.as_bytes())) => Err(invalid_request()),
        _ if second.is_some() || other.is_some() => Err(invalid_request()),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(invalid_request()),
        (Some(token), None) => key_in(token),
        (None, Some(key)) => key_in(key.as_bytes()),
    }
}

/// What stands after `Bearer`, in whatever case, if that is the scheme. Blanks after it do not count.
fn token_of(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    scheme.eq_ignore_ascii_case(b"bearer").then(|| rest.trim_ascii())
}

/// Whether there is a key in it, in whatever case, though it is not shown as one: it is not passed over all the same.
fn has_key(value: &[u8]) -> bool {
    value.windows(PREFIX.len()).any(|part| part.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

fn key_in(token: &[u8]) -> Result<Option<&str>> {
    let text = std::str::from_utf8(token).map_err(|_| invalid_request())?.trim_ascii();
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(invalid_request());
    }
    if !text.starts_with(PREFIX) {
        return Err(Error::new(
            Kind::Unauthenticated,
            "credential_kind_disabled",
            "The token in this request is not accepted: this server takes API keys, which begin with `rtn_`, and no other tokens.",
        ));
    }
    Ok(Some(text))
}

fn invalid_request() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "invalid_request",
        "Show one API key: in `Authorization: Bearer`, or in `X-API-Key`.",
    )
}

/// What `WWW-Authenticate` says of an error, if a program's credential is what is wrong (RFC 6750, section 3).
pub(crate) fn challenge(error: &Error) -> Option<&'static str> {
    match error.code() {
        "invalid_api_key" | "credential_kind_disabled" => Some("Bearer realm=\"retinue\", error=\"invalid_token\""),
        "invalid_request" => Some("Bearer realm=\"retinue\", error=\"invalid_request\""),
        "insufficient_scope" => Some("Bearer realm=\"retinue\", error=\"insufficient_scope\""),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::HeaderName;

    use super::*;

    fn shown_by(pairs: &[(&str, &str)]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        shown(&headers).map(|text| text.map(str::to_owned)).map_err(|error| error.code())
    }

    #[test]
    fn one_key_is_taken_in_either_place() {
        let key = Ok(Some("rtn_x".to_owned()));
        for value in ["Bearer rtn_x", "bearer rtn_x", "BEARER   rtn_x  "] {
            assert_eq!(shown_by(&[("authorization", value)]), key, "{value}");
        }
        assert_eq!(shown_by(&[("x-api-key", "rtn_x")]), key);
        assert_eq!(shown_by(&[]), Ok(None));
        // What a proxy may want for itself.
        assert_eq!(shown_by(&[("authorization", "Basic eA==")]), Ok(None));
        assert_eq!(shown_by(&[("authorization", "Basic eA=="), ("x-api-key", "rtn_x")]), key);
    }

    #[test]
    fn whatever_else_is_shown_ends_the_request() {
        for (pairs, code) in [
            (&[("authorization", "Bearer rtn_x"), ("x-api-key", "rtn_x")][..], "invalid_request"),
            (&[("authorization", "Bearer rtn_x"), ("authorization", "Basic eA==")], "invalid_request"),
            (&[("x-api-key", "rtn_x"), ("x-api-key", "rtn_x")], "invalid_request"),
            (&[("authorization", "Bearer")], "invalid_request"),
            (&[("authorization", "Token rtn_x")], "invalid_request"),
            (&[("authorization", "rtn_x")], "invalid_request"),
            (&[("authorization", "Bearer,rtn_x")], "invalid_request"),
            (&[("authorization", "Bearer:rtn_x")], "invalid_request"),
            (&[("authorization", "Basic RTN_x")], "invalid_request"),
            (&[("authorization", "Basic rtn_x"), ("x-api-key", "rtn_x")], "invalid_request"),
            (&[("authorization", "Bearer  ")], "invalid_request"),
            (&[("authorization", "Bearer rtn_x rtn_y")], "invalid_request"),
            (&[("x-api-key", "")], "invalid_request"),
            (&[("x-api-key", "é")], "credential_kind_disabled"),
            (&[("authorization", "Bearer eyJh.x.y")], "credential_kind_disabled"),
            (&[("x-api-key", "sk-other")], "credential_kind_disabled"),
        ] {
            assert_eq!(shown_by(pairs), Err(code), "{pairs:?}");
        }
    }
}

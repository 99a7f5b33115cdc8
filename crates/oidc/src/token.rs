//! A signed token in its compact form (RFC 7515, section 7.1), read strictly and not yet believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use retinue_model::Result;
use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::json::{self, Object};
use crate::reason::{Reason, quoted};

/// The longest token that is looked at.
const MAX_BYTES: usize = 16 * 1024;

/// A token that nobody has checked.
pub(crate) struct Token<'a> {
    pub algorithm: Algorithm,
    pub key_id: Option<String>,
    /// `typ`, in lower case and without `application/` (RFC 7515, section 4.1.9).
    pub kind: Option<String>,
    /// What the signature is over.
    pub signed: &'a [u8],
    pub signature: Vec<u8>,
    claims: Object,
}

impl<'a> Token<'a> {
    /// Reads a token. Keys in its header (`jwk`, `jku`, `x5c`, `x5u`) are never looked at (RFC 8725, section 3.10).
    ///
    /// # Errors
    /// `TokenTooLarge`, `TokenMalformed`, `TokenCritical`, or `TokenAlgorithm` for `none`, HMAC and unknown ones.
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(Reason::TokenTooLarge.into());
        }
        let malformed = |cause: &str| Reason::TokenMalformed.because(cause.to_owned());
        let parts: Vec<_> = text.split('.').collect();
        let &[header, claims, signature] = parts.as_slice() else {
            return Err(malformed("not three parts: unsigned, encrypted, or no token at all"));
        };
        let header = object(header)?;
        let claims = object(claims)?;
        if header.contains_key("crit") {
            return Err(Reason::TokenCritical.into());
        }
        let Some(Value::String(name)) = header.get("alg") else { return Err(malformed("no alg")) };
        let unknown = || Reason::TokenAlgorithm.because(format!("alg {} is never accepted", quoted(name)));
        let algorithm = Algorithm::named(name).ok_or_else(unknown)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed("its signature is not base64url"))?;
        let key_id = optional_text(&header, "kid")?;
        let kind = optional_text(&header, "typ")?.map(|kind| kind.to_ascii_lowercase());
        let kind = kind.map(|kind| kind.strip_prefix("application/").map(str::to_owned).unwrap_or(kind));
        let signed = &text.as_bytes()[..parts[0].len() + 1 + parts[1].len()];
        Ok(Self { algorithm, key_id, kind, signed, signature, claims })
    }

    /// What it says; to be called by whoever checked the signature.
    pub(crate) fn into_claims(self) -> Object {
        self.claims
    }
}

/// The issuer that a token says it comes from. Nothing was checked: it only helps to choose the provider to ask.
///
/// # Errors
/// `TokenTooLarge`, `TokenMalformed`, `TokenCritical`, `TokenAlgorithm`, or `ClaimMissing`.
pub fn claimed_issuer(token: &str) -> Result<String> {
    let claims = Token::parse(token)?.into_claims();
    let issuer = claims.get("iss").and_then(Value::as_str).map(str::to_owned);
    issuer.ok_or_else(|| Reason::ClaimMissing.because("iss is missing"))
}

fn object(part: &str) -> Result<Object> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|error| Reason::TokenMalformed.because(error))?;
    json::object(&bytes).map_err(|error| Reason::TokenMalformed.because(error))
}

fn optional_text(header: &Object, name: &str) -> Result<Option<String>> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Reason::TokenMalformed.because(format!("its {name} is not text"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}", header in "\\PC{0,40}", claims in "\\PC{0,40}") {
            drop(Token::parse(&text));
            drop(Token::parse(&token(&header, &claims)));
        }

        #[test]
        fn a_token_that_is_read_reads_the_same_again(issuer in "[a-z:/.]{1,40}") {
            let text = token(r#"{"alg":"ES256"}"#, &format!(r#"{{"iss":"{issuer}"}}"#));
            prop_assert_eq!(claimed_issuer(&text).unwrap(), issuer);
        }
    }

    fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part(claims), part("signature"))
    }

    fn code(text: &str) -> &'static str {
        Token::parse(text).err().map_or("", |error| error.code())
    }

    #[test]
    fn a_token_is_read() {
        let text =
            token(r#"{"alg":"ES256","kid":"a","typ":"application/Logout+JWT","jku":"https://evil"}"#, r#"{"sub":"b"}"#);
        let token = Token::parse(&text).unwrap();
        assert_eq!((token.algorithm, token.key_id.as_deref()), (Algorithm::Es256, Some("a")));
        assert_eq!((token.kind.as_deref(), token.signature.as_slice()), (Some("logout+jwt"), b"signature".as_slice()));
        assert_eq!(token.into_claims()["sub"], "b");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let good = token(r#"{"alg":"RS256"}"#, "{}");
        assert_eq!(code(&good), "");
        let malformed = [
            String::new(),
            "a.b".to_owned(),
            "..".to_owned(),
            format!("{good}.a.b"),
            format!("{good}="),
            format!("{good}\n"),
            format!(" {good}"),
            good.replace('.', ".."),
            token("{}", "{}"),
            token(r#"{"alg":1}"#, "{}"),
            token(r#"{"alg":"RS256","alg":"none"}"#, "{}"),
            token(r#"{"alg":"RS256","kid":1}"#, "{}"),
            token(r#"{"alg":"RS256"}"#, "[]"),
            token(r#"{"alg":"RS256"}"#, r#"{"sub":"a","sub":"b"}"#),
        ];
        for text in malformed {
            assert_eq!(code(&text), "oidc_token_malformed", "{text}");
        }
        for alg in ["none", "None", "HS256", "HS512", "", "RSA-OAEP"] {
            assert_eq!(code(&token(&format!(r#"{{"alg":"{alg}"}}"#), "{}")), "oidc_token_algorithm", "{alg}");
        }
        assert_eq!(code(&token(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, "{}")), "oidc_token_critical");
        assert_eq!(code(&"a".repeat(MAX_BYTES + 1)), "oidc_token_too_large");
        assert_eq!(claimed_issuer(&token(r#"{"alg":"RS256"}"#, "{}")).unwrap_err().code(), "oidc_claim_missing");
    }
}

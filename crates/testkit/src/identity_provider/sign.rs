//! What the provider gives out for a code or a refresh token.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::script::merge;
use super::{AuthTime, Script, Shared};

/// The answer of the token endpoint. A code has its nonce, and may ask for a recent sign-in; a refresh has none.
pub(super) fn answer(shared: &Shared, script: &mut Script, (nonce, has_max_age): (Option<&str>, bool)) -> Value {
    let (access_token, refresh_token) = (script.next("access"), script.next("refresh"));
    let now = shared.seconds();
    let mut claims = json!({
        "iss": shared.issuer, "sub": script.subject, "aud": script.client_id, "sid": script.session,
        "iat": now, "exp": now + 300, "at_hash": at_hash(&access_token),
    });
    if has_max_age || script.auth_time == AuthTime::Always {
        claims["auth_time"] = json!(now - 5);
    }
    merge(&mut claims, &script.person);
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    merge(&mut claims, &script.id_token);
    script.refresh_tokens.insert(refresh_token.clone());
    let mut answer = json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": 300, "refresh_token": refresh_token,
        "id_token": script.signed("JWT", &claims),
    });
    merge(&mut answer, &script.token_answer);
    answer
}

/// For the algorithms with SHA-256; a test that signs with others takes it away.
fn at_hash(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, access_token.as_bytes()).as_ref()[..16])
}

/// `S256` (RFC 7636, section 4.2).
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

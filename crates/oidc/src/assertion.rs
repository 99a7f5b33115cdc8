//! `private_key_jwt`: a token that the client signs itself (RFC 7523, section 2.2; OpenID Connect Core 1.0, section 9).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use retinue_model::{Error, Result};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::algorithm::Algorithm;
use crate::config::Config;
use crate::metadata::Metadata;
use crate::moment::Moment;

pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion is valid, in seconds; each is used once.
const LIFETIME: i64 = 60;
const MIN_RSA_BYTES: usize = 256;

/// Whom an assertion is for; providers differ in what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The URL of the token endpoint (OpenID Connect Core 1.0, section 9).
    #[default]
    TokenEndpoint,
    /// The issuer, as newer advice has it.
    Issuer,
}

/// The private key that client assertions are signed with.
#[derive(Clone)]
pub struct AssertionKey {
    pair: Arc<Pair>,
    id: Option<String>,
    audience: AssertionAudience,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(Algorithm, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl AssertionKey {
    /// Reads a private key in PEM: RSA of 2048 bits or more, P-256, P-384 or Ed25519; PKCS #8, or the older forms of RSA
    /// and EC keys. `id` is the `kid` under which the provider knows the public key.
    ///
    /// # Errors
    /// `invalid_oidc_client_key`.
    pub fn from_pem(pem: &SecretString, id: Option<String>, audience: AssertionAudience) -> Result<Self> {
        let invalid = || {
            Error::invalid(
                "invalid_oidc_client_key",
                "The client's private key can't be read. It must be an unencrypted PEM file with an RSA key of 2048 bits or more, or a P-256, P-384 or Ed25519 key.",
            )
        };
        let der = der(pem.expose_secret()).ok_or_else(invalid)?;
        let pair = pair(&der).ok_or_else(invalid)?;
        Ok(Self { pair: Arc::new(pair), id, audience })
    }

    /// A new assertion.
    pub(crate) fn assertion(&self, config: &Config, metadata: &Metadata, moment: Moment<'_>) -> Result<SecretString> {
        let mut header = json!({"alg": self.algorithm().name(), "typ": "JWT"});
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let audience = match self.audience {
            AssertionAudience::TokenEndpoint => metadata.token_endpoint.as_str(),
            AssertionAudience::Issuer => config.issuer.as_str(),
        };
        let now = moment.seconds();
        let claims = json!({
            "iss": config.client_id, "sub": config.client_id, "aud": audience,
            "jti": moment.token(), "iat": now, "exp": now + LIFETIME,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.sign(signed.as_bytes()).map_err(|_| Error::internal("the client's key can't sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match &*self.pair {
            Pair::Rsa(_) => Algorithm::Rs256,
            Pair::Ec(algorithm, _) => *algorithm,
            Pair::Ed(_) => Algorithm::EdDsa,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        // The library wants it named, and takes its own.
        let random = SystemRandom::new();
        Ok(match &*self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                signature
            }
            Pair::Ec(_, pair) => pair.sign(&random, message)?.as_ref().to_vec(),
            Pair::Ed(pair) => pair.try_sign(message)?.as_ref().to_vec(),
        })
    }
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The bytes of the first private key in a PEM text (RFC 7468).
fn der(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END")?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).ok()
}

fn pair(der: &[u8]) -> Option<Pair> {
    if let Ok(pair) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
        return (pair.public_modulus_len() >= MIN_RSA_BYTES).then_some(Pair::Rsa(pair));
    }
    let curves =
        [(Algorithm::Es256, &ECDSA_P256_SHA256_FIXED_SIGNING), (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED_SIGNING)];
    for (algorithm, curve) in curves {
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve, der) {
            return Some(Pair::Ec(algorithm, pair));
        }
    }
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Pair::Ed)
}

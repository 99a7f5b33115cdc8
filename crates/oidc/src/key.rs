//! One public key of a provider (RFC 7517), parsed once for every algorithm that it may verify.

use std::fmt;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::json::Object;

/// The smallest RSA modulus (RFC 7518, section 3.3), and the largest that is worth its time.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A key that verifies signatures.
pub(crate) struct Key {
    pub id: Option<String>,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Key {
    /// Reads a JWK; gives in a few words why it can't be used.
    pub(crate) fn parse(jwk: &Object) -> Result<Self, &'static str> {
        if jwk.get("use").is_some_and(|usage| usage != "sig") {
            return Err("its use is not sig");
        }
        if let Some(operations) = jwk.get("key_ops") {
            let verifies = operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
            if !verifies {
                return Err("its key_ops lack verify");
            }
        }
        let mut verifiers = match text(jwk, "kty")? {
            "RSA" => rsa(jwk)?,
            "EC" => vec![curve(jwk, true)?],
            "OKP" => vec![curve(jwk, false)?],
            "oct" => return Err("it is a symmetric key, which is never accepted"),
            _ => return Err("its kty is unknown"),
        };
        match jwk.get("alg") {
            None => {}
            Some(Value::String(alg)) => verifiers.retain(|(algorithm, _)| Algorithm::named(alg) == Some(*algorithm)),
            Some(_) => return Err("its alg is not text"),
        }
        if verifiers.is_empty() {
            return Err("its alg does not fit its type");
        }
        Ok(Self { id: key_id(jwk), verifiers })
    }

    /// The algorithms it is for.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(algorithm, _)| *algorithm)
    }

    pub(crate) fn verifier(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.verifiers.iter().find(|(its, _)| *its == algorithm).map(|(_, verifier)| verifier)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.algorithms().collect();
        f.debug_struct("Key").field("id", &self.id).field("algorithms", &algorithms).finish_non_exhaustive()
    }
}

/// The key's id, if it has one.
pub(crate) fn key_id(jwk: &Object) -> Option<String> {
    jwk.get("kid").and_then(Value::as_str).map(str::to_owned)
}

fn rsa(jwk: &Object) -> Result<Vec<(Algorithm, ParsedPublicKey)>, &'static str> {
    let without_zeros = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let (n, e) = (without_zeros(bytes(jwk, "n")?), without_zeros(bytes(jwk, "e")?));
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err("its modulus is shorter than 2048 bits or longer than 8192");
    }
    let is_odd = e.last().is_some_and(|last| last & 1 == 1);
    if !is_odd || e == [1] || e.len() > 4 {
        return Err("its exponent is even, 1, or longer than 32 bits");
    }
    let components = PublicKeyComponents { n, e };
    let parsed = Algorithm::ALL.into_iter().filter_map(|algorithm| Some((algorithm, algorithm.rsa()?)));
    parsed
        .map(|(algorithm, rsa)| Ok((algorithm, components.to_parsed_public_key(rsa).map_err(|_| "it is no RSA key")?)))
        .collect()
}

fn curve(jwk: &Object, has_y: bool) -> Result<(Algorithm, ParsedPublicKey), &'static str> {
    let name = text(jwk, "crv")?;
    let (algorithm, verification, length) = Algorithm::on_curve(name).ok_or("its curve is unknown")?;
    if has_y == (algorithm == Algorithm::EdDsa) {
        return Err("its curve does not fit its kty");
    }
    // Uncompressed: 4, x, y (SEC 1, section 2.3.3); an Ed25519 key is x alone (RFC 8032, section 5.1.2).
    let mut point = if has_y { vec![4] } else { Vec::new() };
    for name in if has_y { ["x", "y"].as_slice() } else { &["x"] } {
        let coordinate = bytes(jwk, name)?;
        if coordinate.len() != length {
            return Err("a coordinate is not as long as its curve demands");
        }
        point.extend(coordinate);
    }
    let key = ParsedPublicKey::new(verification, point).map_err(|_| "its point is not on its curve")?;
    Ok((algorithm, key))
}

fn text<'a>(jwk: &'a Object, name: &str) -> Result<&'a str, &'static str> {
    jwk.get(name).and_then(Value::as_str).ok_or("it lacks a member that its type needs")
}

fn bytes(jwk: &Object, name: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).map_err(|_| "a member is not base64url")
}

//! Keys that the provider signs with, made anew for each run of the tests.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Two RSA keys are enough for all tests; making one takes a while.
static RSA: LazyLock<[Arc<RsaKeyPair>; 2]> =
    LazyLock::new(|| std::array::from_fn(|_| Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())));

/// A private key with its public half.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// `kid`, in the key set and in the header of tokens.
    pub id: Option<String>,
    /// `alg`, in both.
    pub algorithm: &'static str,
    pair: Pair,
}

#[derive(Clone, Debug)]
enum Pair {
    Rsa(Arc<RsaKeyPair>),
    Ec(Arc<EcdsaKeyPair>),
    Ed(Arc<Ed25519KeyPair>),
}

impl SigningKey {
    /// An RSA key of 2048 bits, for RS256; the same in all tests.
    #[must_use]
    pub fn rsa(id: &str) -> Self {
        Self { id: Some(id.to_owned()), algorithm: "RS256", pair: Pair::Rsa(Arc::clone(&RSA[0])) }
    }

    /// Another RSA key.
    #[must_use]
    pub fn other_rsa(id: &str) -> Self {
        Self { id: Some(id.to_owned()), algorithm: "RS256", pair: Pair::Rsa(Arc::clone(&RSA[1])) }
    }

    /// A new key for ES256, ES384, ES512 or `EdDSA`; an RSA key for the others.
    #[must_use]
    pub fn new(id: &str, algorithm: &'static str) -> Self {
        let curve = |curve| Pair::Ec(Arc::new(EcdsaKeyPair::generate(curve).unwrap()));
        let pair = match algorithm {
            "ES256" => curve(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => curve(&ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => curve(&ECDSA_P521_SHA512_FIXED_SIGNING),
            "EdDSA" => Pair::Ed(Arc::new(Ed25519KeyPair::generate().unwrap())),
            _ => Pair::Rsa(Arc::clone(&RSA[0])),
        };
        Self { id: Some(id.to_owned()), algorithm, pair }
    }

    /// The same key without a `kid`.
    #[must_use]
    pub fn nameless(mut self) -> Self {
        self.id = None;
        self
    }

    /// The public half, as it stands in a key set.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = rsa_components(pair);
                json!({"kty": "RSA", "n": encoded(&n), "e": encoded(&e)})
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(coordinate(pair.algorithm()));
                let curve = match self.algorithm {
                    "ES256" => "P-256",
                    "ES384" => "P-384",
                    _ => "P-521",
                };
                json!({"kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref())}),
        };
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm);
        if let Some(id) = &self.id {
            jwk["kid"] = json!(id);
        }
        jwk
    }

    /// The public half as an attacker would feed it to an HMAC.
    #[must_use]
    pub fn public_bytes(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// The private half, in PEM, PKCS #8.
    #[must_use]
    pub fn private_pem(&self) -> String {
        let der = match &self.pair {
            Pair::Rsa(pair) => AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&**pair).unwrap().as_ref().to_vec(),
            Pair::Ec(pair) => pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
        };
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding: &dyn RsaEncoding = match self.algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

fn coordinate(algorithm: &'static EcdsaSigningAlgorithm) -> usize {
    match () {
        () if algorithm == &ECDSA_P256_SHA256_FIXED_SIGNING => 32,
        () if algorithm == &ECDSA_P384_SHA384_FIXED_SIGNING => 48,
        () => 66,
    }
}

/// Modulus and exponent of a 2048-bit key: its DER (RFC 8017, appendix A.1.1) has always the same shape.
fn rsa_components(pair: &RsaKeyPair) -> (Vec<u8>, Vec<u8>) {
    let der = pair.public_key().as_ref();
    assert_eq!(der.len(), 9 + 256 + 5, "an RSA key of 2048 bits with the exponent 65537");
    (der[9..265].to_vec(), der[267..].to_vec())
}

//! The signature algorithms that are accepted: asymmetric ones only (RFC 7518, section 3.1; RFC 8037).
//!
//! `none` and the HMAC family have no variant here, so that no mistake can let them in.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, VerificationAlgorithm,
};

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// Its name in `alg`; RFC 9864 has another one for `EdDSA` with Ed25519, which is understood too.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// How an RSA key verifies this; None for other keys.
    pub(crate) const fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Self::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
            _ => None,
        }
    }

    /// How a key on this curve verifies, and the bytes of one coordinate of it.
    pub(crate) fn on_curve(curve: &str) -> Option<(Self, &'static dyn VerificationAlgorithm, usize)> {
        match curve {
            "P-256" => Some((Self::Es256, &ECDSA_P256_SHA256_FIXED, 32)),
            "P-384" => Some((Self::Es384, &ECDSA_P384_SHA384_FIXED, 48)),
            "P-521" => Some((Self::Es512, &ECDSA_P521_SHA512_FIXED, 66)),
            "Ed25519" => Some((Self::EdDsa, &ED25519, 32)),
            _ => None,
        }
    }

    /// The hash that belongs to it, for `at_hash` (OpenID Connect Core 1.0, section 3.1.3.6).
    pub(crate) fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => &digest::SHA256,
            Self::Rs384 | Self::Ps384 | Self::Es384 => &digest::SHA384,
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa => &digest::SHA512,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_and_hmac_do_not_exist() {
        for name in ["none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "rs256", "RS1", "ES256K"] {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
        assert_eq!(Algorithm::named("Ed25519"), Algorithm::named("EdDSA"));
        assert!(Algorithm::ALL.iter().all(|algorithm| Algorithm::named(algorithm.name()) == Some(*algorithm)));
    }
}

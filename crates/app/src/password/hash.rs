//! PHC strings: making one, and comparing with one that may come from elsewhere.
//! <https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md>

use std::hint::black_box;
use std::num::NonZeroU32;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::pbkdf2;
use retinue_model::credential::PasswordHash;
use retinue_model::{Error, Password, Result};

use super::work::{OUTPUT_BYTES, Work};

/// The most memory that a hash may take, in KiB.
pub const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// The most passes over the memory.
pub const MAX_ITERATIONS: u32 = 64;
/// The most lanes.
pub const MAX_LANES: u32 = 16;
/// The most memory times passes, in KiB: about a second.
pub const MAX_WORK_KIB: u32 = 1024 * 1024;
/// The most iterations of PBKDF2: about a second.
const MAX_PBKDF2_ITERATIONS: u32 = 2_000_000;
/// The longest PHC string.
const MAX_PHC_BYTES: usize = 512;
/// The shortest output that is worth a comparison.
const MIN_OUTPUT_BYTES: usize = 16;
/// The shortest salt (RFC 9106, section 3.1).
const MIN_SALT_BYTES: usize = 8;

pub(super) type Salt = [u8; 16];

/// The parameters of Argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parameters {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes; one thread works at all of a hash's.
    pub lanes: u32,
}

impl Default for Parameters {
    /// What the OWASP Password Storage Cheat Sheet asks for at least: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, lanes: 1 }
    }
}

impl Parameters {
    /// Whether they are within what the algorithm and this program take.
    ///
    /// # Errors
    /// `invalid_password_settings`.
    pub fn check(self) -> Result<()> {
        self.to_params().map(drop)
    }

    pub(super) fn to_params(self) -> Result<Params> {
        let params = Params::new(self.memory_kib, self.iterations, self.lanes, Some(Params::DEFAULT_OUTPUT_LEN));
        params.ok().filter(is_bearable).ok_or_else(|| {
            Error::invalid(
                "invalid_password_settings",
                format!(
                    "A password's hash takes 8 KiB of memory for each lane at least and {MAX_MEMORY_KIB} KiB at most, \
                    1 to {MAX_ITERATIONS} passes and 1 to {MAX_LANES} lanes, and memory times passes is {MAX_WORK_KIB} KiB at most."
                ),
            )
        })
    }
}

fn is_bearable(params: &Params) -> bool {
    params.m_cost() <= MAX_MEMORY_KIB
        && params.t_cost() <= MAX_ITERATIONS
        && params.p_cost() <= MAX_LANES
        && params.m_cost().saturating_mul(params.t_cost()) <= MAX_WORK_KIB
}

/// Hashes a password as it is done today.
pub(super) fn hash(parameters: Parameters, password: &Password, salt: &Salt) -> Result<PasswordHash> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters.to_params()?);
    let made = argon2.hash_password_with_salt(password.expose().as_bytes(), salt).map_err(Error::internal)?;
    Ok(PasswordHash::new(black_box(made).to_string()))
}

/// Why a stored hash can't be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is no PHC string with salt and output")]
    Malformed,
    #[error("its algorithm is none of argon2id, argon2i, argon2d and pbkdf2-sha256")]
    Algorithm,
    #[error("its parameters are none of the algorithm's")]
    Parameters,
    #[error("comparing with it would take too much memory or time")]
    Unbearable,
}

/// A hash that can be compared with.
pub(super) struct Stored {
    method: Method,
    salt: phc::Salt,
    output: phc::Output,
}

enum Method {
    Argon2(Algorithm, Version, Params),
    Pbkdf2(NonZeroU32),
}

impl Stored {
    pub(super) fn parse(kept: &PasswordHash) -> std::result::Result<Self, Unusable> {
        let text = Some(kept.as_str()).filter(|text| text.len() <= MAX_PHC_BYTES).ok_or(Unusable::Malformed)?;
        let parsed = phc::PasswordHash::new(text).map_err(|_| Unusable::Malformed)?;
        let (salt, output) = parsed.salt.zip(parsed.hash).ok_or(Unusable::Malformed)?;
        if salt.len() < MIN_SALT_BYTES || output.len() < MIN_OUTPUT_BYTES {
            return Err(Unusable::Malformed);
        }
        let method = match parsed.algorithm.as_str() {
            "pbkdf2-sha256" => Method::Pbkdf2(pbkdf2_iterations(&parsed, output.len())?),
            "argon2id" | "argon2i" | "argon2d" => argon2_method(&parsed)?,
            _ => return Err(Unusable::Algorithm),
        };
        Ok(Self { method, salt, output })
    }

    /// Whether it was made of this password. The outputs are compared in constant time.
    pub(super) fn is_hash_of(&self, password: &Password) -> bool {
        let (password, salt, output) = (password.expose().as_bytes(), self.salt.as_ref(), self.output.as_bytes());
        match &self.method {
            Method::Argon2(algorithm, version, params) => {
                let mut made = vec![0; output.len()];
                let argon2 = Argon2::new(*algorithm, *version, params.clone());
                argon2.hash_password_into(password, salt, &mut made).is_ok()
                    && verify_slices_are_equal(&made, output).is_ok()
            }
            Method::Pbkdf2(iterations) => {
                pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, *iterations, salt, password, output).is_ok()
            }
        }
    }

    /// What a comparison with it costs.
    pub(super) fn work(&self) -> Work {
        match &self.method {
            Method::Argon2(algorithm, _, params) => {
                let (memory_kib, iterations, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
                Work::Argon2(*algorithm, Parameters { memory_kib, iterations, lanes })
            }
            Method::Pbkdf2(iterations) => Work::Pbkdf2(*iterations, self.output.len().div_ceil(OUTPUT_BYTES)),
        }
    }

    /// Whether it would be made in the same way today.
    pub(super) fn is_current(&self, today: Parameters) -> bool {
        let Method::Argon2(_, Version::V0x13, params) = &self.method else {
            return false;
        };
        self.work() == Work::today(today)
            && self.salt.len() == size_of::<Salt>()
            && self.output.len() == Params::DEFAULT_OUTPUT_LEN
            && params.keyid().is_empty()
            && params.data().is_empty()
    }
}

fn argon2_method(parsed: &phc::PasswordHash) -> std::result::Result<Method, Unusable> {
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).map_err(|_| Unusable::Algorithm)?;
    // Before version 1.3 it was not written down.
    let version = parsed.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| Unusable::Parameters)?;
    let params = Params::try_from(parsed).map_err(|_| Unusable::Parameters)?;
    if is_bearable(&params) { Ok(Method::Argon2(algorithm, version, params)) } else { Err(Unusable::Unbearable) }
}

fn pbkdf2_iterations(parsed: &phc::PasswordHash, output: usize) -> std::result::Result<NonZeroU32, Unusable> {
    let known = |(name, _): (phc::Ident, _)| matches!(name.as_str(), "i" | "l");
    let length = parsed.params.get_decimal("l").map_or(Ok(output), usize::try_from);
    if parsed.version.is_some() || !parsed.params.iter().all(known) || length != Ok(output) {
        return Err(Unusable::Parameters);
    }
    let iterations = parsed.params.get_decimal("i").and_then(NonZeroU32::new).ok_or(Unusable::Parameters)?;
    if iterations.get() <= MAX_PBKDF2_ITERATIONS { Ok(iterations) } else { Err(Unusable::Unbearable) }
}

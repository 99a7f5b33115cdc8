//! `at_hash`: what ties an access token to the ID token it came with.

use aws_lc_rs::digest::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::algorithm::Algorithm;
use crate::constant_time;

/// Whether `at_hash` is that of this access token (OpenID Connect Core 1.0, section 3.1.3.6).
pub(crate) fn matches(at_hash: &str, access_token: &str, algorithm: Algorithm) -> bool {
    let whole = digest(algorithm.digest(), access_token.as_bytes());
    let (left, _) = whole.as_ref().split_at(whole.as_ref().len() / 2);
    constant_time::equal(&URL_SAFE_NO_PAD.encode(left), at_hash.trim_end_matches('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_matches() {
        // OpenID Connect Core 1.0, appendix A.3: RS256.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert!(matches("77QmUPtjPfzWtF2AnpK9RQ", token, Algorithm::Rs256));
        assert!(!matches("77QmUPtjPfzWtF2AnpK9RQ", "another", Algorithm::Rs256));
        assert!(!matches("77QmUPtjPfzWtF2AnpK9RQ", token, Algorithm::Rs384));
        assert!(!matches("", token, Algorithm::Rs256));
    }
}

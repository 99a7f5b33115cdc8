//! Whether what the provider signs can be verified.

use crate::algorithm::Algorithm;
use crate::http::Question;
use crate::key_set::KeySet;
use crate::metadata::Metadata;
use crate::provider::Provider;
use crate::reason::quoted;

use super::announced::Announced;
use super::finding::Findings;
use super::{cause, count};

impl Provider {
    pub(super) async fn keys_found(&self, findings: &mut Findings, metadata: &Metadata) {
        let answer = self.http().ask(Question::get(&metadata.jwks_uri)).await;
        let keys = answer.and_then(|answer| answer.success()).and_then(|document| KeySet::parse(&document));
        match keys {
            Err(error) => findings.problem(
                "keys",
                format!(
                    "The keys can't be used: {}. Mend it at the provider, or let this server reach its jwks_uri.",
                    cause(&error)
                ),
            ),
            Ok(keys) if !keys.serves(&metadata.algorithms) => findings.problem(
                "keys",
                "No key fits the algorithms that the provider announces. Let it sign ID tokens with RS256 or ES256.",
            ),
            Ok(keys) => {
                findings.good("keys", format!("{} can be used.", count(keys.len(), "key")));
                for (id, why) in &keys.unusable {
                    let id = id.as_deref().map_or_else(|| "without an id".to_owned(), quoted);
                    findings.note(
                        "keys",
                        format!("The key {id} is left out: {why}. Nothing to do, if no ID token is signed with it."),
                    );
                }
            }
        }
    }
}

/// Signatures that the provider may make, and that are refused.
pub(super) fn algorithms(findings: &mut Findings, announced: Announced<'_>) {
    let all = announced.list("id_token_signing_alg_values_supported").unwrap_or_default();
    let symmetric: Vec<_> = all.iter().filter(|name| name.starts_with("HS")).copied().collect();
    if !symmetric.is_empty() && all.iter().any(|name| Algorithm::named(name).is_some()) {
        findings.note("keys", format!(
            "The provider can sign with {} too, which is refused here. If signing in fails with oidc_token_algorithm, choose RS256 or ES256 for this client there.",
            symmetric.join(", ")
        ));
    }
}

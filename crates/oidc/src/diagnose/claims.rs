//! Whether the provider tells what is wanted to be known about people.

use crate::config::{Config, UserInfo};
use crate::metadata::Metadata;

use super::announced::Announced;
use super::finding::Findings;

/// Whether the scopes are the provider's.
pub(super) fn scopes(findings: &mut Findings, config: &Config, announced: Announced<'_>) {
    let unknown = |scope: &&str| announced.leaves_out("scopes_supported", scope);
    match config.scopes.iter().map(String::as_str).filter(unknown).collect::<Vec<_>>().as_slice() {
        [] => findings.good("scopes", format!("{} are asked for.", config.scopes.join(" "))),
        missing => findings.note(
            "scopes",
            format!(
                "The provider does not announce {}. Take them out, or add them there, if what they give is missing.",
                missing.join(", ")
            ),
        ),
    }
}

/// Whether the claims come that people are known and linked by.
pub(super) fn claims(findings: &mut Findings, config: &Config, metadata: &Metadata, announced: Announced<'_>) {
    if announced.list("subject_types_supported").is_some_and(|types| types == ["pairwise"]) {
        findings.note("subject", "Subjects are pairwise: another client id makes all people strangers. Keep this one.");
    }
    let verified = &config.claims.email_verified;
    if config.needs_verified_email && announced.leaves_out("claims_supported", verified) {
        findings.note("claims", format!(
            "The provider does not announce the claim {verified}, without which no address counts as verified. Let it send that, or decide by issuer and subject instead."
        ));
    }
    if let Some(name) = &config.claims.groups {
        groups(findings, (config, name), announced);
    }
    if config.user_info == UserInfo::WhenClaimsLack && metadata.userinfo_endpoint.is_none() {
        findings.note(
            "UserInfo",
            "The provider has no userinfo_endpoint: what its ID tokens lack stays unknown. Let it put name and address into them.",
        );
    }
}

/// Whether the claim comes by which group rules go, as far as that is announced.
fn groups(findings: &mut Findings, (config, name): (&Config, &str), announced: Announced<'_>) {
    let first = name.split('.').next().unwrap_or(name);
    let leaves_out = |name: &str| announced.leaves_out("claims_supported", name);
    let has_scope = announced.list("scopes_supported").is_some_and(|scopes| scopes.contains(&"groups"));
    if leaves_out(name) && leaves_out(first) {
        findings.note("groups", format!(
            "The provider does not announce the claim {name}, by which auth.group_rules go. Let it send that, or set groups_claim to the one that it sends: without it no rule changes anything."
        ));
    } else if has_scope && !config.scopes.iter().any(|scope| scope == "groups") {
        findings.note("groups", format!(
            "The provider has a scope `groups`, which is not asked for. Add it to scopes, if the claim {name} does not come."
        ));
    } else if announced.list("claims_supported").is_some() {
        findings.good("groups", format!("The provider announces the claim {name}."));
    } else {
        findings.note(
            "groups",
            format!("Whether the provider sends the claim {name} shows at the first sign-in: the log says if not."),
        );
    }
}

//! Whether the provider takes part in the one flow that is used: authorization code with PKCE, answered in the query.

use crate::client_authentication::ClientAuthentication;
use crate::config::Config;
use crate::metadata::Metadata;

use super::announced::Announced;
use super::finding::Findings;
use crate::vendor;

/// What keeps anybody from coming back with a code.
pub(super) fn flow(findings: &mut Findings, announced: Announced<'_>) {
    let faults = [
        (
            announced.leaves_out("grant_types_supported", "authorization_code"),
            "The provider does not announce the grant type authorization_code. Turn it on there.",
        ),
        (
            announced.leaves_out("response_types_supported", "code"),
            "The provider does not announce the response type code. Turn the authorization code flow on there.",
        ),
        (
            announced.leaves_out("response_modes_supported", "query"),
            "The provider does not announce the response mode query, the only one that is understood here. Turn it on there.",
        ),
        (
            announced.flag("require_pushed_authorization_requests"),
            "The provider demands pushed authorization requests (RFC 9126), which are not made. Turn that off there.",
        ),
        (
            announced.flag("require_signed_request_object"),
            "The provider demands signed request objects (RFC 9101), which are not made. Turn that off there.",
        ),
    ];
    let mut is_good = true;
    for (_, problem) in faults.iter().filter(|(is_so, _)| *is_so) {
        findings.problem("flow", *problem);
        is_good = false;
    }
    if is_good {
        findings.good("flow", "Nothing speaks against the authorization code flow.");
    }
}

/// Whether codes are bound to who asked for them.
pub(super) fn pkce(findings: &mut Findings, config: &Config, announced: Announced<'_>) {
    let is_public = matches!(config.authentication, ClientAuthentication::None);
    match announced.list("code_challenge_methods_supported") {
        Some(methods) if methods.contains(&"S256") => findings.good("PKCE", "S256 is supported."),
        Some(_) => findings.problem("PKCE", "The provider announces PKCE without S256. Turn S256 on there."),
        None if vendor::is_entra(&config.issuer) => findings.good("PKCE", "S256 is supported, though it is not announced."),
        None if is_public => findings.note("PKCE", "The provider does not announce PKCE, which protects a client without a secret. Turn it on there, or set a client secret."),
        None => findings.note("PKCE", "The provider does not announce PKCE. It is used all the same; turn it on there if you can."),
    }
}

/// Whether an answer can be told from another provider's.
pub(super) fn callback_issuer(findings: &mut Findings, metadata: &Metadata) {
    if metadata.names_issuer {
        findings.good("callback issuer", "Answers name their issuer (RFC 9207).");
    } else {
        findings.note(
            "callback issuer",
            "Answers need not name their issuer (RFC 9207). With several providers, turn that on there if you can, or give each its own redirect URI.",
        );
    }
}

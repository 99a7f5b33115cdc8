//! Whether a session ends here when it ends at the provider.

use crate::config::Config;
use crate::metadata::Metadata;

use super::announced::Announced;
use super::finding::Findings;
use crate::vendor;

/// Sign-out there, back-channel logout, and whether one of the ways leads here.
pub(super) fn sessions(findings: &mut Findings, config: &Config, metadata: &Metadata, announced: Announced<'_>) {
    match &metadata.end_session_endpoint {
        Some(_) => findings.good("sign-out", "People can be signed out at the provider too."),
        None => findings
            .note("sign-out", "The provider has no end_session_endpoint: signing out ends the session here only."),
    }
    let has_back_channel = announced.flag("backchannel_logout_supported");
    match (has_back_channel, announced.flag("backchannel_logout_session_supported")) {
        (true, true) => findings.good(
            "back-channel logout",
            "It is supported, with sid. Register the address /auth/backchannel-logout there.",
        ),
        (true, false) => findings.note(
            "back-channel logout",
            "It is supported without sid: signing out there ends all sessions of the person here.",
        ),
        (false, _) => findings.note(
            "back-channel logout",
            "The provider does not announce it: signing out there does not end the session here at once.",
        ),
    }
    if let Some(mend) = mend_of_refreshing(config, announced)
        && !has_back_channel
    {
        findings.note("sessions", format!("Nothing at the provider ends a session here before its time: {mend}"));
    }
}

/// What must be done so that the provider grants refresh tokens; None if it does.
fn mend_of_refreshing(config: &Config, announced: Announced<'_>) -> Option<&'static str> {
    let asks_for = |scope: &str| config.scopes.iter().any(|asked| asked == scope);
    let sends = |name: &str, value: &str| {
        let of_name = config.authorization_parameters.iter().find(|(its, _)| its == name);
        of_name.is_some_and(|(_, its)| its.split(' ').any(|part| part == value))
    };
    match () {
        () if announced.leaves_out("grant_types_supported", "refresh_token") => {
            Some("it does not announce the grant type refresh_token. Turn it on there, or shorten auth.sessions.")
        }
        () if vendor::is_google(&config.issuer) => {
            let is_offline = sends("access_type", "offline") && sends("prompt", "consent");
            (!is_offline).then_some("Google grants a refresh token only with the authorization parameters access_type=offline and prompt=consent. Set them, or shorten auth.sessions.")
        }
        () if asks_for("offline_access") || vendor::is_keycloak(&config.issuer) => None,
        () => Some("ask for offline_access, or shorten auth.sessions."),
    }
}

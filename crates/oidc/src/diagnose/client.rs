//! Whether the provider takes us for who we are.

use crate::algorithm::Algorithm;
use crate::client_authentication::{ClientAuthentication, TokenForm};
use crate::config::Config;
use crate::moment::Moment;
use crate::provider::Provider;

use super::announced::Announced;
use super::cause;
use super::finding::Findings;
use crate::vendor;

const ABOUT: &str = "client authentication";
const ASSERTION_ALGORITHMS: &str = "token_endpoint_auth_signing_alg_values_supported";

/// Whether the way of client authentication is one of the provider's.
pub(super) fn authentication(findings: &mut Findings, config: &Config, announced: Announced<'_>) {
    let method = config.authentication.name();
    // Discovery 1.0, section 3: client_secret_basic, if nothing is said.
    let methods = announced.list("token_endpoint_auth_methods_supported");
    let methods = methods.unwrap_or_else(|| vec!["client_secret_basic"]);
    match (&config.authentication, methods.contains(&method)) {
        (ClientAuthentication::PrivateKeyJwt(_), _) if vendor::is_entra(&config.issuer) => findings.problem(
            ABOUT,
            "Entra wants a certificate's thumbprint in assertions, which is not sent. Use a client secret.",
        ),
        (ClientAuthentication::PrivateKeyJwt(key), true) if !verifies(announced, key.algorithm()) => {
            findings.problem(ABOUT, format!(
                "The provider does not verify assertions that are signed with {}, but with {}. Use a key for one of these.",
                key.algorithm().name(),
                announced.list(ASSERTION_ALGORITHMS).unwrap_or_default().join(", ")
            ));
        }
        (_, true) => findings.good(ABOUT, format!("{method} is supported.")),
        (ClientAuthentication::None, false) => findings.note(
            ABOUT,
            "The provider does not announce `none`. If signing in fails with invalid_client, set a client secret.",
        ),
        (_, false) => findings.problem(
            ABOUT,
            format!("The provider does not support {method}, but {}. Configure one of these.", methods.join(", ")),
        ),
    }
}

fn verifies(announced: Announced<'_>, algorithm: Algorithm) -> bool {
    let names = announced.list(ASSERTION_ALGORITHMS);
    names.is_none_or(|names| names.iter().any(|name| Algorithm::named(name) == Some(algorithm)))
}

impl Provider {
    pub(super) async fn client_accepted(&self, findings: &mut Findings, moment: Moment<'_>) {
        let form = TokenForm::new("authorization_code")
            .with("code", "not-a-code-but-a-check-by-retinue-doctor")
            .with("redirect_uri", &self.config().redirect_uri)
            .with("code_verifier", &moment.token());
        match self.token_answer(form, moment).await {
            Ok(Err(error)) if error.is_about_client() => findings.problem("client", format!(
                "The provider does not accept this client ({}). Check client id, secret and the way of client authentication ({}).",
                error.cause(), self.config().authentication.name(),
            )),
            // The code is none: to say so, the provider must have accepted the client.
            Ok(Err(error)) if error.error == "invalid_grant" => findings.good("client", "The provider accepts this client."),
            Ok(_) => findings.note("client", "Whether the provider accepts this client shows at the first sign-in."),
            Err(error) => findings.problem("token endpoint", format!("The token endpoint can't be used: {}. Let this server reach it.", cause(&error))),
        }
    }
}

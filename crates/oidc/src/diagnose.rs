//! What is right and wrong between us and a provider, in one line each, for an operator.

mod announced;
mod claims;
mod client;
mod discovery;
mod finding;
mod flow;
mod issuer;
mod keys;
mod sessions;

#[cfg(test)]
mod tests;

use retinue_model::Error;
use url::Url;

use crate::config::Config;
use crate::http::Question;
use crate::issuer::is_loopback;
use crate::json::Object;
use crate::metadata::Metadata;
use crate::moment::Moment;
use crate::provider::Provider;

use announced::Announced;
use finding::Findings;
pub use finding::{Finding, Level};

impl Provider {
    /// Looks at the whole set-up against the real provider, and asks it anew. Signs nobody in; to see whether the client is
    /// accepted it takes a code to the token endpoint that is none.
    pub async fn diagnose(&self, moment: Moment<'_>) -> Vec<Finding> {
        let mut findings = Findings::default();
        let config = self.config();
        redirect_uri(&mut findings, config);
        let answer = self.http().ask(Question::get(&config.issuer.discovery_url())).await;
        let document = discovery::document(&mut findings, answer, config, moment);
        let Some(document) = document else { return findings.0 };
        let Some(metadata) = usable(&mut findings, config, &document) else { return findings.0 };
        self.keys_found(&mut findings, &metadata).await;
        announcements(&mut findings, config, &metadata, Announced(&document));
        self.client_accepted(&mut findings, moment).await;
        findings.0
    }
}

/// The document, if it is of the right issuer and has what is required.
fn usable(findings: &mut Findings, config: &Config, document: &Object) -> Option<Metadata> {
    if !issuer::is_the_same(findings, document, &config.issuer) {
        return None;
    }
    match Metadata::parse(document, &config.issuer) {
        Ok(metadata) => Some(metadata),
        Err(error) => {
            let cause = cause(&error);
            findings.problem(
                "metadata",
                format!("The discovery document can't be used: {cause}. Mend it at the provider."),
            );
            None
        }
    }
}

/// What the provider says that it can do.
fn announcements(findings: &mut Findings, config: &Config, metadata: &Metadata, announced: Announced<'_>) {
    keys::algorithms(findings, announced);
    client::authentication(findings, config, announced);
    flow::flow(findings, announced);
    flow::pkce(findings, config, announced);
    flow::callback_issuer(findings, metadata);
    claims::scopes(findings, config, announced);
    claims::claims(findings, config, metadata, announced);
    sessions::sessions(findings, config, metadata, announced);
}

fn redirect_uri(findings: &mut Findings, config: &Config) {
    let uri = &config.redirect_uri;
    let is_near = Url::parse(uri).is_ok_and(|url| is_loopback(&url));
    match (is_near, config.issuer.is_near()) {
        (true, false) => findings.note("redirect URI", format!("{uri} leads to this machine: only people who sit at it can sign in. Set the public URL, and register the redirect URI that follows from it.")),
        _ => findings.good("redirect URI", format!("{uri}; the provider must have exactly this one registered.")),
    }
}

fn cause(error: &Error) -> String {
    error.cause_chain().unwrap_or_else(|| error.code().to_owned())
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

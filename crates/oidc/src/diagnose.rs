//! What is right and wrong between us and a provider, in one line each, for an operator.

use std::fmt;

use jiff::Timestamp;
use retinue_model::Error;
use serde_json::Value;
use url::Url;

use crate::client_authentication::{ClientAuthentication, TokenForm};
use crate::config::Config;
use crate::http::{Answer, Question};
use crate::issuer;
use crate::json::Object;
use crate::key_set::KeySet;
use crate::metadata::Metadata;
use crate::moment::Moment;
use crate::provider::Provider;
use crate::reason::{Reason, quoted};

/// A difference of clocks that is worth a line, in seconds.
const CLOCK_NOTE: i64 = 5;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, but could be better, or can't be told from here.
    Note,
    /// Keeps people from signing in.
    Problem,
}

/// One line: what is so, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What was looked at; stable, for programs.
    pub about: &'static str,
    /// The line.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Good => "ok",
            Level::Note => "note",
            Level::Problem => "problem",
        };
        write!(f, "{level}: {}: {}", self.about, self.text)
    }
}

/// The findings so far.
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, level: Level, about: &'static str, text: impl Into<String>) {
        // One line, whatever a provider wrote.
        let text = text.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.0.push(Finding { level, about, text });
    }

    fn good(&mut self, about: &'static str, text: impl Into<String>) {
        self.add(Level::Good, about, text);
    }

    fn note(&mut self, about: &'static str, text: impl Into<String>) {
        self.add(Level::Note, about, text);
    }

    fn problem(&mut self, about: &'static str, text: impl Into<String>) {
        self.add(Level::Problem, about, text);
    }
}

impl Provider {
    /// Looks at the whole set-up against the real provider, and asks it anew. Signs nobody in; to see whether the client is
    /// accepted it takes a code to the token endpoint that is none.
    pub async fn diagnose(&self, moment: Moment<'_>) -> Vec<Finding> {
        let mut findings = Findings(Vec::new());
        let config = self.config();
        redirect_uri(&mut findings, config);
        let url = config.issuer.discovery_url();
        let answer = match self.http().ask(Question::get(&url)).await {
            Ok(answer) => answer,
            Err(error) => {
                findings.problem("discovery", unanswered(&error));
                return findings.0;
            }
        };
        clock(&mut findings, &answer, moment.now, config.leeway_seconds());
        let Some(document) = discovered(&mut findings, &answer, &url) else { return findings.0 };
        if !issuer_spelling(&mut findings, &document, config.issuer.as_str()) {
            return findings.0;
        }
        let metadata = match Metadata::parse(&document, &config.issuer) {
            Ok(metadata) => metadata,
            Err(error) => {
                let cause = error.cause_chain().unwrap_or_default();
                findings.problem(
                    "metadata",
                    format!("The discovery document can't be used: {cause}. Mend it at the provider."),
                );
                return findings.0;
            }
        };
        self.keys_found(&mut findings, &metadata).await;
        announced(&mut findings, config, &metadata);
        self.client_accepted(&mut findings, moment).await;
        findings.0
    }

    async fn keys_found(&self, findings: &mut Findings, metadata: &Metadata) {
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

    async fn client_accepted(&self, findings: &mut Findings, moment: Moment<'_>) {
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

fn redirect_uri(findings: &mut Findings, config: &Config) {
    let uri = &config.redirect_uri;
    let is_near = Url::parse(uri).is_ok_and(|url| issuer::is_loopback(&url));
    match (is_near, config.issuer.is_near()) {
        (true, false) => findings.note("redirect URI", format!("{uri} leads to this machine: only people who sit at it can sign in. Set the public URL, and register the redirect URI that follows from it.")),
        _ => findings.good("redirect URI", format!("{uri}; the provider must have exactly this one registered.")),
    }
}

/// Why there is no answer, and what to do about it.
fn unanswered(error: &Error) -> String {
    let cause = cause(error);
    let is = |reason: Reason| error.code() == reason.code();
    match () {
        () if is(Reason::AnswerRedirected) => format!(
            "The provider redirects: {cause}. Redirects are not followed: configure the issuer URL that it leads to, exactly as the provider's own pages give it."
        ),
        () if is(Reason::AnswerTooLarge) || is(Reason::AnswerNotJson) => {
            format!("What is there is no discovery document: {cause}. Check the issuer URL.")
        }
        () if is(Reason::AnswerTooSlow) => {
            format!("The provider is too slow: {cause}. Check the way from this server to it.")
        }
        () => format!(
            "The provider can't be reached: {cause}. Check the issuer URL, name resolution, the firewall, proxy settings and trusted certificates."
        ),
    }
}

fn discovered(findings: &mut Findings, answer: &Answer, url: &Url) -> Option<Object> {
    if answer.status == 404 {
        findings.problem("discovery", format!("There is nothing at {url}. Check the path of the issuer URL, for example /realms/NAME or /application/o/NAME/."));
        return None;
    }
    match answer.success() {
        Ok(document) => {
            findings.good("discovery", format!("{url} answers."));
            Some(document)
        }
        Err(error) => {
            findings.problem(
                "discovery",
                format!("What is at {url} is no discovery document: {}. Check the issuer URL.", cause(&error)),
            );
            None
        }
    }
}

fn clock(findings: &mut Findings, answer: &Answer, now: Timestamp, leeway: i64) {
    let Some(date) = answer.date else {
        findings.note("clock", "The provider does not tell its time. Nothing to do, if people can sign in.");
        return;
    };
    let difference = now.as_second() - date.as_second();
    let ahead = if difference > 0 { "ahead of" } else { "behind" };
    let seconds = difference.abs();
    match () {
        () if seconds > leeway => findings.problem("clock", format!("This server's clock is {seconds} s {ahead} the provider's, and {leeway} s are allowed. Set the clocks right (NTP).")),
        () if seconds > CLOCK_NOTE => findings.note("clock", format!("This server's clock is {seconds} s {ahead} the provider's. Set the clocks right (NTP).")),
        () => findings.good("clock", "The clocks agree."),
    }
}

/// Whether the document is of the issuer that is configured; if not, in what they differ.
fn issuer_spelling(findings: &mut Findings, document: &Object, configured: &str) -> bool {
    let Some(named) = document.get("issuer").and_then(Value::as_str) else {
        findings.problem("issuer", "The discovery document names no issuer. Check the issuer URL.");
        return false;
    };
    if named == configured {
        findings.good("issuer", "It is spelled as in the provider's tokens.");
        return true;
    }
    let without_scheme = |text: &str| text.split_once("://").map(|(_, rest)| rest.to_owned());
    let host = |text: &str| Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
    let why = match () {
        () if named.trim_end_matches('/') == configured.trim_end_matches('/') => "They differ by the slash at the end",
        () if without_scheme(named) == without_scheme(configured) => {
            "They differ by http and https; behind a proxy, the provider must know its public URL"
        }
        () if named.eq_ignore_ascii_case(configured) => "They differ by upper and lower case",
        () if host(named) != host(configured) => "They differ by the host",
        () => "They differ",
    };
    findings.problem(
        "issuer",
        format!(
            "The provider calls itself {}, and {} is configured. {why}. Configure it exactly as the provider does.",
            quoted(named),
            quoted(configured)
        ),
    );
    false
}

/// What the provider says that it can do.
fn announced(findings: &mut Findings, config: &Config, metadata: &Metadata) {
    let announced = &metadata.announced;
    let method = config.authentication.name();
    // Discovery 1.0, section 3: client_secret_basic, if nothing is said.
    let usual = || vec!["client_secret_basic".to_owned()];
    let methods = announced.authentication_methods.clone().unwrap_or_else(usual);
    let is_public = matches!(config.authentication, ClientAuthentication::None);
    match methods.iter().any(|name| name == method) {
        true => findings.good("client authentication", format!("{method} is supported.")),
        false if is_public => findings.note(
            "client authentication",
            "The provider does not announce `none`. If signing in fails with invalid_client, set a client secret.",
        ),
        false => findings.problem(
            "client authentication",
            format!("The provider does not support {method}, but {}. Configure one of these.", methods.join(", ")),
        ),
    }
    let unknown = |scope: &&String| announced.scopes.as_ref().is_some_and(|scopes| !scopes.contains(scope));
    match config.scopes.iter().filter(unknown).map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => findings.good("scopes", format!("{} are asked for.", config.scopes.join(" "))),
        missing => findings.note(
            "scopes",
            format!(
                "The provider does not announce {}. Take them out, or add them there, if what they give is missing.",
                missing.join(", ")
            ),
        ),
    }
    match announced.challenge_methods.as_deref() {
        Some(methods) if methods.iter().any(|method| method == "S256") => findings.good("PKCE", "S256 is supported."),
        Some(_) => findings.problem("PKCE", "The provider announces PKCE without S256. Turn S256 on there."),
        None if is_public => findings.note("PKCE", "The provider does not announce PKCE, which protects a client without a secret. Turn it on there, or set a client secret."),
        None => findings.note("PKCE", "The provider does not announce PKCE. It is used all the same; turn it on there if you can."),
    }
    if metadata.names_issuer {
        findings.good("callback issuer", "Answers name their issuer (RFC 9207).");
    } else {
        findings.note(
            "callback issuer",
            "Answers need not name their issuer (RFC 9207). With several providers, turn that on there if you can.",
        );
    }
    match &metadata.end_session_endpoint {
        Some(_) => findings.good("sign-out", "People can be signed out at the provider too."),
        None => findings
            .note("sign-out", "The provider has no end_session_endpoint: signing out ends the session here only."),
    }
    match (announced.has_back_channel_logout, announced.has_back_channel_session) {
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
}

fn cause(error: &Error) -> String {
    error.cause_chain().unwrap_or_else(|| error.code().to_owned())
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

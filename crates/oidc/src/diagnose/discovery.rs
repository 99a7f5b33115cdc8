//! Whether there is a discovery document at all, and what time it is there.

use jiff::Timestamp;
use retinue_model::Error;

use crate::config::Config;
use crate::http::Answer;
use crate::issuer::Issuer;
use crate::json::Object;
use crate::moment::Moment;
use crate::reason::Reason;

use super::cause;
use super::finding::Findings;
use crate::vendor;

/// A difference of clocks that is worth a line, in seconds.
const CLOCK_NOTE: i64 = 5;

/// The document, if there is one.
pub(super) fn document(
    findings: &mut Findings,
    answer: Result<Answer, Error>,
    config: &Config,
    moment: Moment<'_>,
) -> Option<Object> {
    match answer {
        Ok(answer) => {
            clock(findings, &answer, moment.now, config.leeway_seconds());
            read(findings, &answer, &config.issuer)
        }
        Err(error) => {
            findings.problem("discovery", unanswered(&error));
            None
        }
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

fn read(findings: &mut Findings, answer: &Answer, issuer: &Issuer) -> Option<Object> {
    let url = issuer.discovery_url();
    if answer.status == 404 {
        let mend = if vendor::is_old_keycloak(issuer) {
            "Since version 17, Keycloak has no /auth before /realms. Take it out."
        } else {
            "Check the path of the issuer URL, for example /realms/NAME or /application/o/NAME/."
        };
        findings.problem("discovery", format!("There is nothing at {url}. {mend}"));
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

//! Whether the document is of the issuer that is configured; if not, in what they differ.

use serde_json::Value;
use url::Url;

use crate::issuer::Issuer;
use crate::json::Object;
use crate::reason::quoted;

use super::finding::Findings;
use crate::vendor;

/// Whether both are the same.
pub(super) fn is_the_same(findings: &mut Findings, document: &Object, configured: &Issuer) -> bool {
    let Some(named) = document.get("issuer").and_then(Value::as_str) else {
        findings.problem("issuer", "The discovery document names no issuer. Check the issuer URL.");
        return false;
    };
    let problem = match trap(named, configured) {
        None if named == configured.as_str() => {
            findings.good("issuer", "It is spelled as in the provider's tokens.");
            return true;
        }
        Some(problem) => problem,
        None => format!(
            "The provider calls itself {}, and {} is configured. {}. Configure it exactly as the provider does.",
            quoted(named),
            quoted(configured.as_str()),
            difference(named, configured.as_str())
        ),
    };
    findings.problem("issuer", problem);
    false
}

/// What people run into at one product.
fn trap(named: &str, configured: &Issuer) -> Option<String> {
    let url = Url::parse(named).ok();
    let names_tenant_id = || url.as_ref().is_some_and(vendor::names_tenant_id);
    let is_root = || url.as_ref().is_some_and(|url| url.path() == "/" && is_same_host(url, configured.url()));
    let is_entra = vendor::is_entra(configured);
    match () {
        () if named.contains('{') => {
            let host = configured.url().host_str().filter(|_| is_entra).unwrap_or("login.microsoftonline.com");
            Some(format!(
                "The provider names a template, {}, as its issuer: this address is for all tenants. Configure the one of your tenant, with its id: https://{host}/TENANT-ID/v2.0.",
                quoted(named)
            ))
        }
        () if is_entra && !configured.url().path().trim_end_matches('/').ends_with("/v2.0") => {
            Some("This is the address of Entra's older endpoint. Add /v2.0 to the issuer URL.".to_owned())
        }
        () if is_entra && !vendor::names_tenant_id(configured.url()) && names_tenant_id() => {
            Some(format!("Entra names the tenant by its id. Configure {}.", quoted(named)))
        }
        () if vendor::is_authentik(configured) && is_root() => Some(
            "authentik uses one issuer for all providers. Set the provider's Issuer mode there to one for each application."
                .to_owned(),
        ),
        () => None,
    }
}

fn is_same_host(one: &Url, other: &Url) -> bool {
    one.host_str() == other.host_str() && one.port_or_known_default() == other.port_or_known_default()
}

fn difference(named: &str, configured: &str) -> &'static str {
    let without_scheme = |text: &str| text.split_once("://").map(|(_, rest)| rest.to_owned());
    let host = |text: &str| Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
    match () {
        () if named.trim_end_matches('/') == configured.trim_end_matches('/') => "They differ by the slash at the end",
        () if without_scheme(named) == without_scheme(configured) => {
            "They differ by http and https; behind a proxy, the provider must know its public URL"
        }
        () if named.eq_ignore_ascii_case(configured) => "They differ by upper and lower case",
        () if host(named) != host(configured) => "They differ by the host",
        () => "They differ",
    }
}

//! An issuer's URL, and what every other URL of a provider is held against.

use std::fmt;
use std::net::IpAddr;

use retinue_model::{Error, Result};
use url::{Host, Url};

/// The identifier of a provider, exactly as it is written in its tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Checks the URL: https, or http on a loopback host; no user, password, query or fragment (OpenID Connect Discovery
    /// 1.0, section 3). The text is kept as it is, a slash at its end included: it must be the one in the tokens.
    ///
    /// # Errors
    /// `invalid_oidc_issuer`, with the mend.
    pub fn new(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::invalid("invalid_oidc_issuer", format!("The issuer URL {why}"));
        let url = Url::parse(text)
            .map_err(|_| invalid("is not a URL. It looks like https://idp.example.com/realms/main."))?;
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(invalid("has a blank or a line break in it. Take it out."));
        }
        if text.ends_with("/.well-known/openid-configuration") {
            return Err(invalid("is that of the discovery document. Leave off /.well-known/openid-configuration."));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("has a part after ? or #. Take it out."));
        }
        if !is_plain(&url) {
            return Err(invalid("has no host, or carries a user name or a password. Take them out."));
        }
        if !is_secure(&url, true) {
            return Err(invalid("must begin with https://; http:// is for this machine only."));
        }
        Ok(Self { text: text.to_owned(), url })
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where its discovery document is (OpenID Connect Discovery 1.0, section 4).
    pub(crate) fn discovery_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/.well-known/openid-configuration", self.url.path().trim_end_matches('/')));
        url
    }

    /// Whether it is on this machine, so that http is good enough.
    pub(crate) fn is_near(&self) -> bool {
        is_loopback(&self.url)
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }

    /// A URL that this issuer may name: https, or http on this machine if the issuer is on it too; no user or password.
    pub(crate) fn accepts(&self, url: &Url) -> bool {
        is_plain(url) && url.fragment().is_none() && is_secure(url, self.is_near())
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Issuer").field(&self.text).finish()
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Has a host, and no user or password.
fn is_plain(url: &Url) -> bool {
    url.host_str().is_some_and(|host| !host.is_empty()) && url.username().is_empty() && url.password().is_none()
}

/// https; or http on a loopback host where that is allowed.
fn is_secure(url: &Url, near: bool) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && near && is_loopback(url))
}

/// Whether the host says by itself that it is this machine (RFC 6761, section 6.3).
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether a name, in lower case, is one of this machine's.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// A redirect URI of ours: absolute, without a fragment (RFC 6749, section 3.1.2), https or on this machine.
pub(crate) fn is_redirect_uri(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| is_plain(&url) && url.fragment().is_none() && is_secure(&url, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_https_or_on_this_machine() {
        for good in [
            "https://idp.example",
            "https://idp.example/realms/a/",
            "http://127.0.0.1:9000",
            "http://[::1]/x",
            "http://a.localhost",
        ] {
            assert_eq!(Issuer::new(good).unwrap().as_str(), good);
        }
        let bad = [
            "",
            "idp.example",
            "http://idp.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "ftp://idp.example",
            "https://user@idp.example",
            "https://:secret@idp.example",
            "https://idp.example?tenant=1",
            "https://idp.example/#a",
            " https://idp.example",
            "https://idp.example\n",
            "https://idp.example/.well-known/openid-configuration",
            "javascript:alert(1)",
        ];
        for bad in bad {
            assert_eq!(Issuer::new(bad).unwrap_err().code(), "invalid_oidc_issuer", "{bad}");
        }
    }

    #[test]
    fn the_discovery_document_is_below_the_issuer() {
        let url = |issuer| Issuer::new(issuer).unwrap().discovery_url().to_string();
        assert_eq!(url("https://idp.example"), "https://idp.example/.well-known/openid-configuration");
        assert_eq!(url("https://idp.example/a/"), "https://idp.example/a/.well-known/openid-configuration");
    }

    #[test]
    fn only_an_issuer_on_this_machine_may_name_http() {
        let far = Issuer::new("https://idp.example").unwrap();
        let near = Issuer::new("http://localhost:9000").unwrap();
        let http = Url::parse("http://127.0.0.1:9000/token").unwrap();
        assert!(near.accepts(&http));
        assert!(!far.accepts(&http));
        assert!(!near.accepts(&Url::parse("http://idp.example/token").unwrap()));
        assert!(!far.accepts(&Url::parse("https://a:b@idp.example/token").unwrap()));
    }
}

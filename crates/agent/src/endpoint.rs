//! Where a model's server is, and the key that opens it.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use reqwest::header::HeaderValue;
use retinue_model::{Error, Result};
use secrecy::{ExposeSecret, SecretString};

/// The base URL of a server that speaks OpenAI's API, with its key. `Debug` hides the key.
#[derive(Clone)]
pub struct Endpoint {
    base: Url,
    api_key: Option<SecretString>,
}

impl Endpoint {
    /// Checks the base URL (`https://api.openai.com/v1`); a slash at its end is ignored, and so is a blank key.
    ///
    /// # Errors
    /// `invalid_base_url` if it is not an http or https URL with a host, or carries a user name, a password or a fragment;
    /// `invalid_api_key` if the key can't be sent in a header.
    pub fn new(base_url: &str, api_key: Option<SecretString>) -> Result<Self> {
        let invalid = |why: &str| Error::invalid("invalid_base_url", format!("The model server's base URL {why}"));
        let mut base = Url::parse(base_url.trim())
            .map_err(|_| invalid("is not a URL. It looks like https://api.openai.com/v1."))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(invalid("must begin with http:// or https://."));
        }
        if base.host_str().is_none_or(str::is_empty) {
            return Err(invalid("has no host. It looks like https://api.openai.com/v1."));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(invalid("carries a user name or a password. Take it out, and set the API key instead."));
        }
        if base.fragment().is_some() {
            return Err(invalid("has a part after #, which is never sent. Take it out."));
        }
        let path = base.path().trim_end_matches('/').to_owned();
        if path.ends_with("/chat/completions") {
            return Err(invalid("ends in /chat/completions, which is added by itself. Leave that off."));
        }
        base.set_path(&path);
        Ok(Self { base, api_key: checked(api_key)? })
    }

    /// The URL of `path` (without a leading slash) below the base URL.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// `host:port`, for people.
    pub(crate) fn place(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        match self.base.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    pub(crate) fn is_https(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Whether the host is this machine, so that no proxy may come between.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default();
        if host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost") {
            return true;
        }
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => false,
        }
    }

    pub(crate) fn has_key(&self) -> bool {
        self.api_key.is_some()
    }

    /// The `Authorization` header, marked as sensitive.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let key = self.api_key.as_ref()?;
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// `text` without the key, should it stand in it.
    pub(crate) fn redact(&self, text: String) -> String {
        match &self.api_key {
            Some(key) if text.contains(key.expose_secret()) => text.replace(key.expose_secret(), "[API key]"),
            _ => text,
        }
    }
}

fn checked(api_key: Option<SecretString>) -> Result<Option<SecretString>> {
    let Some(key) = api_key else { return Ok(None) };
    let key = key.expose_secret().trim();
    if key.is_empty() {
        return Ok(None);
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::invalid(
            "invalid_api_key",
            "The model server's API key holds characters that no key has (spaces, line ends or letters outside ASCII). Copy it again.",
        ));
    }
    Ok(Some(SecretString::from(key)))
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("base_url", &self.base.as_str())
            .field("api_key", &self.api_key.as_ref().map(|_| "[hidden]"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(base_url: &str) -> Endpoint {
        Endpoint::new(base_url, None).unwrap()
    }

    #[test]
    fn the_path_is_added_with_one_slash() {
        for base in ["http://h:1/v1", "http://h:1/v1/", " http://h:1/v1// "] {
            assert_eq!(endpoint(base).url("models").as_str(), "http://h:1/v1/models");
        }
        assert_eq!(endpoint("http://h").url("models").as_str(), "http://h/models");
        assert_eq!(endpoint("http://h/v1?api-version=2").url("models").as_str(), "http://h/v1/models?api-version=2");
    }

    #[test]
    fn what_is_no_base_url_is_refused_without_repeating_secrets() {
        for bad in [
            "",
            "v1",
            "ftp://h/v1",
            "http://",
            "https://me:hunter2@h/v1",
            "http://h/#a",
            "http://h/v1/chat/completions",
        ] {
            let error = Endpoint::new(bad, None).unwrap_err();
            assert_eq!(error.code(), "invalid_base_url", "{bad}");
            assert!(!error.detail().contains("hunter2"));
        }
    }

    #[test]
    fn a_key_is_trimmed_checked_and_hidden() {
        let with = |key: &str| Endpoint::new("http://h", Some(SecretString::from(key)));
        assert!(!with(" ").unwrap().has_key());
        assert_eq!(with("sk-é").unwrap_err().code(), "invalid_api_key");
        let endpoint = with(" sk-123\n").unwrap();
        assert!(!format!("{endpoint:?}").contains("sk-123"));
        assert_eq!(endpoint.authorization().unwrap().to_str().unwrap(), "Bearer sk-123");
        assert!(!format!("{:?}", endpoint.authorization()).contains("sk-123"));
        assert_eq!(endpoint.redact("bad key sk-123.".to_owned()), "bad key [API key].");
    }

    #[test]
    fn this_machine_is_recognised_by_name_and_address() {
        for near in [
            "http://localhost:1",
            "http://LOCALHOST",
            "http://a.localhost",
            "http://127.8.0.1",
            "http://[::1]:1",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(endpoint(near).is_loopback(), "{near}");
        }
        for far in
            ["http://10.0.0.1", "http://localhost.example.org", "http://[fe80::1]", "http://host.docker.internal"]
        {
            assert!(!endpoint(far).is_loopback(), "{far}");
        }
    }

    #[test]
    fn the_place_names_the_port() {
        assert_eq!(endpoint("https://api.openai.com/v1").place(), "api.openai.com:443");
        assert_eq!(endpoint("http://[::1]:11434/v1").place(), "[::1]:11434");
    }
}

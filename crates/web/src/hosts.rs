//! Which names this server answers under.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::HOST;
use retinue_model::Error;

/// Which `Host` headers are answered. A page elsewhere can make a browser come here under a name of its own (DNS
/// rebinding), but not under one of these.
#[derive(Clone, Debug)]
pub struct Hosts {
    names: Arc<HashSet<String>>,
    any_address: bool,
}

impl Hosts {
    /// This machine's own names, and `names` (without port). With `any_address`, every IP address too: those can't be
    /// rebound.
    pub fn new(names: impl IntoIterator<Item = String>, any_address: bool) -> Self {
        let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let names = names.into_iter().map(|name| name.to_ascii_lowercase()).chain(own).collect();
        Self { names: Arc::new(names), any_address }
    }

    /// # Errors
    /// `host_not_allowed`
    pub(crate) fn check(&self, request: &Request) -> Result<(), Error> {
        let path = request.uri().path();
        // Probes come to the address of a container; they learn nothing here that matters.
        if path == "/healthz" || path == "/readyz" {
            return Ok(());
        }
        let mut sent = request.headers().get_all(HOST).iter();
        // HTTP/2 says it in the address.
        let host = sent.next().and_then(|value| value.to_str().ok()).or_else(|| request.uri().host());
        match (host, sent.next()) {
            (Some(host), None) if self.allow(host) => Ok(()),
            _ => Err(Error::invalid(
                "host_not_allowed",
                "This server does not answer under that name. If it should, add the name to `server.allowed_hosts` or set RETINUE_PUBLIC_URL.",
            )),
        }
    }

    fn allow(&self, host: &str) -> bool {
        let name = without_port(host);
        let is_address = || name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        // Hardly anybody writes names in capitals.
        self.names.contains(name) || self.names.contains(&name.to_ascii_lowercase()) || self.any_address && is_address()
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::Hosts;

    #[test]
    fn only_known_names_are_answered() {
        let hosts = Hosts::new(["Agents.Example.com".to_owned()], false);
        for yes in
            ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "agents.example.com", "LOCALHOST:80"]
        {
            assert!(hosts.allow(yes), "{yes}");
        }
        for no in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "192.168.1.5:8080",
            "",
            ":8080",
            "localhost:x",
            "::1",
        ] {
            assert!(!hosts.allow(no), "{no}");
        }
        let open = Hosts::new([], true);
        assert!(open.allow("192.168.1.5:8080") && open.allow("[fe80::1]:8080") && !open.allow("evil.example"));
    }
}

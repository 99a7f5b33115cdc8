//! Where people find this server.

use std::net::{IpAddr, SocketAddr};

use crate::config::{Config, ConfigError, public_host};

/// Whether a host, as it stands in a URL, is this machine.
fn is_near(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Config {
    /// Where people find this server, without a slash at its end. `address` is where it listens.
    #[must_use]
    pub fn public_url(&self, address: SocketAddr) -> String {
        match self.server.public_url.trim_end_matches('/') {
            "" if address.ip().is_unspecified() => format!("http://localhost:{}", address.port()),
            "" => format!("http://{address}"),
            url => url.to_owned(),
        }
    }

    /// What works, and is hardly meant so.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        let is_behind_a_proxy = self.server.public_url.starts_with("https://");
        let is_blind = is_behind_a_proxy && !self.auth.is_single_user() && self.server.trusted_proxies.is_empty();
        is_blind.then_some(
            "server.public_url is https and server.trusted_proxies is empty: all people seem to come from the reverse proxy, \
             so that whoever guesses passwords keeps everybody out, and no more than 16 of them come in from their providers at once. \
             Name the proxy's address there.",
        )
    }

    /// Where people sign in, passwords and cookies go over the wire.
    pub(crate) fn check_public_url(&self) -> Result<(), ConfigError> {
        let url = self.server.public_url.as_str();
        if url.is_empty() && !self.server.listen.0.ip().is_loopback() {
            return Err(ConfigError::new(
                "server.public_url",
                "is empty. Where people sign in it must be the https address that they type: set RETINUE_PUBLIC_URL.",
            ));
        }
        if url.starts_with("http://") && !public_host(url).is_some_and(|host| is_near(&host)) {
            return Err(ConfigError::new(
                "server.public_url",
                "must begin with https:// where people sign in; http:// is for this machine only. Put a reverse proxy with TLS in front.",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn only_this_machine_is_near() {
        for near in ["localhost", "127.0.0.1", "127.8.9.10", "[::1]"] {
            assert!(is_near(near), "{near}");
        }
        for far in [
            "[2001:db8::1]",
            "[fe80::1]",
            "[::]",
            "[",
            "[]",
            "0.0.0.0",
            "192.0.2.1",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "",
        ] {
            assert!(!is_near(far), "{far}");
        }
    }
}

//! Where people find this server.

use std::net::{IpAddr, SocketAddr};

use crate::config::{Config, ConfigError};

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

    /// Where people sign in, passwords and cookies go over the wire.
    pub(crate) fn check_public_url(&self) -> Result<(), ConfigError> {
        let url = self.server.public_url.as_str();
        if url.is_empty() && !self.server.listen.0.ip().is_loopback() {
            return Err(ConfigError::new(
                "server.public_url",
                "is empty. Where people sign in it must be the https address that they type: set RETINUE_PUBLIC_URL.",
            ));
        }
        let host = url.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
        let is_near = |host: &str| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if host.is_some_and(|host| !is_near(host) && host != "[") {
            return Err(ConfigError::new(
                "server.public_url",
                "must begin with https:// where people sign in; http:// is for this machine only. Put a reverse proxy with TLS in front.",
            ));
        }
        Ok(())
    }
}

//! Where PostgreSQL is, and how a session with it begins.

use std::fmt::Write as _;
use std::time::Duration;

use retinue_model::{Error, Result};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault;
use crate::tls;

/// How long a host may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long sent data may stay unacknowledged, and a connection idle before it is probed.
const SILENCE: Duration = Duration::from_secs(30);

/// What moves a session's bytes: it has to be polled for anything to happen.
pub(crate) type Wire = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Where to connect, and how.
pub(crate) struct Target {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let (url, root_certificate, mode) = take_tls_parameters(url);
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            Error::invalid(
                "invalid_database_url",
                "DATABASE_URL is not a PostgreSQL address. It looks like postgres://user:password@host:5432/database.",
            )
            .because(error)
        })?;
        let is_local = config.get_hosts().iter().all(is_this_machine);
        config.ssl_mode(match mode.as_deref() {
            // tokio-postgres knows fewer modes; here every certificate is verified, so these are one.
            Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some("disable") => SslMode::Disable,
            None if is_local => SslMode::Disable,
            None | Some("prefer") => SslMode::Prefer,
            Some(other) => return Err(unknown_mode(other)),
        });
        // A server that is gone without a farewell is noticed, rather than waited for.
        config.application_name("retinue").connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(SILENCE);
        config.keepalives(true).keepalives_idle(SILENCE);
        // The operating system's certificates are read only when TLS may be used.
        let tls = tls::connector(root_certificate.as_deref(), config.get_ssl_mode() != SslMode::Disable)?;
        Ok(Self { config, tls })
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Begins a session in which `settings` are in force.
    pub(crate) async fn connect(&self, settings: &Settings) -> Result<(Client, Wire), tokio_postgres::Error> {
        let (client, mut wire) = self.config.connect(self.tls.clone()).await?;
        // Set by statements, because not every pooler lets options pass that come with the greeting.
        {
            let mut set = std::pin::pin!(client.batch_execute(&settings.0));
            tokio::select! {
                biased;
                done = &mut set => done?,
                ended = &mut wire => {
                    ended?;
                    set.await?;
                }
            }
        }
        Ok((client, wire))
    }

    /// The same, for people who wait for it: at most `limit`.
    pub(crate) async fn reach(&self, settings: &Settings, limit: Duration) -> Result<(Client, Wire)> {
        match timeout(limit, self.connect(settings)).await {
            Ok(connected) => connected.map_err(|error| self.unreachable(&reason(&error)).because(error)),
            Err(_) => Err(self.unreachable("it does not answer").because(fault::silent())),
        }
    }

    /// The address without user and password, for people.
    pub(crate) fn describe(&self) -> String {
        let hosts: Vec<_> = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(index, host)| match host {
                Host::Tcp(name) => {
                    let ports = self.config.get_ports();
                    format!("{name}:{}", ports.get(index).or(ports.first()).copied().unwrap_or(5432))
                }
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        hosts.join(", ")
    }

    fn unreachable(&self, reason: &str) -> Error {
        Error::unavailable(
            "database_unreachable",
            format!(
                "PostgreSQL at {} can't be used: {reason}. Check DATABASE_URL and that the server is running.",
                self.describe()
            ),
        )
    }
}

/// What would otherwise be as the role or the database has it. A parameter that this version of PostgreSQL does not know is
/// passed over.
const OURS: &str = "SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'; \
    SET default_transaction_read_only = off; SET statement_timeout = 0; SET lock_timeout = 0; \
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('transaction_timeout', 'idle_session_timeout')";

/// What is set for a session when it begins, as SQL.
#[derive(Clone, Debug)]
pub(crate) struct Settings(String);

impl Settings {
    /// A session on which no statement is waited for longer than `limit`. Whoever vanished without a farewell is given
    /// up by the server too, with the locks that it holds: after three to four times as long.
    pub(crate) fn new(limit: Duration) -> Self {
        let mut settings = Self(OURS.to_owned());
        settings.set("idle_in_transaction_session_timeout", limit);
        settings.set("tcp_keepalives_idle", limit * 2);
        settings.set("tcp_keepalives_interval", limit.div_f32(2.0).max(Duration::from_secs(1)));
        settings.set("tcp_user_timeout", limit * 3);
        settings.0.push_str("; SET tcp_keepalives_count = 3");
        settings
    }

    /// With one more parameter that is a time.
    pub(crate) fn with(mut self, parameter: &str, time: Duration) -> Self {
        self.set(parameter, time);
        self
    }

    fn set(&mut self, parameter: &str, time: Duration) {
        // Writing to a String does not fail.
        let _ = write!(self.0, "; SET {parameter} = '{}ms'", time.as_millis());
    }
}

fn reason(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(db), _) => db.message().to_owned(),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => error.to_string(),
    }
}

fn unknown_mode(mode: &str) -> Error {
    Error::invalid(
        "invalid_database_url",
        format!("sslmode={mode} in DATABASE_URL is not known. Use disable, prefer, require or verify-full."),
    )
}

/// Takes what tokio-postgres does not know out of the address: the certificate file and the mode.
fn take_tls_parameters(url: &str) -> (String, Option<String>, Option<String>) {
    let Some((address, query)) = url.split_once('?') else { return (url.to_owned(), None, None) };
    let value = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v.to_owned())
    };
    let (certificate, mode) = (value("sslrootcert"), value("sslmode"));
    let rest: Vec<_> =
        query.split('&').filter(|pair| !pair.starts_with("sslrootcert=") && !pair.starts_with("sslmode=")).collect();
    let url = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
    (url, certificate.map(|path| path.replace("%2F", "/").replace("%2f", "/")), mode)
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_parameters_are_taken_out_and_the_rest_stays() {
        let (url, certificate, mode) =
            take_tls_parameters("postgres://u:p@h/d?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fetc%2Fca.pem");
        assert_eq!(url, "postgres://u:p@h/d?connect_timeout=3");
        assert_eq!(certificate.as_deref(), Some("/etc/ca.pem"));
        assert_eq!(mode.as_deref(), Some("verify-full"));
    }

    #[test]
    fn an_address_is_described_without_its_password() {
        let target = Target::parse("postgres://alice:hunter2@localhost:5433/x").unwrap();
        assert_eq!(target.describe(), "localhost:5433");
        assert_eq!(Target::parse("mysql://x").err().unwrap().code(), "invalid_database_url");
        assert_eq!(Target::parse("postgres://h/d?sslmode=maybe").err().unwrap().code(), "invalid_database_url");
    }

    #[test]
    fn only_this_machine_is_trusted_without_tls() {
        let mode = |url: &str| Target::parse(url).unwrap().config.get_ssl_mode();
        assert_eq!(mode("postgres://u@127.0.0.1/d"), SslMode::Disable);
        assert_eq!(mode("postgres://u@db.example.com/d"), SslMode::Prefer);
        assert_eq!(mode("postgres://u@db.example.com/d?sslmode=verify-full"), SslMode::Require);
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
    async fn a_session_takes_over_nothing_from_a_database_or_role() {
        let limit = Duration::from_secs(10);
        let (url, store) = crate::scratch::postgres().await;
        let (_, name) = url.rsplit_once('/').unwrap();
        let target = Target::parse(&url).unwrap();
        let (admin, wire) = target.reach(&Settings::new(limit), limit).await.unwrap();
        tokio::spawn(wire);
        for setting in [
            "statement_timeout = '7s'",
            "lock_timeout = '7s'",
            "idle_session_timeout = '7s'",
            "default_transaction_isolation = 'serializable'",
            "default_transaction_read_only = on",
        ] {
            admin.batch_execute(&format!("ALTER DATABASE {name} SET {setting}")).await.unwrap();
        }
        let settings = Settings::new(limit).with("lock_timeout", limit);
        let (session, wire) = target.reach(&settings, limit).await.unwrap();
        tokio::spawn(wire);
        for (parameter, expected) in [
            ("statement_timeout", "0"),
            ("lock_timeout", "10s"),
            ("idle_session_timeout", "0"),
            ("default_transaction_isolation", "read committed"),
            ("default_transaction_read_only", "off"),
            ("transaction_isolation", "read committed"),
            ("transaction_read_only", "off"),
        ] {
            let row = session.query_one(&format!("SHOW {parameter}"), &[]).await.unwrap();
            assert_eq!(row.get::<_, &str>(0), expected, "{parameter}");
        }
        drop(store);
    }
}

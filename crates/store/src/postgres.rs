//! The PostgreSQL engine: a pool of connections, and one more that holds the lock.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use retinue_model::{Error, Result};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::append::{self, Appender};
use crate::batch::Batch;
use crate::fault::{self, Mapped};
use crate::lock;
use crate::row::Row;
use crate::statement::Statement;
use crate::tls;
use crate::tx::Tx;
use crate::value::Value;

/// The advisory lock of the one server of a database ("retinue" in ASCII).
const SERVER_LOCK: i64 = 0x72_6574_696e_7565;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long sent data may stay unacknowledged, and a connection idle before it is probed.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a killed predecessor's connection may take to be noticed.
const LOCK_TRIES: u32 = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(crate) struct Postgres {
    pool: Pool,
    appender: Appender,
    lock_keeper: tokio::task::JoinHandle<()>,
}

impl Postgres {
    pub(crate) async fn open(url: &str, connections: usize, alone: bool) -> Result<Self> {
        let target = Target::parse(url)?;
        let pool = target.pool(connections)?;
        let lock_keeper = if alone {
            let lock = hold_lock(&target).await?;
            tokio::spawn(keep_lock(target, lock))
        } else {
            drop(target.connect().await?);
            tokio::spawn(std::future::ready(()))
        };
        Ok(Self { appender: append::postgres(pool.clone()), pool, lock_keeper })
    }

    pub(crate) const fn appender(&self) -> &Appender {
        &self.appender
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        self.connection().await?.batch_execute("SELECT 1").await.mapped()
    }

    pub(crate) async fn query<T>(
        &self,
        statement: &'static Statement,
        params: &[Value<'_>],
        map: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        query(&self.connection().await?, statement, params, map).await
    }

    pub(crate) async fn write_alone(&self, batch: &Batch) -> Result<()> {
        append::write_alone_on_postgres(&self.pool, batch).await
    }

    pub(crate) async fn begin(&self) -> Result<Tx> {
        // A transaction from here on: if the caller leaves while BEGIN is on its way, the connection is not used again.
        let mut tx = Tx::postgres(self.connection().await?);
        tx.run_script("", "BEGIN").await?;
        Ok(tx)
    }

    async fn connection(&self) -> Result<Object> {
        self.pool.get().await.map_err(fault::pool)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.lock_keeper.abort();
    }
}

pub(crate) async fn execute(connection: &Object, statement: &Statement, params: &[Value<'_>]) -> Result<u64> {
    let prepared = connection.prepare_cached(statement.postgres).await.mapped()?;
    connection.execute(&prepared, &as_params(params)).await.mapped()
}

pub(crate) async fn query<T>(
    connection: &Object,
    statement: &Statement,
    params: &[Value<'_>],
    map: fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let prepared = connection.prepare_cached(statement.postgres).await.mapped()?;
    let rows = connection.query(&prepared, &as_params(params)).await.mapped()?;
    rows.iter().map(|row| map(&Row::Postgres(row))).collect()
}

fn as_params<'a>(params: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// Whether an address can be used, as far as that can be said without connecting.
pub(crate) fn check(url: &str) -> Result<()> {
    Target::parse(url).map(drop)
}

/// Where to connect, and how.
struct Target {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Target {
    fn parse(url: &str) -> Result<Self> {
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

    fn pool(&self, connections: usize) -> Result<Pool> {
        // A connection that was closed by the server is noticed when it is used; callers see one 503 at most.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycling);
        Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(CONNECT_TIMEOUT),
                create: Some(CONNECT_TIMEOUT),
                recycle: Some(CONNECT_TIMEOUT),
            })
            .build()
            .map_err(Error::internal)
    }

    async fn connect(&self) -> Result<(tokio_postgres::Client, Connection)> {
        let connected = if self.config.get_ssl_mode() == SslMode::Disable {
            self.config.connect(NoTls).await.map(|(client, connection)| (client, spawn_connection(connection)))
        } else {
            self.config
                .connect(self.tls.clone())
                .await
                .map(|(client, connection)| (client, spawn_connection(connection)))
        };
        connected.map_err(|error| unreachable(&self.config, error))
    }
}

fn unknown_mode(mode: &str) -> Error {
    Error::invalid(
        "invalid_database_url",
        format!("sslmode={mode} in DATABASE_URL is not known. Use disable, prefer, require or verify-full."),
    )
}

/// The task that moves a connection's bytes; ends when the connection does.
type Connection = tokio::task::JoinHandle<()>;

fn spawn_connection<S, T>(connection: tokio_postgres::Connection<S, T>) -> Connection
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "the lock's database connection ended");
        }
    })
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

/// The address without user and password, for people.
fn describe(config: &Config) -> String {
    let hosts: Vec<_> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(index, host)| match host {
            Host::Tcp(name) => {
                let port = config.get_ports().get(index).or(config.get_ports().first()).copied().unwrap_or(5432);
                format!("{name}:{port}")
            }
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    hosts.join(", ")
}

fn unreachable(config: &Config, error: tokio_postgres::Error) -> Error {
    let reason = match (error.as_db_error(), std::error::Error::source(&error)) {
        (Some(db), _) => db.message().to_owned(),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => error.to_string(),
    };
    Error::unavailable(
        "database_unreachable",
        format!(
            "PostgreSQL at {} can't be used: {reason}. Check DATABASE_URL and that the server is running.",
            describe(config)
        ),
    )
    .because(error)
}

struct Lock {
    // Closing the client gives the lock back.
    _client: tokio_postgres::Client,
    connection: Connection,
}

async fn hold_lock(target: &Target) -> Result<Lock> {
    let (client, connection) = target.connect().await?;
    for _ in 0..LOCK_TRIES {
        let row = client.query_one("SELECT pg_try_advisory_lock($1)", &[&SERVER_LOCK]).await.mapped()?;
        if row.try_get(0).mapped()? {
            return Ok(Lock { _client: client, connection });
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(lock::in_use(&format!("the database at {}", describe(&target.config))))
}

/// Takes the lock again whenever its connection was lost, a restart of PostgreSQL for example.
async fn keep_lock(target: Target, mut lock: Lock) {
    loop {
        drop((&mut lock.connection).await);
        lock = loop {
            match hold_lock(&target).await {
                Ok(lock) => break lock,
                Err(error) => tracing::error!(?error, "the database's server lock is lost; trying to take it again"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        tracing::info!("the database's server lock was taken again");
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
        assert_eq!(describe(&target.config), "localhost:5433");
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
}

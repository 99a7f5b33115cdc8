//! Listening: accepts connections, bounds them, and lets them end when the server stops.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use retinue_model::{Error, Result};
use tokio::net::{TcpListener, TcpStream};

/// How long a client may take to send a request's head, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// The largest request head, and the buffer of each connection, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 4_096;

/// Takes the address.
///
/// # Errors
/// `address_in_use`, `address_not_available`.
pub(crate) fn bind(address: SocketAddr, key: &str) -> Result<TcpListener> {
    let bound = || {
        let socket = if address.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() }?;
        // A port whose last connections still linger may be taken again at once.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::conflict(
            "address_in_use",
            format!(
                "Port {} is in use on {}. Stop what uses it, or choose another with `{key}`.",
                address.port(),
                address.ip()
            ),
        ),
        io::ErrorKind::PermissionDenied => Error::conflict(
            "address_not_available",
            format!(
                "Port {} needs more rights than this user has. Choose one from 1024 on with `{key}`.",
                address.port()
            ),
        ),
        _ => Error::conflict(
            "address_not_available",
            format!("{address} can't be listened on: {error}. Choose another with `{key}`."),
        ),
    })
}

/// Serves until `stop` resolves, and then until every connection has ended.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, router.clone(), &graceful),
                Err(error) => {
                    // Out of file descriptors, most likely: those that are open will be closed.
                    tracing::warn!(%error, "can_fail(accept): a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

fn connect(stream: TcpStream, router: Router, graceful: &GracefulShutdown) {
    // An event must not wait for the next one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "can_fail(nodelay)");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

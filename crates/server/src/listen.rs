//! Listening: accepts connections, bounds them, and lets them end when the server stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use retinue_model::{Error, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::util::MapRequest;

use crate::patient::Patient;

/// How long a client may take to send a request's head, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// The largest request head, and the buffer of each connection, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a client may take nothing of what is written to it. One that reads, however slowly, takes something.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long to wait when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
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

/// Bounds on all connections of one listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How many may be open at once; more wait to be accepted.
    pub(crate) connections: usize,
    /// How long a client may take nothing of what is written to it.
    pub(crate) patience: Duration,
}

impl Bounds {
    pub(crate) const fn new(connections: usize) -> Self {
        Self { connections, patience: WRITE_TIMEOUT }
    }
}

/// Serves until `stop` resolves, and then until every connection has ended.
pub(crate) async fn serve(listener: TcpListener, router: Router, bounds: Bounds, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(bounds.connections.min(Semaphore::MAX_PERMITS)));
    let accept = async {
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (stream, peer) = accept(&listener).await;
            connect((Patient::new(stream, bounds.patience), peer), router.clone(), &graceful, place);
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop => {}
    }
    drop(listener);
    graceful.shutdown().await;
}

/// The next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // An event must not wait for the next one.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "can_fail(nodelay)");
                }
                return (stream, peer);
            }
            // It was over before it began.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Out of file descriptors, most likely: those that are open will be closed.
                tracing::warn!(%error, "can_fail(accept): a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn connect(
    (stream, peer): (Patient<TcpStream>, SocketAddr),
    router: Router,
    graceful: &GracefulShutdown,
    place: OwnedSemaphorePermit,
) {
    let service = MapRequest::new(router, move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(place);
    });
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_millis(100);
    const LATE: Duration = Duration::from_secs(30);

    /// Serves what is sent as one endless answer.
    async fn serve_chunks(bounds: Bounds) -> (TcpStream, mpsc::Sender<Bytes>) {
        let (chunks, body) = mpsc::channel(1);
        let body = Arc::new(std::sync::Mutex::new(Some(body)));
        let answer = move || {
            let body = body.lock().unwrap().take().unwrap();
            let stream = futures_util::stream::unfold(body, |mut body: mpsc::Receiver<Bytes>| async move {
                body.recv().await.map(|bytes| (Ok::<_, std::convert::Infallible>(bytes), body))
            });
            std::future::ready(Body::from_stream(stream))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(answer));
        tokio::spawn(serve(listener, router, bounds, std::future::pending()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        (client, chunks)
    }

    #[tokio::test]
    async fn whoever_stops_reading_is_let_go() {
        let (client, chunks) = serve_chunks(Bounds { connections: 9, patience: SOON }).await;
        let chunk = Bytes::from(vec![b'x'; 1 << 20]);
        let sent = async { while chunks.send(chunk.clone()).await.is_ok() {} };
        tokio::time::timeout(LATE, sent).await.expect("the answer is still being written");
        drop(client);
    }

    #[tokio::test]
    async fn a_silent_answer_goes_on() {
        let (mut client, chunks) = serve_chunks(Bounds { connections: 9, patience: SOON }).await;
        for _ in 0..3 {
            chunks.send(Bytes::from_static(b"still here")).await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"still here\r\n") {
                assert_ne!(client.read_buf(&mut seen).await.unwrap(), 0, "it was closed");
            }
            tokio::time::sleep(3 * SOON).await;
        }
    }
}

//! A port of the program, taken before the program starts.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

/// A port on loopback. Whoever must know the program's address before it runs is told this one.
#[derive(Clone, Debug)]
pub struct Port(Arc<std::net::TcpListener>);

impl Port {
    /// Takes one that is free.
    #[must_use]
    pub fn take() -> Self {
        Self(Arc::new(std::net::TcpListener::bind("127.0.0.1:0").unwrap()))
    }

    /// `http://127.0.0.1:…` followed by a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// What the program listens with.
    pub(crate) fn listener(&self) -> TcpListener {
        let listener = self.0.try_clone().unwrap();
        listener.set_nonblocking(true).unwrap();
        TcpListener::from_std(listener).unwrap()
    }
}

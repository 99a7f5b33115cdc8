//! The line between a browser and the program, which a test can cut and lead elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// An address that stays the same while the program behind it goes and comes.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    /// Where it leads. Each change cuts the connections there are.
    target: Arc<watch::Sender<Option<SocketAddr>>>,
}

impl Line {
    /// A line to `origin`, such as `http://127.0.0.1:8080`.
    pub async fn to(origin: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(watch::Sender::new(Some(parse(origin))));
        tokio::spawn(carry(listener, Arc::clone(&target)));
        Self { address, target }
    }

    /// `http://127.0.0.1:…`
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts all connections; new ones are closed at once.
    pub fn cut(&self) {
        self.target.send_replace(None);
    }

    /// Leads to `origin` from now on.
    pub fn lead_to(&self, origin: &str) {
        self.target.send_replace(Some(parse(origin)));
    }
}

async fn carry(listener: TcpListener, target: Arc<watch::Sender<Option<SocketAddr>>>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let mut changes = target.subscribe();
        let Some(address) = *changes.borrow_and_update() else { continue };
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(address).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                _ = changes.changed() => {}
            }
        });
    }
}

fn parse(origin: &str) -> SocketAddr {
    origin.trim_start_matches("http://").parse().unwrap()
}

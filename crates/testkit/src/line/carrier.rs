//! Carries the bytes of a line's connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::State;
use super::watch_words::{Listener, WatchWords};

const CHUNK: usize = 16 * 1024;

/// Accepts connections for as long as the line is there.
pub(super) async fn accept(listener: TcpListener, state: Arc<watch::Sender<State>>, words: Arc<WatchWords>) {
    while let Ok((near, _)) = listener.accept().await {
        let mut number = 0;
        state.send_modify(|state| {
            state.count += 1;
            number = state.count;
        });
        let way = Way { number, state: state.subscribe() };
        let State { target: address, is_open: true, .. } = *state.borrow() else { continue };
        let listener = Listener::new(Arc::clone(&words));
        tokio::spawn(carry(near, address, way, listener));
    }
}

/// How the line is for one connection.
#[derive(Clone)]
struct Way {
    /// The connection's number, from 1 on.
    number: u64,
    state: watch::Receiver<State>,
}

impl Way {
    async fn cut(mut self) {
        drop(self.state.wait_for(|state| self.number <= state.cut).await);
    }

    /// Resolves when something may go on: after the delay, and when nothing is held up.
    async fn free(&mut self) {
        let delay = self.state.borrow().delay;
        if delay > Duration::ZERO {
            tokio::time::sleep(delay).await;
        }
        drop(self.state.wait_for(|state| self.number > state.held).await);
    }
}

async fn carry(mut near: TcpStream, address: SocketAddr, way: Way, listener: Listener) {
    let mut far = None;
    let fate = tokio::select! {
        fate = pass_both_ways((&mut near, &mut far), address, way.clone(), listener) => fate,
        () = way.cut() => Fate::Cut,
    };
    if fate == Fate::Cut {
        // An abrupt end, which both sides notice.
        for socket in far.iter().chain([&near]) {
            drop(socket.set_zero_linger());
        }
    }
}

async fn pass_both_ways(
    (near, far): (&mut TcpStream, &mut Option<TcpStream>),
    address: SocketAddr,
    way: Way,
    listener: Listener,
) -> Fate {
    // Whoever is held up is not let in either.
    way.clone().free().await;
    *far = TcpStream::connect(address).await.ok();
    let Some(far) = far else { return Fate::Cut };
    for socket in [&*near, &*far] {
        drop(socket.set_nodelay(true));
    }
    let listener = Mutex::new(listener);
    let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
    let there = pass(near_in, far_out, way.clone(), |bytes| listener.lock().unwrap().near(bytes));
    let back = pass(far_in, near_out, way, |bytes| listener.lock().unwrap().far(bytes));
    tokio::try_join!(there, back).map_or(Fate::Cut, |_| Fate::Goes)
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It does.
    Goes,
    /// It is cut here.
    Cut,
}

/// Passes on what comes, until it ends. An error says that the connection is over.
async fn pass(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut way: Way,
    look: impl Fn(&[u8]) -> Fate,
) -> Result<(), ()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await.map_err(drop)?;
        let fate = look(&chunk[..length]);
        way.free().await;
        if fate == Fate::Cut {
            return Err(());
        }
        if length == 0 {
            return to.shutdown().await.map_err(drop);
        }
        to.write_all(&chunk[..length]).await.map_err(drop)?;
    }
}

//! The line between two programs, which a test can cut, hold up, or lead elsewhere.

mod carrier;
mod watch_words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use watch_words::{WatchWords, What};

const PATIENCE: Duration = Duration::from_secs(20);

/// An address that stays the same whatever becomes of the program behind it, and of the way there.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    words: Arc<WatchWords>,
}

/// How the line is.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Where it leads.
    target: SocketAddr,
    /// Whether new connections are let in.
    is_open: bool,
    /// Connections that are older than this are cut.
    cut: u64,
    /// Connections that are older than this are held up.
    held: u64,
    /// How long everything takes on its way, in one direction.
    delay: Duration,
    /// How many connections there were.
    count: u64,
}

impl Line {
    /// A line to `origin`, such as `http://127.0.0.1:8080` or `127.0.0.1:5432`.
    pub async fn to(origin: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { target: parse(origin), is_open: true, cut: 0, held: 0, delay: Duration::ZERO, count: 0 };
        let (state, words) = (Arc::new(watch::Sender::new(state)), Arc::new(WatchWords::default()));
        tokio::spawn(carrier::accept(listener, Arc::clone(&state), Arc::clone(&words)));
        Self { address, state, words }
    }

    /// `http://127.0.0.1:…`
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it begins.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections; new ones are closed at once, until it is mended or leads elsewhere.
    pub fn cut(&self) {
        self.change(|state| (state.is_open, state.cut) = (false, state.count));
    }

    /// Leads again to where it led.
    pub fn mend(&self) {
        self.change(|state| state.is_open = true);
    }

    /// Leads to `origin` from now on.
    pub fn lead_to(&self, origin: &str) {
        self.change(|state| (state.target, state.is_open, state.cut) = (parse(origin), true, state.count));
    }

    /// Cuts all connections there are; new ones go through.
    pub fn reset(&self) {
        self.change(|state| state.cut = state.count);
    }

    /// Swallows everything: no connection is closed and nothing gets through, on new ones too.
    pub fn hold(&self) {
        self.change(|state| state.held = u64::MAX);
    }

    /// The same for the connections there are; new ones go through.
    pub fn strand(&self) {
        self.change(|state| state.held = state.count);
    }

    /// Lets through again what was held up.
    pub fn release(&self) {
        self.change(|state| state.held = 0);
    }

    /// Makes everything take this long, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.change(|state| state.delay = delay);
    }

    /// Waits for the near end to say something that has `words` in it, whether or not it is let through.
    pub fn hears(&self, words: &[u8]) -> Happening {
        Happening(self.words.expect(words, What::Said))
    }

    /// Cuts the connection on which the near end says something that has `words` in it, so that they do not get through.
    /// Once.
    pub fn lose(&self, words: &[u8]) -> Happening {
        Happening(self.words.expect(words, What::Lost))
    }

    /// Cuts the connection on which PostgreSQL is about to answer the COMMIT of a transaction in which `words` were said:
    /// what it wrote is there, and whoever wrote it is not told. Once.
    pub fn lose_commit_of(&self, words: &[u8]) -> Happening {
        Happening(self.words.expect(words, What::Committed))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }
}

/// What a line listens for, from now on.
#[derive(Debug)]
#[must_use]
pub struct Happening(oneshot::Receiver<()>);

impl Happening {
    /// Resolves when it has happened. Fails the test if that takes longer than 20 seconds.
    pub async fn wait(self) {
        timeout(PATIENCE, self.0).await.expect("it did not happen").unwrap();
    }
}

fn parse(origin: &str) -> SocketAddr {
    origin.trim_start_matches("http://").parse().unwrap()
}

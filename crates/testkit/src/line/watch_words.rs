//! What a line listens for, in what is said on it.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::carrier::Fate;

/// What tests wait for.
#[derive(Debug, Default)]
pub(super) struct WatchWords {
    expected: Mutex<Vec<Expected>>,
}

#[derive(Debug)]
struct Expected {
    words: Vec<u8>,
    what: What,
    happened: oneshot::Sender<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The near end says the words.
    Said,
    /// The same, and they shall not get through.
    Lost,
    /// A transaction in which they were said is committed.
    Committed,
}

impl WatchWords {
    pub(super) fn expect(&self, words: &[u8], what: What) -> oneshot::Receiver<()> {
        let (happened, receiver) = oneshot::channel();
        self.expected.lock().unwrap().push(Expected { words: words.to_owned(), what, happened });
        receiver
    }

    /// Takes out the first that has happened now, and tells whether there is one.
    fn happens(&self, what: What, said: &[u8]) -> bool {
        let mut expected = self.expected.lock().unwrap();
        let Some(now) = expected.iter().position(|one| one.what == what && contains(said, &one.words)) else {
            return false;
        };
        // Whoever no longer waits for it wanted it all the same.
        let _ = expected.remove(now).happened.send(());
        true
    }
}

fn contains(said: &[u8], words: &[u8]) -> bool {
    said.windows(words.len()).any(|window| window == words)
}

/// Listens to one connection.
pub(super) struct Listener {
    words: Arc<WatchWords>,
    /// What the near end has said in this transaction, or outside of one in this statement.
    said: Vec<u8>,
    messages: Messages,
}

impl Listener {
    pub(super) fn new(words: Arc<WatchWords>) -> Self {
        Self { words, said: Vec::new(), messages: Messages::default() }
    }

    /// Hears what the near end says.
    pub(super) fn near(&mut self, bytes: &[u8]) -> Fate {
        self.said.extend_from_slice(bytes);
        self.words.happens(What::Said, &self.said);
        if self.words.happens(What::Lost, &self.said) { Fate::Cut } else { Fate::Goes }
    }

    /// Hears what the far end answers.
    pub(super) fn far(&mut self, bytes: &[u8]) -> Fate {
        let mut fate = Fate::Goes;
        for end in self.messages.ends(bytes) {
            match end {
                End::Commit if self.words.happens(What::Committed, &self.said) => fate = Fate::Cut,
                End::Commit => {}
                End::Idle => self.said.clear(),
            }
        }
        fate
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Commit,
    /// All was answered, and no transaction is open.
    Idle,
}

/// The messages that PostgreSQL sends: a letter, a length that counts itself, and the rest.
#[derive(Default)]
struct Messages {
    /// The beginning of a message whose end has not come yet.
    begun: Vec<u8>,
}

impl Messages {
    fn ends(&mut self, bytes: &[u8]) -> Vec<End> {
        self.begun.extend_from_slice(bytes);
        let mut ends = Vec::new();
        while let Some(message) = self.next() {
            match message.as_slice() {
                // CommandComplete
                [b'C', _, _, _, _, tag @ ..] if tag == b"COMMIT\0" => ends.push(End::Commit),
                // ReadyForQuery
                [b'Z', _, _, _, _, b'I'] => ends.push(End::Idle),
                _ => {}
            }
        }
        ends
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let length = self.begun.get(1..5)?;
        let length = 1 + usize::try_from(u32::from_be_bytes(length.try_into().unwrap())).unwrap();
        (self.begun.len() >= length).then(|| self.begun.drain(..length).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(tag: &[u8]) -> Vec<u8> {
        let length = u32::try_from(4 + tag.len()).unwrap().to_be_bytes();
        [b"C", &length[..], tag].concat()
    }

    /// `I` outside of a transaction, `T` in one.
    fn ready(status: u8) -> Vec<u8> {
        vec![b'Z', 0, 0, 0, 5, status]
    }

    #[test]
    fn a_commit_is_heard_wherever_the_pieces_are_cut() {
        let insert = [complete(b"INSERT 0 1\0"), ready(b'T')].concat();
        let answer = [insert, complete(b"COMMIT\0"), ready(b'I')].concat();
        for cut in 0..answer.len() {
            let mut messages = Messages::default();
            let mut ends = messages.ends(&answer[..cut]);
            ends.extend(messages.ends(&answer[cut..]));
            assert_eq!(ends, [End::Commit, End::Idle]);
        }
    }

    #[test]
    fn only_the_transaction_with_the_words_is_lost_and_only_once() {
        let words = Arc::new(WatchWords::default());
        let mut lost = words.expect(b"run.started", What::Committed);
        let mut listener = Listener::new(Arc::clone(&words));
        let mut transaction = |said: &[u8]| {
            listener.near(said);
            listener.far(&[complete(b"COMMIT\0"), ready(b'I')].concat())
        };
        assert_eq!(transaction(b"INSERT something"), Fate::Goes);
        assert!(lost.try_recv().is_err());
        assert_eq!(transaction(b"INSERT run.started"), Fate::Cut);
        assert_eq!(lost.try_recv(), Ok(()));
        assert_eq!(transaction(b"INSERT run.started"), Fate::Goes);
    }

    #[test]
    fn what_was_said_and_answered_before_is_not_heard_again() {
        let words = Arc::new(WatchWords::default());
        let mut listener = Listener::new(Arc::clone(&words));
        listener.near(b"SELECT alpha");
        listener.far(&[complete(b"SELECT 1\0"), ready(b'I')].concat());
        let mut heard = words.expect(b"alpha", What::Said);
        listener.near(b"SELECT beta");
        assert!(heard.try_recv().is_err());
        listener.near(b"SELECT alpha");
        assert_eq!(heard.try_recv(), Ok(()));
    }
}

//! A client of a run's events.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// One event as a client gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedEvent {
    /// Its number; none for events that are not stored.
    pub id: Option<i64>,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Value,
}

/// The events of one response.
#[derive(Debug)]
pub struct EventStream {
    response: Response,
    buffer: Vec<u8>,
}

impl EventStream {
    /// Reads the events of a response.
    #[must_use]
    pub const fn new(response: Response) -> Self {
        Self { response, buffer: Vec::new() }
    }

    /// The next event; nothing at the end of the stream. Fails the test if there is neither within 20 seconds.
    pub async fn next(&mut self) -> Option<ReceivedEvent> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse(std::str::from_utf8(&block).unwrap()) {
                    return Some(event);
                }
                continue;
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("no event came");
            self.buffer.extend_from_slice(&chunk.unwrap_or_default()?);
        }
    }

    /// The next event of that name; others are passed over.
    pub async fn until(&mut self, name: &str) -> ReceivedEvent {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended without {name}"));
            if event.name == name {
                return event;
            }
        }
    }

    /// All events up to the end.
    pub async fn rest(mut self) -> Vec<ReceivedEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn parse(block: &str) -> Option<ReceivedEvent> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim_start().to_owned()))
    };
    Some(ReceivedEvent {
        id: field("id").map(|id| id.parse().unwrap()),
        name: field("event")?,
        data: serde_json::from_str(&field("data")?).unwrap(),
    })
}

/// What the deltas among these events say.
#[must_use]
pub fn text_of(events: &[ReceivedEvent]) -> String {
    let deltas = events.iter().filter(|event| event.name == "message.delta");
    deltas.map(|event| event.data["text"].as_str().unwrap().to_owned()).collect()
}

//! Answers that are under way, and not at their end.

use crate::{Answer, EventStream, Person, TestApp};

/// An answer that has begun, and somebody who follows it.
#[derive(Debug)]
pub struct UnderWay {
    /// The conversation's id.
    pub thread: String,
    /// The run's id.
    pub run: String,
    /// What the model goes on with.
    pub answer: Answer,
    /// What comes after its first words.
    pub events: EventStream,
}

impl TestApp {
    /// A conversation in which this was said, and the answer has begun with these words.
    pub async fn under_way(&self, input: &str, words: &str) -> UnderWay {
        let thread = self.thread().await;
        let run = self.say(&thread, input).await;
        let answer = self.model.next().await.begin();
        answer.say(words).await;
        let mut events = self.follow(&run, None).await;
        events.until("message.delta").await;
        UnderWay { thread, run, answer, events }
    }
}

impl Person {
    /// A conversation of theirs in which something was said, and the answer has begun with a word.
    pub async fn under_way(&self, app: &TestApp) -> UnderWay {
        let thread = self.thread().await;
        let run = self.say(&thread, "Hello").await;
        let answer = app.model.next().await.begin();
        answer.say("word").await;
        let mut events = self.follow(&run).await;
        events.until("message.delta").await;
        UnderWay { thread, run, answer, events }
    }
}

//! Which part of a conversation is sent, so that it and the answer fit into the model's context.
//!
//! Whole turns go, the oldest first: a person's message with the answers to it. The instructions and the last message always
//! stay, even if they are too long: the model's server then says so better than an estimate can.

use retinue_model::message::Role;

use crate::request::{Room, Spoken};
use crate::tokens::estimate;

/// What a message costs besides its text, in the widest of the usual chat templates.
const TOKENS_PER_MESSAGE: u64 = 6;
/// What a conversation costs besides its messages: some templates put a preamble in front.
const TOKENS_PER_CONVERSATION: u64 = 32;
/// The most that is kept free for an answer whose length is not set.
const MOST_RESERVED: u32 = 4096;

/// The index of the first message that is sent: as many whole turns as fit.
pub(crate) fn start(instructions: &str, conversation: &[Spoken], room: Room) -> usize {
    let mut left = budget(room).saturating_sub(TOKENS_PER_CONVERSATION + cost(instructions));
    let last = last_turn(conversation);
    let mut start = last;
    for (index, message) in conversation.iter().enumerate().rev() {
        let Some(rest) = left.checked_sub(cost(&message.text)) else { break };
        left = rest;
        if index < last && message.role == Role::User {
            start = index;
        }
    }
    start
}

/// How many tokens are sent of the instructions and a conversation, by an estimate that errs on the high side.
#[must_use]
pub fn asked_tokens(instructions: &str, conversation: &[Spoken], room: Room) -> u64 {
    let sent = conversation.iter().skip(start(instructions, conversation, room));
    TOKENS_PER_CONVERSATION + cost(instructions) + sent.map(|message| cost(&message.text)).sum::<u64>()
}

/// The index to start from instead of `start`, so that half of the turns before the last are left out; none if there are none.
pub(crate) fn halved(conversation: &[Spoken], start: usize) -> Option<usize> {
    let turns: Vec<usize> =
        (start + 1..=last_turn(conversation)).filter(|index| is_turn(conversation, *index)).collect();
    turns.get(turns.len().div_ceil(2).checked_sub(1)?).copied()
}

/// How many tokens the instructions and the conversation may take.
fn budget(Room { context_tokens: context, max_output_tokens }: Room) -> u64 {
    let reserved = max_output_tokens.unwrap_or((context / 4).min(MOST_RESERVED));
    // An answer that may fill the context would leave no room for the question.
    u64::from(context - reserved.min(context / 2))
}

fn cost(text: &str) -> u64 {
    estimate(text) + TOKENS_PER_MESSAGE
}

/// The index where the last turn begins.
fn last_turn(conversation: &[Spoken]) -> usize {
    conversation.iter().rposition(|message| message.role == Role::User).unwrap_or_default()
}

fn is_turn(conversation: &[Spoken], index: usize) -> bool {
    conversation.get(index).is_some_and(|message| message.role == Role::User)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Backend, Limits, Request};
    use proptest::prelude::*;

    fn request(conversation: Vec<Spoken>, context_tokens: u32) -> Request {
        Request {
            backend: Backend::Echo { advice: String::new() },
            upstream_model: String::new(),
            instructions: "Be brief.".to_owned(),
            conversation,
            context_tokens,
            max_output_tokens: None,
            limits: Limits::default(),
            jitter: 0,
        }
    }

    fn start(request: &Request) -> usize {
        super::start(&request.instructions, &request.conversation, request.room())
    }

    fn said(role: Role, text: &str) -> Spoken {
        Spoken { role, text: text.to_owned() }
    }

    fn turns(count: usize) -> Vec<Spoken> {
        (0..count)
            .flat_map(|_| [said(Role::User, &"word ".repeat(50)), said(Role::Assistant, &"word ".repeat(50))])
            .chain([said(Role::User, "And now?")])
            .collect()
    }

    #[test]
    fn everything_is_sent_if_it_fits() {
        assert_eq!(start(&request(turns(3), 8192)), 0);
    }

    #[test]
    fn the_oldest_turns_go_first_and_go_whole() {
        let start = start(&request(turns(20), 1000));
        assert!(start > 0 && start < 40 && start.is_multiple_of(2), "{start}");
    }

    #[test]
    fn the_last_message_stays_even_if_nothing_fits() {
        assert_eq!(start(&request(turns(5), 1)), 10);
        assert_eq!(start(&request(turns(5), 0)), 10);
        assert_eq!(start(&request(Vec::new(), 100)), 0);
    }

    #[test]
    fn room_is_kept_for_the_answer() {
        let mut request = request(turns(100), 4096);
        let usual = start(&request);
        request.max_output_tokens = Some(2000);
        assert!(start(&request) > usual);
    }

    #[test]
    fn only_what_is_sent_is_counted() {
        let tokens = |count: usize, context| request(turns(count), context).asked_tokens();
        assert!(tokens(2, 8192) > tokens(1, 8192) + 50);
        assert!(tokens(100, 1000) <= 1000);
        assert_eq!(tokens(100, 1000), tokens(200, 1000));
    }

    #[test]
    fn half_of_the_older_turns_go_until_one_is_left() {
        let conversation = turns(5);
        assert_eq!(halved(&conversation, 0), Some(6));
        assert_eq!(halved(&conversation, 6), Some(8));
        assert_eq!(halved(&conversation, 8), Some(10));
        assert_eq!(halved(&conversation, 10), None);
    }

    fn any_conversation() -> impl Strategy<Value = Vec<Spoken>> {
        let message = (any::<bool>(), "[a-zé字🦀 ]{0,300}")
            .prop_map(|(person, text)| said(if person { Role::User } else { Role::Assistant }, &text));
        (proptest::collection::vec(message, 0..30), "[a-z ]{1,80}").prop_map(|(mut older, last)| {
            older.push(said(Role::User, &last));
            older
        })
    }

    proptest! {
        #[test]
        fn what_is_sent_starts_with_the_person_and_fits(conversation in any_conversation(), context in 0u32..6000) {
            let request = request(conversation, context);
            let conversation = &request.conversation;
            let start = start(&request);
            prop_assert!(start < conversation.len());
            prop_assert_eq!(conversation[start].role, Role::User);
            let sum: u64 = conversation[start..].iter().map(|message| cost(&message.text)).sum();
            let all = sum + cost(&request.instructions) + TOKENS_PER_CONVERSATION;
            prop_assert!(all <= budget(request.room()) || start == conversation.len() - 1);
            let mut shorter = start;
            while let Some(next) = halved(conversation, shorter) {
                prop_assert!(next > shorter && next < conversation.len());
                prop_assert_eq!(conversation[next].role, Role::User);
                shorter = next;
            }
            prop_assert_eq!(shorter, conversation.len() - 1);
        }
    }
}

//! Keys, as the browser's protocol for developer tools tells them.
//!
//! <https://chromedevtools.github.io/devtools-protocol/tot/Input/#method-dispatchKeyEvent>

use serde_json::{Value, json};

pub(super) const CONTROL: u32 = 2;
pub(super) const SHIFT: u32 = 8;

/// A key of the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// One that writes this.
    Character(char),
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// The one that deletes backwards.
    Backspace,
    /// The one that leads on to the next field or link.
    Tab,
}

impl Key {
    /// Down and up, while others are held.
    pub(super) fn events(self, held: u32) -> [Value; 2] {
        let (name, text, code) = match self {
            Self::Character(character) => (character.to_string(), character.to_string(), 0),
            Self::Enter => ("Enter".to_owned(), "\r".to_owned(), 13),
            Self::Escape => ("Escape".to_owned(), String::new(), 27),
            Self::Backspace => ("Backspace".to_owned(), String::new(), 8),
            Self::Tab => ("Tab".to_owned(), String::new(), 9),
        };
        // What is held down makes a command of a letter.
        let text = if held & CONTROL == 0 { text } else { String::new() };
        let event = |kind: &str, text: &str| json!({"type": kind, "key": name, "text": text, "windowsVirtualKeyCode": code, "modifiers": held});
        [event(if text.is_empty() { "rawKeyDown" } else { "keyDown" }, &text), event("keyUp", "")]
    }
}

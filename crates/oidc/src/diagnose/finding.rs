//! One line for an operator.

use std::fmt;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, but could be better, or can't be told from here.
    Note,
    /// Keeps people from signing in.
    Problem,
}

/// One line: what is so, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What was looked at; stable, for programs.
    pub about: &'static str,
    /// The line.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Good => "ok",
            Level::Note => "note",
            Level::Problem => "problem",
        };
        write!(f, "{level}: {}: {}", self.about, self.text)
    }
}

/// The findings so far.
#[derive(Default)]
pub(super) struct Findings(pub Vec<Finding>);

impl Findings {
    pub(super) fn good(&mut self, about: &'static str, text: impl Into<String>) {
        self.add(Level::Good, about, text);
    }

    pub(super) fn note(&mut self, about: &'static str, text: impl Into<String>) {
        self.add(Level::Note, about, text);
    }

    pub(super) fn problem(&mut self, about: &'static str, text: impl Into<String>) {
        self.add(Level::Problem, about, text);
    }

    fn add(&mut self, level: Level, about: &'static str, text: impl Into<String>) {
        // One line, whatever a provider wrote.
        let text = text.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.0.push(Finding { level, about, text });
    }
}

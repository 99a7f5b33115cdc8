//! The part of a long text around a word that was searched for, without the signs of Markdown.

use retinue_model::text::Search;

/// Characters before the word.
const BEFORE: usize = 40;
/// Characters in all.
const LENGTH: usize = 160;
/// How far the end of `code` is looked for, in characters: the work must not grow faster than the text.
const MAX_CODE: usize = 2_000;
/// Stands for a sign that is not shown; no message has this character.
const GONE: char = '\0';

/// One line of at most about 160 characters around the first of the words that occurs.
pub(crate) fn around(text: &str, search: &Search) -> String {
    let plain = plain(text);
    // The word may stand in what is not shown, such as the address of a link.
    place(&plain, search).or_else(|| place(text, search)).unwrap_or_else(|| cut(&plain, 0))
}

fn place(text: &str, search: &Search) -> Option<String> {
    let folded: Vec<char> = text.chars().map(fold).collect();
    let at = search.words().iter().filter_map(|word| find(&folded, word)).min()?;
    Some(cut(text, word_start(&folded, at.saturating_sub(BEFORE), at)))
}

fn cut(text: &str, start: usize) -> String {
    let mut rest = text.chars().skip(start);
    let piece: String = rest.by_ref().take(LENGTH).collect();
    let line = piece.split_whitespace().collect::<Vec<_>>().join(" ");
    let more_before = if start > 0 { "…" } else { "" };
    let more_after = if rest.all(char::is_whitespace) { "" } else { "…" };
    format!("{more_before}{line}{more_after}")
}

fn find(text: &[char], word: &str) -> Option<usize> {
    let word: Vec<char> = word.chars().map(fold).collect();
    text.windows(word.len()).position(|window| window == word)
}

/// One character for one character, so that positions stay.
fn fold(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

fn word_start(text: &[char], from: usize, to: usize) -> usize {
    if from == 0 {
        return 0;
    }
    text[from..to].iter().position(|c| c.is_whitespace()).map_or(from, |space| from + space + 1)
}

/// What a reader sees of Markdown, nearly: enough for an excerpt, and quick for long texts.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut fence = None;
    for line in text.lines() {
        let bare = line.trim_start_matches([' ', '\t', '>']);
        match (fence, fence_of(bare)) {
            (None, Some(begun)) => fence = Some(begun),
            // The same sign, at least as often, and nothing after it.
            (Some((sign, length)), Some((same, count)))
                if sign == same && count >= length && bare.trim_end().chars().all(|c| c == sign) =>
            {
                fence = None;
            }
            (Some(_), _) => plain.push_str(line),
            (None, None) if is_rule(bare) => {}
            (None, None) => plain.extend(Words::of(without_marker(bare))),
        }
        plain.push('\n');
    }
    plain
}

/// The sign of a code fence and how often it stands there.
fn fence_of(line: &str) -> Option<(char, usize)> {
    let sign = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = line.trim_start_matches(sign);
    let count = line.len() - rest.len();
    (count >= 3 && !rest.contains('`')).then_some((sign, count))
}

/// `---`, and the line below the head of a table.
fn is_rule(line: &str) -> bool {
    let signs = line.chars().filter(|c| !c.is_whitespace());
    let is_sign = |c| matches!(c, '-' | '=' | '*' | '_' | '|' | ':');
    signs.clone().count() >= 3 && signs.clone().all(is_sign) && line.contains(['-', '=', '*', '_'])
}

/// A line without the signs of a heading, a list or a task before it.
fn without_marker(line: &str) -> &str {
    let rest = line.trim_start_matches('#');
    if (1..=6).contains(&(line.len() - rest.len())) && rest.starts_with(' ') {
        return rest;
    }
    let Some(item) = ["- ", "* ", "+ "].iter().find_map(|marker| line.strip_prefix(marker)) else { return line };
    let item = item.trim_start();
    ["[ ] ", "[x] ", "[X] "].iter().find_map(|task| item.strip_prefix(task)).unwrap_or(item)
}

/// One line on its way to what is shown of it. A sign that opens something stays until that is closed.
struct Words {
    line: Vec<char>,
    shown: Vec<char>,
    /// Where `*`, `**` and so on were opened, and in what order: sign, how often, place.
    opened: Vec<(char, usize, usize)>,
    /// Where `[` stand that are not closed.
    brackets: Vec<usize>,
    /// Where the last `)` stands.
    last_close: usize,
    is_row: bool,
}

impl Words {
    fn of(line: &str) -> impl Iterator<Item = char> {
        let line: Vec<char> = line.chars().collect();
        let mut words = Self {
            shown: Vec::with_capacity(line.len()),
            opened: Vec::new(),
            brackets: Vec::new(),
            last_close: line.iter().rposition(|c| *c == ')').unwrap_or(0),
            is_row: line.first() == Some(&'|'),
            line,
        };
        let mut at = 0;
        while at < words.line.len() {
            at = words.step(at);
        }
        words.shown.into_iter().filter(|c| *c != GONE)
    }

    /// Takes what begins at a place; where the next begins.
    fn step(&mut self, at: usize) -> usize {
        let sign = self.line[at];
        match sign {
            '\\' if self.line.get(at + 1).is_some_and(char::is_ascii_punctuation) => {
                self.shown.push(self.line[at + 1]);
                at + 2
            }
            '`' => self.code(at),
            '*' | '_' | '~' => self.emphasis(at),
            '[' => {
                self.brackets.push(self.shown.len());
                self.shown.push(sign);
                at + 1
            }
            ']' => self.link(at),
            '|' if self.is_row => {
                self.shown.push(' ');
                at + 1
            }
            _ => {
                self.shown.push(sign);
                at + 1
            }
        }
    }

    fn run(&self, at: usize) -> usize {
        self.line[at..].iter().take_while(|c| **c == self.line[at]).count()
    }

    fn code(&mut self, at: usize) -> usize {
        let ticks = self.run(at);
        let start = at + ticks;
        let limit = self.line.len().min(start + MAX_CODE);
        let mut end = start;
        while end < limit {
            let found = if self.line[end] == '`' { self.run(end) } else { 0 };
            if found == ticks {
                self.shown.extend_from_slice(&self.line[start..end]);
                return end + ticks;
            }
            end += found.max(1);
        }
        self.shown.extend_from_slice(&self.line[at..start]);
        start
    }

    fn emphasis(&mut self, at: usize) -> usize {
        let (sign, count) = (self.line[at], self.run(at));
        let (before, after) = (at.checked_sub(1).map(|at| self.line[at]), self.line.get(at + count).copied());
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_text = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace());
        // `_` within a word is part of it.
        let can_close = is_text(before) && !(sign == '_' && is_word(after));
        let can_open = is_text(after) && !(sign == '_' && is_word(before));
        let place = self.shown.len();
        self.shown.extend_from_slice(&self.line[at..at + count]);
        let fits = count <= 3 && (sign != '~' || count == 2);
        let opened = self.opened.last().filter(|opened| (opened.0, opened.1) == (sign, count)).copied();
        if let Some((.., start)) = opened.filter(|_| fits && can_close) {
            self.opened.pop();
            self.shown[start..start + count].fill(GONE);
            self.shown[place..].fill(GONE);
        } else if fits && can_open {
            self.opened.push((sign, count, place));
        }
        at + count
    }

    /// `[words](address)` and `![words](address)` are their words.
    fn link(&mut self, at: usize) -> usize {
        let is_link = self.line.get(at + 1) == Some(&'(') && at < self.last_close;
        let Some(start) = self.brackets.pop().filter(|_| is_link) else {
            self.shown.push(']');
            return at + 1;
        };
        self.shown[start] = GONE;
        if let Some(before) = start.checked_sub(1).filter(|before| self.shown[*before] == '!') {
            self.shown[before] = GONE;
        }
        let address = self.line[at..].iter().take_while(|c| **c != ')').count();
        at + address + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_words_around() {
        let text = format!("{} the Needle in {}", "hay ".repeat(100), "more hay ".repeat(100));
        let excerpt = around(&text, &Search::new("needle").unwrap());
        assert!(excerpt.contains("the Needle in"), "{excerpt}");
        assert!(excerpt.starts_with('…') && excerpt.ends_with('…'));
        assert!(excerpt.chars().count() <= LENGTH + 2);
        assert_eq!(around("İstanbul needle", &Search::new("needle").unwrap()), "İstanbul needle");
        assert_eq!(around("only the title has it", &Search::new("zebra").unwrap()), "only the title has it");
    }

    #[test]
    fn shows_words_and_not_their_marks() {
        for (text, shown) in [
            ("# Needle **and** _thread_", "Needle and thread"),
            ("- [x] a `needle`\n- ***two***\n> - ~~three~~", "a needle two three"),
            ("Say:\n\n```rust\nlet needle = \"# **x**\";\n```\nDone", "Say: let needle = \"# **x**\"; Done"),
            ("| a | b |\n|---|:-:|\n| needle | `x\\|y` |", "a b needle x\\|y"),
            ("See [the *needle*](https://example.com/a) ![and](b.png)", "See the needle and"),
            ("Title\n=====\nneedle", "Title needle"),
            (
                "snake_case_needle, 2 * 3 * 4, \\*plain\\*, a[0], *open",
                "snake_case_needle, 2 * 3 * 4, *plain*, a[0], *open",
            ),
            ("[words](https://example.com/needle)", "[words](https://example.com/needle)"),
        ] {
            assert_eq!(around(text, &Search::new("needle").unwrap()), shown);
        }
    }

    #[test]
    fn what_is_made_to_be_slow_is_not() {
        for piece in ["[", "](", "[](", "*", "*a", "*a **b ", "`", "` `` ``` ", "~~a", "> ", "|", "\\"] {
            let text = piece.repeat((1 << 18) / piece.len());
            let started = std::time::Instant::now();
            around(&text, &Search::new("needle").unwrap());
            assert!(started.elapsed().as_secs() < 5, "{piece} took {:?}", started.elapsed());
        }
    }
}

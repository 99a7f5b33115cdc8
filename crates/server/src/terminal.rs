//! What commands print: tables and sentences for people, JSON for programs, and nothing that a terminal would obey.

use std::fmt::Write as _;

use retinue_model::visible::is_unseen;
use serde_json::Value;

/// What is said for people, or the same as JSON.
pub(crate) fn said(as_json: bool, for_programs: &Value, for_people: String) -> String {
    if as_json { format!("{for_programs}\n") } else { for_people }
}

/// Rows under a heading, a line each, with columns as wide as what is in them; or what is said if there is none.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]], if_none: &str) -> String {
    if rows.is_empty() {
        return format!("{if_none}\n");
    }
    let heading = heading.map(str::to_uppercase);
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| line(cell))).collect();
    let lines = || std::iter::once(&heading).chain(&rows);
    let mut text = String::new();
    let widths: [usize; N] =
        std::array::from_fn(|at| lines().map(|row| row[at].chars().count()).max().unwrap_or_default());
    for row in lines() {
        let mut cells = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(cells, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", cells.trim_end());
    }
    text
}

/// What is known of one thing, a line each; what nothing is known of is left out.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let known = || facts.iter().filter(|(_, fact)| !fact.is_empty());
    let width = known().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, fact) in known() {
        let _ = writeln!(text, "{name:<width$}  {}", line(fact));
    }
    text
}

/// A text on one line.
pub(crate) fn line(text: &str) -> String {
    text.replace('\n', "\\n")
}

/// A text as it may be printed: what a terminal would obey, or what turns the direction of the text around it, is written out,
/// in a way that JSON has too. Only ends of lines stay.
pub(crate) fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

fn is_obeyed(c: char) -> bool {
    c != '\n' && is_unseen(c) || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\r\u{7}\u{202e}b\u{7f}\u{2028}é字👩\u{200d}🚀";

    #[test]
    fn nothing_is_printed_that_a_terminal_obeys() {
        let text = safe(&format!("{HOSTILE}\n"));
        assert_eq!(text, "a\\u001b[2J\\u009b31m\\u000d\\u0007\\u202eb\\u007f\\u2028é字👩\u{200d}🚀\n");
        assert!(!text.trim_end().chars().any(is_obeyed));
    }

    #[test]
    fn what_programs_read_stays_what_it_is() {
        let said = safe(&said(true, &json!({ "name": HOSTILE }), String::new()));
        assert!(!said.trim_end().chars().any(is_obeyed), "{said:?}");
        assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["name"], HOSTILE);
    }

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let rows = [["usr_1".to_owned(), "Ada\nusr_2  Eve".to_owned()], ["usr_33".to_owned(), "字".to_owned()]];
        assert_eq!(table(["id", "name"], &rows, "Nobody."), "ID      NAME\nusr_1   Ada\\nusr_2  Eve\nusr_33  字\n");
        assert_eq!(table::<2>(["id", "name"], &[], "Nobody."), "Nobody.\n");
        let known = [("id", "usr_1".to_owned()), ("none", String::new()), ("address", "a@example.com".to_owned())];
        assert_eq!(facts(&known), "id       usr_1\naddress  a@example.com\n");
    }
}

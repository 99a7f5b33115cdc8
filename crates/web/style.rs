//! The style sheet as it is delivered. Both who embeds it and who checks its size read this file.

/// Leaves out what only its readers need: indentation, empty lines, comments that have a line of their own, the ends of lines
/// after which a blank means nothing, and such blanks in lines without texts.
pub(crate) fn delivered(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    for line in source.lines().map(str::trim) {
        let is_comment = line.starts_with("/*") && line.find("*/") == line.len().checked_sub(2);
        if line.is_empty() || is_comment {
            continue;
        }
        if line.contains('"') {
            text.push_str(line);
        } else {
            text.push_str(&BLANKS.iter().fold(line.to_owned(), |line, (blank, without)| line.replace(blank, without)));
        }
        if !line.ends_with(['{', '}', ';', ',']) {
            text.push('\n');
        }
    }
    text
}

/// Where a blank means nothing, and what says the same.
const BLANKS: [(&str, &str); 6] = [("{ ", "{"), (" {", "{"), (" }", "}"), ("; ", ";"), (": ", ":"), (", ", ",")];

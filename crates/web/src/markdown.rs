//! Markdown that an agent wrote, as HTML that is safe to show.
//!
//! HTML within the Markdown is shown as text. Images from elsewhere become links, because loading them would tell others
//! what was said. What comes out is filtered once more by an allow-list, so that a fault above opens nothing.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use ammonia::Builder;
use comrak::html::ChildRendering;
use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, create_formatter, parse_document};

use crate::code;

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut options = Options::default();
    options.extension.autolink = true;
    options.extension.footnotes = true;
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.tasklist = true;
    options.parse.smart = false;
    // Raw HTML is shown as what it is: text.
    options.render.escape = true;
    options
});

static FILTER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let tags = [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "div",
        "em",
        "figcaption",
        "figure",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "input",
        "li",
        "ol",
        "p",
        "pre",
        "section",
        "span",
        "strong",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ];
    let attributes: [(&str, &[&str]); 8] = [
        ("a", &["href", "target", "title"]),
        ("div", &["tabindex", "role", "aria-label"]),
        ("input", &["type", "checked", "disabled", "aria-label"]),
        ("ol", &["start"]),
        ("pre", &["tabindex"]),
        ("td", &["align"]),
        ("th", &["align"]),
        ("span", &[]),
    ];
    let classes: [(&str, &[&str]); 8] = [
        ("a", &["remote-image"]),
        ("div", &["table"]),
        ("figure", &["code"]),
        ("li", &["task"]),
        ("section", &["footnotes"]),
        ("span", &["lang", "hl-k", "hl-s", "hl-c", "hl-n", "hl-f", "hl-t", "hl-v", "hl-p", "hl-o", "hl-a"]),
        ("sup", &["footnote-ref"]),
        ("ul", &["tasks"]),
    ];
    let set = |names: &[&'static str]| names.iter().copied().collect::<HashSet<_>>();
    let mut filter = Builder::empty();
    filter
        .tags(set(&tags))
        .tag_attributes(attributes.iter().map(|(tag, names)| (*tag, set(names))).collect::<HashMap<_, _>>())
        .allowed_classes(classes.iter().map(|(tag, names)| (*tag, set(names))).collect::<HashMap<_, _>>())
        .url_schemes(set(&["http", "https", "mailto"]))
        .link_rel(Some("noopener noreferrer nofollow"));
    filter
});

create_formatter!(Formatter, {
    NodeValue::Heading(ref heading) => |context, entering| {
        // The page has headings of its own: an answer's begin below them, whether it begins with its first or second level.
        let level = (heading.level + 1).clamp(3, 6);
        if entering {
            context.cr()?;
            write!(context, "<h{level}>")?;
        } else {
            writeln!(context, "</h{level}>")?;
        }
    },
    NodeValue::CodeBlock(ref block) => |context, entering| {
        if entering {
            context.cr()?;
            let language = block.info.split_whitespace().next().unwrap_or_default();
            context.write_str("<figure class=\"code\"><figcaption><span class=\"lang\">")?;
            context.escape(if language.is_empty() { "text" } else { language })?;
            context.write_str("</span></figcaption><pre tabindex=\"0\"><code>")?;
            context.write_str(&code::highlight(language, &block.literal))?;
            context.write_str("</code></pre></figure>\n")?;
        }
    },
    NodeValue::Table(_) => |context, node, entering| {
        if entering {
            context.cr()?;
            context.write_str("<div class=\"table\" tabindex=\"0\" role=\"group\" aria-label=\"Table\">")?;
        }
        let children = comrak::html::format_node_default(context, node, entering)?;
        if !entering {
            context.cr()?;
            context.write_str("</div>\n")?;
        }
        return Ok(children);
    },
    NodeValue::TaskItem(ref task) => |context, entering| {
        if entering {
            let (checked, words) = if task.symbol.is_some() { ("checked=\"\" ", "Done") } else { ("", "Open") };
            context.cr()?;
            write!(context, "<li class=\"task\"><input type=\"checkbox\" {checked}disabled=\"\" aria-label=\"{words}\"> ")?;
        } else {
            context.write_str("</li>\n")?;
        }
    },
    NodeValue::Link(ref link) => |context, entering| {
        if entering {
            context.write_str("<a target=\"_blank\" href=\"")?;
            context.escape_href(&link.url)?;
            context.write_str("\">")?;
        } else {
            context.write_str("</a>")?;
        }
    },
    NodeValue::Image(ref image) => |context, node, entering| {
        if entering {
            let words = node.collect_text();
            context.write_str("<a class=\"remote-image\" target=\"_blank\" href=\"")?;
            context.escape_href(&image.url)?;
            context.write_str("\">Image: ")?;
            context.escape(if words.trim().is_empty() { &image.url } else { &words })?;
            context.write_str(" (not loaded)</a>")?;
            return Ok(ChildRendering::Skip);
        }
    },
});

/// How many characters of quote signs, list signs and indentation a line may begin with. Nesting deeper than anybody
/// reads costs more the deeper it is.
const MAX_NESTING: usize = 200;

/// Whether blocks within blocks are too many.
fn is_too_deep(text: &str) -> bool {
    let nests = |c: char| matches!(c, '>' | ' ' | '\t' | '-' | '+' | '*' | '.' | ')') || c.is_ascii_digit();
    let is_deep = |line: &str| {
        let opening = line.find(|c| !nests(c)).unwrap_or(line.len());
        opening > MAX_NESTING && line[..opening].contains(['>', ' ', '\t'])
    };
    text.lines().any(is_deep)
}

/// The HTML of a whole text.
pub(crate) fn to_html(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    if is_too_deep(text) {
        return format!("<pre tabindex=\"0\">{}</pre>\n", code::escaped(text));
    }
    let arena = Arena::new();
    let root = parse_document(&arena, text, &OPTIONS);
    let mut html = String::with_capacity(text.len() * 2);
    // Writing to a String does not fail; were it to, less would be shown.
    let _ = Formatter::format_document(root, &OPTIONS, &mut html);
    FILTER.clean(&html).to_string()
}

/// How much of a growing text is settled: whatever follows, these blocks stay as they are. Markdown is cut into blocks
/// line by line, so this is all that comes before the last block of the lines that are whole; a line that is not whole
/// may still turn out to belong to the block before it.
pub(crate) fn settled(text: &str) -> usize {
    let whole_lines = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    if is_too_deep(whole_lines) {
        return 0;
    }
    let arena = Arena::new();
    let root: &AstNode<'_> = parse_document(&arena, whole_lines, &OPTIONS);
    let Some(last) = root.last_child() else { return 0 };
    if last.previous_sibling().is_none() {
        return 0;
    }
    let line = last.data().sourcepos.start.line;
    line_start(whole_lines, line)
}

/// Where the line of that number (from 1) begins.
fn line_start(text: &str, line: usize) -> usize {
    text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum()
}

#[cfg(test)]
mod tests {
    use super::to_html;
    use proptest::prelude::*;

    #[test]
    fn nothing_that_runs_or_loads_comes_through() {
        for (text, absent) in [
            ("<script>alert(1)</script>", "<script"),
            ("<img src=x onerror=alert(1)>", "<img"),
            ("[x](javascript:alert(1))", "javascript:"),
            ("[x](JaVaScRiPt:alert(1))", "aVaScRiPt:"),
            ("[x](data:text/html;base64,PHNjcmlwdD4=)", "data:"),
            ("![x](https://evil.example/a.png?secret)", "<img"),
            ("<a href=\"https://x\" onclick=\"y\">z</a>", "<a href"),
            ("```\"><script>\nx\n```", "<script"),
            ("<style>*{}</style>", "<style"),
            ("[x](https://a\"onmouseover=\"alert(1))", "\"onmouseover=\""),
        ] {
            let html = to_html(text);
            assert!(!html.contains(absent), "{text} became {html}");
        }
    }

    #[test]
    fn links_lead_away_without_a_trace() {
        assert_eq!(
            to_html("https://example.com/a?b=1&c=2"),
            "<p><a target=\"_blank\" href=\"https://example.com/a?b=1&amp;c=2\" rel=\"noopener noreferrer nofollow\">https://example.com/a?b=1&amp;c=2</a></p>\n"
        );
        assert!(to_html("![A cat](https://x.example/cat.png)").contains("Image: A cat (not loaded)</a>"));
    }

    #[test]
    fn blocks_have_the_forms_that_the_style_knows() {
        let html = to_html("# T\n\n```rust\nfn f() {}\n```\n\n| a |\n|---|\n| 1 |\n\n- [x] done\n");
        for piece in [
            "<h3>T</h3>",
            "<figure class=\"code\"><figcaption><span class=\"lang\">rust</span></figcaption><pre tabindex=\"0\"><code>",
            "<span class=\"hl-k\">fn</span>",
            "<div class=\"table\" tabindex=\"0\" role=\"group\" aria-label=\"Table\">",
            "<li class=\"task\"><input type=\"checkbox\" checked=\"\" disabled=\"\" aria-label=\"Done\">",
        ] {
            assert!(html.contains(piece), "{piece} is not in {html}");
        }
    }

    #[test]
    fn nesting_that_nobody_reads_is_shown_as_text() {
        for text in [">".repeat(100_000), "- ".repeat(50_000), format!("{}x", " ".repeat(100_000))] {
            assert!(to_html(&text).starts_with("<pre"), "{}", &text[..10]);
        }
        assert!(to_html("> > > deep enough").contains("<blockquote>"));
        assert!(to_html(&"-".repeat(300)).contains("<hr"));
    }

    proptest! {
        #[test]
        fn whatever_is_written_no_script_and_no_handler_comes_out(text in "[<>a-z=\"' /\n`\\[\\]()!:;&#x0-9]{0,120}") {
            let html = to_html(&text);
            prop_assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<iframe"));
            prop_assert!(!html.contains("javascript:") || !html.contains("href=\"javascript:"));
        }
    }
}

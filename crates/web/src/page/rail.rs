//! The left rail: search, conversations by day, places.

use retinue_app::thread::{self, Found};
use retinue_app::{Context, run};
use retinue_model::text::Search;
use retinue_model::{Result, ThreadId};

use crate::code::escaped;
use crate::when;

/// Conversations on one page of the rail.
const THREADS: usize = 40;

/// The rail.
pub(crate) struct Rail {
    pub(crate) groups: Vec<DayGroup>,
    pub(crate) query: String,
    pub(crate) next_href: Option<String>,
    pub(crate) searching: bool,
    pub(crate) page: &'static str,
    /// Whether there are keys for programs here.
    pub(crate) takes_keys: bool,
    /// Whether whoever asks runs an installation where people sign in.
    pub(crate) runs_it: bool,
    pub(crate) person: String,
    pub(crate) under: String,
    /// Whose pages and drafts these are, where people sign in: who comes next at the same browser must not see them.
    pub(crate) person_id: Option<String>,
}

/// Conversations of one day or month.
pub(crate) struct DayGroup {
    pub(crate) label: String,
    pub(crate) threads: Vec<RailThread>,
}

/// One conversation.
pub(crate) struct RailThread {
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) current: bool,
    pub(crate) running: bool,
    pub(crate) snippet: Option<String>,
}

/// What the rail shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Which of the places is open.
    pub(crate) page: &'static str,
    /// The conversation that is open.
    pub(crate) current: Option<ThreadId>,
    /// What is searched for.
    pub(crate) query: String,
    /// Where the list goes on.
    pub(crate) cursor: Option<String>,
}

impl View {
    pub(crate) fn of(page: &'static str) -> Self {
        Self { page, ..Self::default() }
    }
}

impl Rail {
    /// Without conversations, for pages that can't ask for them.
    pub(crate) fn empty() -> Self {
        Self {
            groups: Vec::new(),
            query: String::new(),
            next_href: None,
            searching: false,
            page: "",
            takes_keys: false,
            runs_it: false,
            person: "Local user".to_owned(),
            under: "single-user mode".to_owned(),
            person_id: None,
        }
    }

    /// With what the view asks for.
    pub(crate) async fn load(ctx: &Context, view: View) -> Result<Self> {
        let cursor = view.cursor.as_deref();
        // A search for nothing but blanks or punctuation finds nothing, which is no error while somebody types.
        let search = Search::new(&view.query).ok();
        let searching = !view.query.trim().is_empty();
        let page = match &search {
            Some(search) => thread::search(ctx, search, cursor, THREADS).await?,
            None if searching => thread::Page { threads: Vec::new(), next_cursor: None },
            None => thread::list(ctx, cursor, THREADS).await?,
        };
        let groups = group(ctx, page.threads, search.as_ref(), view.current);
        let next_href = page.next_cursor.map(|cursor| more(&view.query, &cursor, searching));
        let takes_keys = ctx.app().auth().takes_keys;
        let rail =
            Self { groups, query: view.query, next_href, searching, page: view.page, takes_keys, ..Self::empty() };
        Ok(match ctx.known_user() {
            None => rail,
            Some(user) => Self {
                person: user.name.clone(),
                under: user.email.clone().unwrap_or_default(),
                person_id: Some(user.id.to_string()),
                runs_it: ctx.principal().is_organization_admin(),
                ..rail
            },
        })
    }
}

fn more(query: &str, cursor: &str, searching: bool) -> String {
    let query = [("q", query), ("cursor", cursor)];
    // Two strings are always encoded.
    let encoded = serde_urlencoded::to_string(if searching { &query[..] } else { &query[1..] }).unwrap_or_default();
    format!("/?{encoded}")
}

fn group(ctx: &Context, found: Vec<Found>, search: Option<&Search>, current: Option<ThreadId>) -> Vec<DayGroup> {
    let (now, at_work) = (ctx.now(), run::threads_at_work(ctx));
    let mut groups: Vec<DayGroup> = Vec::new();
    for Found { thread, excerpt } in found {
        let label = when::day_group(thread.updated_at, now);
        let entry = RailThread {
            href: format!("/threads/{}", thread.id),
            current: current == Some(thread.id),
            running: at_work.contains(&thread.id),
            title: thread.title.unwrap_or_else(|| untitled().to_owned()),
            snippet: excerpt.zip(search).map(|(excerpt, search)| marked(&excerpt, search)),
        };
        match groups.last_mut() {
            Some(group) if group.label == label => group.threads.push(entry),
            _ => groups.push(DayGroup { label, threads: vec![entry] }),
        }
    }
    groups
}

/// What a conversation is called before anything was said.
pub(crate) const fn untitled() -> &'static str {
    "New conversation"
}

/// The excerpt as HTML, with the words that were searched for marked.
fn marked(excerpt: &str, search: &Search) -> String {
    let words: Vec<String> = search.words().iter().map(|word| word.to_lowercase()).collect();
    let mut html = String::new();
    for part in excerpt.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        let lower = word.to_lowercase();
        if !word.is_empty() && words.iter().any(|wanted| lower.starts_with(wanted.as_str())) {
            html.push_str("<mark>");
            html.push_str(&escaped(word));
            html.push_str("</mark>");
            html.push_str(&escaped(&part[word.len()..]));
        } else {
            html.push_str(&escaped(part));
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_words_are_marked_and_everything_is_escaped() {
        let search = Search::new("needle b").unwrap();
        assert_eq!(
            marked("<b> the Needles, & hay", &search),
            "&lt;<mark>b</mark>&gt; the <mark>Needles</mark>, &amp; hay"
        );
    }
}

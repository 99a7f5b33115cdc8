//! Where somebody goes once they have signed in, and why they were asked to: what links and forms of the way in carry on.

use retinue_model::return_to::ReturnTo;
use serde::Deserialize;
use utoipa::ToSchema;

/// Why somebody is asked to sign in who did so already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Why {
    #[default]
    Nothing,
    /// Their session is over.
    Ended,
    /// They are to show that it is still them.
    Again,
}

/// Where to, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Carried")]
pub(crate) struct Errand {
    /// Where they go then.
    pub(crate) return_to: ReturnTo,
    /// Why they are asked.
    pub(crate) why: Why,
}

/// Where a browser goes then, as it stands in queries and forms.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = Errand)]
pub(crate) struct Carried {
    /// A path of this server to go to; for browsers.
    #[schema(required = false, example = "/account")]
    return_to: String,
    #[schema(ignore)]
    ended: Option<String>,
    #[schema(ignore)]
    again: Option<String>,
}

impl From<Carried> for Errand {
    fn from(Carried { return_to, ended, again }: Carried) -> Self {
        let why = match (again, ended) {
            (Some(_), _) => Why::Again,
            (None, Some(_)) => Why::Ended,
            (None, None) => Why::Nothing,
        };
        Self { return_to: ReturnTo::new(&return_to), why }
    }
}

impl Errand {
    /// What a query or a form says of it; nothing if there is nothing to say.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let path = Some(self.return_to.as_str()).filter(|_| self.return_to != ReturnTo::default());
        let why = match self.why {
            Why::Nothing => None,
            Why::Ended => Some("ended"),
            Why::Again => Some("again"),
        };
        path.map(|path| ("return_to", path)).into_iter().chain(why.map(|why| (why, "1")))
    }

    /// A path of the way in, which carries it on.
    pub(crate) fn href(&self, path: &str) -> String {
        href(path, self.pairs())
    }
}

/// A path with a query, if there is one.
pub(crate) fn href<'a>(path: &str, query: impl IntoIterator<Item = (&'static str, &'a str)>) -> String {
    let query: Vec<_> = query.into_iter().collect();
    // Pairs of strings are always encoded.
    let text = serde_urlencoded::to_string(&query).unwrap_or_default();
    if text.is_empty() { path.to_owned() } else { format!("{path}?{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_on_is_read_again() {
        for why in [Why::Nothing, Why::Ended, Why::Again] {
            for path in ["/", "/threads/thr_01?x=1&y=%C3%A4", "/?q=a%20b&c"] {
                let errand = Errand { return_to: ReturnTo::new(path), why };
                let href = errand.href("/sign-in");
                let query = href.split_once('?').map_or("", |(_, query)| query);
                assert_eq!(serde_urlencoded::from_str::<Errand>(query).unwrap(), errand, "{href}");
            }
        }
        assert_eq!(Errand::default().href("/sign-in"), "/sign-in");
        let evil: Errand = serde_urlencoded::from_str("return_to=//evil.example&again=&ended=1").unwrap();
        assert_eq!(evil, Errand { return_to: ReturnTo::default(), why: Why::Again });
    }
}

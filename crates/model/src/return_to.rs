//! Where somebody wants to go after signing in: a path of this server, and nothing else.

use std::fmt;

/// The longest that is remembered, in bytes.
const MAX_LEN: usize = 512;

/// A path of this server with its query, such as `/threads/thr_…`. Whatever a browser would take for another place becomes
/// `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl Default for ReturnTo {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl ReturnTo {
    /// The path, if it is one; else `/`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        if is_path(text) && !is_sign_in(text) { Self(text.to_owned()) } else { Self::default() }
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Browsers take `\` for `/`, and leave out tabs and line breaks (URL Standard, sections 4.4 and 4.1): `/\evil` and
/// `/<tab>/evil` lead to another host, as `//evil` does.
fn is_path(text: &str) -> bool {
    // Neither do browsers send the others as they are.
    let is_plain = text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && !b"\\\"<>`".contains(&byte));
    is_plain && text.len() <= MAX_LEN && text.starts_with('/') && !text.starts_with("//")
}

/// What somebody confirms who is signed in.
const CONFIRM: &str = "/auth/email-change/verify";

/// Back to where one signs in or out would go round in circles.
fn is_sign_in(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    (path.starts_with("/auth/") && path != CONFIRM) || matches!(path, "/sign-in" | "/signed-out")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use url::Url;

    #[test]
    fn paths_stay_and_all_else_leads_home() {
        for path in [
            "/",
            "/threads/thr_01?x=1#end",
            "/account",
            "/?q=a%20b",
            "/signed-out-of-here",
            "/auth/email-change/verify?token=x",
        ] {
            assert_eq!(ReturnTo::new(path).as_str(), path);
        }
        for other in [
            "",
            "threads",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/\r\nSet-Cookie: a=b",
            "https://evil.example",
            "javascript:alert(1)",
            "/a b",
            "/ä",
            "/auth/logout",
            "/auth/email-change/verify/../../logout",
            "/sign-in?return_to=/sign-in",
            "/signed-out",
            &format!("/{}", "a".repeat(2_000)),
        ] {
            assert_eq!(ReturnTo::new(other).as_str(), "/", "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_browser_never_leaves_this_server(text in "[/\\\\a-z.:@\t\n?# %]{0,20}|\\PC{0,20}") {
            let here = Url::parse("https://here.example/sign-in").unwrap();
            let there = here.join(ReturnTo::new(&text).as_str()).unwrap();
            prop_assert_eq!(there.origin(), here.origin());
        }
    }
}

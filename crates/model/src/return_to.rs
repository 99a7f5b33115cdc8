//! Where somebody wants to go after signing in: a path of this server, and nothing else.

use std::fmt;

use crate::id;

/// The page of an invitation, up to its token.
const INVITATION: &str = "/invitations/accept?token=";

/// The longest that is remembered, in bytes.
const MAX_LEN: usize = 512;

/// A path of this server with its query, such as `/threads/thr_…`. Whatever a browser would take for another place becomes
/// `/`.
#[derive(Clone, PartialEq, Eq)]
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

    /// The token of an invitation into a team, if it is that invitation's page.
    #[must_use]
    pub fn invitation(&self) -> Option<&str> {
        self.0.strip_prefix(INVITATION).filter(|token| !token.contains(['&', '#']))
    }

    /// As it may stand in a mail, which strangers can have sent to anybody: a page by its name, with an id at most. There is
    /// no room for words, nor for secrets of other links. All else becomes `/`.
    #[must_use]
    pub fn in_mail(&self) -> Self {
        if is_place(&self.0) { self.clone() } else { Self::default() }
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Without its query: that of a link by mail has a secret in it.
impl fmt::Debug for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReturnTo").field(&self.0.split(['?', '#']).next().unwrap_or_default()).finish()
    }
}

/// Browsers take `\` for `/`, and leave out tabs and line breaks (URL Standard, sections 4.4 and 4.1): `/\evil` and
/// `/<tab>/evil` lead to another host, as `//evil` does.
fn is_path(text: &str) -> bool {
    // Neither do browsers send the others as they are.
    let is_plain = text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && !b"\\\"<>`".contains(&byte));
    is_plain && text.len() <= MAX_LEN && text.starts_with('/') && !text.starts_with("//")
}

/// The longest name of a page, in bytes.
const MAX_NAME_LEN: usize = 16;

/// Such as `/account` and `/threads/thr_…`.
fn is_place(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let (page, id) = (parts.next().unwrap_or_default(), parts.next());
    let is_name = page.len() <= MAX_NAME_LEN && page.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-'));
    is_name && id.is_none_or(id::is_any) && parts.next().is_none()
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
    fn a_link_by_mail_is_not_shown_to_whoever_debugs() {
        let link = ReturnTo::new("/auth/email-change/verify?token=secret");
        assert!(link.as_str().ends_with("secret"));
        assert_eq!(format!("{link:?}"), r#"ReturnTo("/auth/email-change/verify")"#);
    }

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

    #[test]
    fn a_mail_says_which_page_and_nothing_that_a_stranger_wrote() {
        for place in ["/", "/account", "/api-keys", "/threads/thr_01h455vb4pex5vsknk084sn02q"] {
            assert_eq!(ReturnTo::new(place).in_mail().as_str(), place);
        }
        for other in [
            "/?q=call+0800-1234",
            "/account?x",
            "/account#x",
            "/account/",
            "/your-account-is-locked",
            "/call0800",
            "/Account",
            "/evil.example",
            "/%65vil",
            "/threads/your-account-is-locked",
            "/threads/thr_01h455vb4pex5vsknk084sn02",
            "/threads/thr_01h455vb4pex5vsknk084sn02q/delete",
            "/threads//",
            "/auth/email-change/verify?token=x",
            "/invitations/accept?token=x",
        ] {
            assert_eq!(ReturnTo::new(other).in_mail().as_str(), "/", "{other}");
        }
    }

    #[test]
    fn an_invitation_is_known_by_its_page() {
        assert_eq!(ReturnTo::new("/invitations/accept?token=abc").invitation(), Some("abc"));
        for other in
            ["/invitations/accept", "/invitations/accept?token=a&b=c", "/invitations/accept?token=a#b", "/?token=a"]
        {
            assert_eq!(ReturnTo::new(other).invitation(), None, "{other}");
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

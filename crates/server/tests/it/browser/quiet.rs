//! No page has anything to complain of, and none asks anybody else.

use super::tour;

/// How the names end of pages that say why something can't be.
const ERRORS: [&str; 9] = [
    "error",
    "spent",
    "slowed",
    "sign-in-failed",
    "register-closed",
    "account-refused",
    "identity-not-added",
    "user-disabled",
    "user-unknown",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn no_page_complains_or_asks_another_origin() {
    tour(async |browser, name| {
        browser.until("document.readyState === 'complete'").await;
        let origin = browser.text_of("location.origin").await;
        let asked = browser.requests().await;
        assert!(!asked.is_empty(), "{name}");
        // Where the browser itself was led to sign in is no request of a page.
        let of_pages = asked.iter().filter(|url| !url.contains("/authorize?"));
        for url in of_pages.filter(|url| url.starts_with("http") || url.starts_with("ws")) {
            assert!(url.starts_with(&format!("{origin}/")), "{name} asked for {url}");
        }
        let mut complaints = browser.complaints().await;
        // That the page itself is an error is the browser's own note.
        let own = own_status(name).map(|status| format!("the server responded with a status of {status}"));
        complaints.retain(|complaint| own.as_ref().is_none_or(|own| !complaint.contains(own)));
        assert_eq!(complaints, [""; 0], "{name}");
    })
    .await;
}

/// How the status begins with which a page itself is answered, if that is an error.
fn own_status(name: &str) -> Option<&'static str> {
    match name {
        "sign-in-busy" => Some("503"),
        _ => ERRORS.iter().any(|end| name.ends_with(end)).then_some("4"),
    }
}

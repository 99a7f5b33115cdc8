//! No page has anything to complain of, and none asks anybody else.

use super::tour;

/// Pages that say why something can't be, besides those whose names end with `error` or `spent`.
const ERRORS: [&str; 2] = ["sign-in-failed", "register-closed"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn no_page_complains_or_asks_another_origin() {
    tour(async |browser, name| {
        browser.until("document.readyState === 'complete'").await;
        let origin = browser.text_of("location.origin").await;
        let asked = browser.requests().await;
        assert!(!asked.is_empty(), "{name}");
        for url in asked.iter().filter(|url| url.starts_with("http") || url.starts_with("ws")) {
            assert!(url.starts_with(&format!("{origin}/")), "{name} asked for {url}");
        }
        let mut complaints = browser.complaints().await;
        // That the page itself is an error is the browser's own note.
        let is_error = name.ends_with("error") || name.ends_with("spent") || ERRORS.contains(&name);
        complaints.retain(|complaint| !is_error || !complaint.contains("the server responded with a status of 40"));
        assert_eq!(complaints, [""; 0], "{name}");
    })
    .await;
}

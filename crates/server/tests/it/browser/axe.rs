//! The rules of accessibility that a machine can check: <https://github.com/dequelabs/axe-core>.

use retinue_testkit::{Browser, Scheme};

use super::tour;

/// Each broken rule, with the elements that break it.
const BROKEN: &str = "axe.run(document, OPTIONS).then((found) => found.violations.map((rule) => \
    `${rule.id}: ${rule.nodes.map((node) => node.html.slice(0, 200)).join(' , ')}`).join('\\n'))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and axe-core; `cargo xtask test` provides them"]
async fn axe_finds_nothing_on_any_page() {
    let script = std::env::var("RETINUE_TEST_AXE").expect("RETINUE_TEST_AXE is set by `cargo xtask test`");
    let axe = std::fs::read_to_string(script).unwrap();
    tour(async |browser, name| {
        browser.evaluate(&format!("{axe}; null")).await;
        let mut broken = Vec::new();
        for width in [1280, 390] {
            browser.view(width, Scheme::Light).await;
            broken.push(check(browser, "{}").await);
            browser.view(width, Scheme::Dark).await;
            // Nothing but the colours is another.
            broken.push(check(browser, "{ runOnly: ['color-contrast'] }").await);
        }
        broken.retain(|rules| !rules.is_empty());
        assert_eq!(broken, [""; 0], "{name}");
    })
    .await;
}

async fn check(browser: &Browser, options: &str) -> String {
    browser.text_of(&BROKEN.replace("OPTIONS", options)).await
}

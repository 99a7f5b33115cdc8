//! Pictures of each page, to be looked at before a release: `target/screenshots/`.

use std::fs;
use std::path::{Path, PathBuf};

use retinue_testkit::{Browser, Scheme};

use super::{assert_no_overflow, tour};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium; `cargo xtask test` provides it"]
async fn each_page_has_its_picture_taken() {
    let folder = folder();
    tour(async |browser, name| {
        take(browser, &folder, name).await;
        if name == "thread" {
            browser.click("[data-thread-menu] summary").await;
            take(browser, &folder, "thread-menu").await;
            browser.click("[data-thread-menu] summary").await;
            for part in [".table", ".task"] {
                browser
                    .evaluate(&format!("document.querySelector('{part}').scrollIntoView({{ block: 'center' }})"))
                    .await;
                take(browser, &folder, &format!("thread-{}", &part[1..])).await;
            }
            browser.evaluate("scrollTo(0, 0)").await;
            take(browser, &folder, "thread-top").await;
            browser.view(390, Scheme::Light).await;
            browser.click(".bar [popovertarget=rail]").await;
            browser.until("document.getElementById('rail').getBoundingClientRect().left === 0").await;
            take_at(browser, &folder, "drawer", 390).await;
        }
    })
    .await;
}

async fn take(browser: &Browser, folder: &Path, name: &str) {
    for width in [1280, 390] {
        take_at(browser, folder, name, width).await;
    }
}

async fn take_at(browser: &Browser, folder: &Path, name: &str, width: u32) {
    for scheme in [Scheme::Light, Scheme::Dark] {
        browser.view(width, scheme).await;
        assert_no_overflow(browser, &format!("{name} at {width}")).await;
        let picture = browser.screenshot().await;
        assert!(picture.starts_with(b"\x89PNG"));
        fs::write(folder.join(format!("{name}-{width}-{}.png", scheme.name())), picture).unwrap();
    }
}

fn folder() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = target.join("screenshots");
    fs::create_dir_all(&folder).unwrap();
    folder
}

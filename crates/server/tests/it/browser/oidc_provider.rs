//! People who sign in at oidc-provider, on its pages.

use retinue_testkit::{Browser, Database, Port, RealProvider, TestApp};

use super::real::{server, server_of_ada, two_people_share_nothing, wishes, write_in};
use super::say;
use super::walk::walk;

mod sqlite {
    use super::Database;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Chromium and oidc-provider; `cargo xtask test` provides them"]
    async fn two_people_share_nothing() {
        super::two_people(Database::sqlite()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Chromium and oidc-provider; `cargo xtask test` provides them"]
    async fn signing_out_at_the_provider_ends_an_open_page() {
        super::back_channel(Database::sqlite()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Chromium and oidc-provider; `cargo xtask test` provides them"]
    async fn two_teams_share_what_they_want_and_nothing_else() {
        super::two_teams(Database::sqlite()).await;
    }
}

mod postgres {
    use super::Database;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Chromium, oidc-provider and PostgreSQL; `cargo xtask test` provides them"]
    async fn two_people_share_nothing() {
        super::two_people(Database::postgres().await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Chromium, oidc-provider and PostgreSQL; `cargo xtask test` provides them"]
    async fn signing_out_at_the_provider_ends_an_open_page() {
        super::back_channel(Database::postgres().await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Chromium, oidc-provider and PostgreSQL; `cargo xtask test` provides them"]
    async fn two_teams_share_what_they_want_and_nothing_else() {
        super::two_teams(Database::postgres().await).await;
    }
}

async fn start(database: Database) -> (TestApp, RealProvider) {
    let port = Port::take();
    let provider = RealProvider::oidc_provider(wishes(&port)).await;
    (server(database, port, &provider).await, provider)
}

async fn enter(browser: &Browser, login: &str) {
    write_in(browser, "[name=login]", login).await;
}

async fn leave(browser: &Browser) {
    browser.sees("h1", "Sign out?").await;
    browser.click("[name=logout]").await;
}

async fn two_people(database: Database) {
    let (app, _provider) = start(database).await;
    two_people_share_nothing(&app, enter, (enter, enter), leave).await;
}

async fn two_teams(database: Database) {
    let port = Port::take();
    let provider = RealProvider::oidc_provider(wishes(&port)).await;
    let app = server_of_ada(database, port, &provider).await;
    walk(&app, enter).await;
}

/// A page stays open in one tab while somebody signs out at the provider in another.
async fn back_channel(database: Database) {
    let (app, provider) = start(database).await;
    let browser = Browser::start(&app.url("")).await;
    browser.open("/sign-in").await;
    browser.click("a.button").await;
    enter(&browser, "ada").await;
    browser.sees(".rail .person", "Ada Lovelace").await;
    say(&browser, "Count").await;
    let answer = app.model.next().await.begin();
    answer.say("One, ").await;
    browser.sees(".answer", "One,").await;
    let thread = browser.path().await;
    browser.click("#input").await;
    browser.write("And then").await;

    let page = browser.open_tab(&format!("{}/session/end", provider.issuer())).await;
    leave(&browser).await;
    browser.misses("[name=logout]").await;
    browser.go_to_tab(&page).await;
    browser.sees("h1", "Sign in").await;
    browser.sees(".callout", "Your session has ended.").await;

    answer.say("two.").await;
    answer.finish().await;
    browser.click("a.button").await;
    enter(&browser, "ada").await;
    browser.sees(".answer", "One, two.").await;
    assert_eq!(browser.path().await, thread);
    assert_eq!(browser.value("#input").await, "And then");
}

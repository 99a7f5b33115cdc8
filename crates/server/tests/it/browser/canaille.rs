//! People who sign in at Canaille, on its pages.

use retinue_testkit::{Browser, Database, Port, RealProvider};

use super::real::{server, two_people_share_nothing, wishes, write_in};

mod sqlite {
    use super::Database;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Chromium and Canaille; `cargo xtask test` provides them"]
    async fn two_people_share_nothing() {
        super::two_people(Database::sqlite()).await;
    }
}

mod postgres {
    use super::Database;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Chromium, Canaille and PostgreSQL; `cargo xtask test` provides them"]
    async fn two_people_share_nothing() {
        super::two_people(Database::postgres().await).await;
    }
}

async fn enter(browser: &Browser, login: &str) {
    write_in(browser, "[name=login]", login).await;
    write_in(browser, "[name=password]", login).await;
}

async fn again(browser: &Browser, login: &str) {
    write_in(browser, "[name=password]", login).await;
}

/// It lists who is signed in there.
async fn choose(browser: &Browser, login: &str) {
    browser.click(&format!("a[href$='/login/{login}']")).await;
}

/// It does not ask back: it was told whose session it is.
async fn leave(_browser: &Browser) {}

async fn two_people(database: Database) {
    let port = Port::take();
    let provider = RealProvider::canaille(wishes(&port)).await;
    let app = server(database, port, &provider).await;
    two_people_share_nothing(&app, enter, (again, choose), leave).await;
}

//! Servers where people sign in, and the pages that there are for that.

use retinue_app::thread::{NewThread, create};
use retinue_testkit::{Browser, Database, IdentityProvider, Person, Scheme, TestApp};
use serde_json::{Value, json};

const MARKUP: &str = "<script>window.ran = 1</script><img src=x onerror=\"window.ran=1\"><b>bold</b>";

/// Shows what a form leads to the provider with, without going there.
const LEAD_ON: &str = "fetch('/account/identities/add', {
    method: 'POST',
    headers: { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' },
    body: 'provider=sso',
})
    .then((answer) => answer.text())
    .then((page) => { document.documentElement.innerHTML = page.replace(/<meta http-equiv[^>]*>/, '') })";

/// A server, the provider at which people sign in, and a browser in which nobody has.
pub(super) async fn start() -> (TestApp, IdentityProvider, Browser) {
    let (app, provider) = TestApp::with_provider(Database::sqlite()).await;
    let browser = Browser::start(&app.url("")).await;
    (app, provider, browser)
}

/// Signs somebody in, who is at the start then.
pub(super) async fn sign_in(browser: &Browser, provider: &IdentityProvider, subject: &str) {
    let email = format!("{subject}@example.com");
    sign_in_as(browser, provider, (subject, json!({"name": subject, "email": email, "email_verified": true}))).await;
}

/// The same, for a subject of whom the provider tells this.
async fn sign_in_as(browser: &Browser, provider: &IdentityProvider, (subject, person): (&str, Value)) {
    provider.set(|script| {
        subject.clone_into(&mut script.subject);
        script.session = format!("session of {subject}");
        script.person = person;
    });
    browser.open("/auth/login").await;
    browser.until("location.pathname === '/'").await;
    // What the provider's pages ask for is not ours.
    browser.requests().await;
}

/// Shows each page that there is only where people sign in.
pub(super) async fn tour(look: &mut impl AsyncFnMut(&Browser, &str)) {
    strangers(look).await;
    accounts(look).await;
    ways(look).await;
}

async fn show(browser: &Browser, (name, path): (&str, &str), look: &mut impl AsyncFnMut(&Browser, &str)) {
    browser.view(1280, Scheme::Light).await;
    browser.open(path).await;
    look(browser, name).await;
}

async fn strangers(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let (_app, _provider, browser) = start().await;
    for page in [
        ("sign-in", "/sign-in"),
        ("sign-in-ended", "/sign-in?return_to=%2Fagents&ended=1"),
        ("sign-in-failed", "/auth/callback?code=old&state=old"),
        ("signed-out", "/signed-out"),
        ("gate-error", "/nothing"),
    ] {
        show(&browser, page, look).await;
    }
}

async fn accounts(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let (app, provider, browser) = start().await;
    let ada = json!({"name": "Ada Lovelace", "email": "ada@example.com", "email_verified": true});
    sign_in_as(&browser, &provider, ("ada", ada)).await;
    show(&browser, ("account", "/account"), look).await;
    browser.evaluate("document.getElementById('name').value = 'x'.repeat(300)").await;
    browser.evaluate("document.querySelector('.fields').submit()").await;
    browser.sees(".field-error", "A name is").await;
    look(&browser, "account-error").await;

    let local = app.app.local_context("".into());
    create(&local, NewThread::default()).await.unwrap();
    for _ in 0..2 {
        Person::signed_in(&app, &provider, "admin").await;
    }
    sign_in(&browser, &provider, "admin").await;
    show(&browser, ("account-admin", "/account"), look).await;
    // The page that leads to the provider, held on to.
    browser.evaluate(LEAD_ON).await;
    browser.sees("h1", "One moment").await;
    look(&browser, "lead-on").await;
    browser.view(1280, Scheme::Light).await;
    browser.open("/account").await;
    provider.set(|script| "second".clone_into(&mut script.subject));
    browser.click("[action='/account/identities/add'] button").await;
    browser.sees("[aria-labelledby=ways]", "You added it.").await;
    browser.requests().await;
    browser.open("/account").await;
    browser.evaluate("scrollTo(0, document.body.scrollHeight)").await;
    look(&browser, "account-end").await;

    let long = format!("{MARKUP} {} مرحبا", "Wolfeschlegelsteinhausenbergerdorff".repeat(3));
    let email = format!("{}@{}.example.com", "a-very-long-address".repeat(3), "department".repeat(5));
    let person = json!({"name": long, "email": email, "email_verified": false});
    sign_in_as(&browser, &provider, (&"subject-".repeat(20), person)).await;
    show(&browser, ("account-long", "/account"), look).await;
    assert_eq!(browser.evaluate("window.ran ?? null").await, json!(null));
    let right_to_left = json!({"name": "محمد بن موسى الخوارزمي", "email": "m@example.com", "email_verified": true});
    sign_in_as(&browser, &provider, ("muhammad", right_to_left)).await;
    show(&browser, ("home-right-to-left", "/"), look).await;
}

async fn ways(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let (app, _provider) = TestApp::with_provider_and_auth(Database::sqlite(), |auth| {
        let labels =
            ["Example", MARKUP, "שלום", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamter"];
        let provider = auth.providers[0].clone();
        let named = |label: &&str| {
            let mut provider = provider.clone();
            (*label).clone_into(&mut provider.label);
            provider
        };
        auth.providers = labels.iter().map(named).collect();
    })
    .await;
    let browser = Browser::start(&app.url("")).await;
    show(&browser, ("sign-in-many", "/sign-in?ended=1"), look).await;
    assert_eq!(browser.evaluate("window.ran ?? null").await, json!(null));
}

//! Whoever is led to sign in goes on from where they were, whichever way they take, and as the pages lead.

use reqwest::Response;
use retinue_testkit::{Person, location, on_both_databases};
use serde_json::json;

use super::{ADA, Database, PASSWORD, Registration, SmtpSink, TestApp, code, link, start};

with_mail! {
    a_link_leads_on_from_where_the_session_ended: Closed,
    a_code_leads_on_too: Closed,
    another_password_leads_on_too: Closed,
    whoever_shows_that_it_is_them_comes_back_to_their_account: Closed,
    whoever_makes_an_account_goes_on: Open,
    a_mail_has_no_words_of_whoever_asked_for_it: Open,
}

on_both_databases! {
    a_wrong_password_forgets_nothing,
    a_provider_that_failed_is_asked_anew_again,
}

const THREAD: &str = "/threads/thr_01h455vb4pex5vsknk084sn02q";
const ENDED: &str = "/sign-in?return_to=%2Fthreads%2Fthr_01h455vb4pex5vsknk084sn02q&ended=1";
const AGAIN: &str = "/sign-in?return_to=%2Faccount&again=1";
const PROVIDER: &str = "Continue with <bdi>Example</bdi></span>";

/// A page, as somebody without scripts uses it.
struct Page(String);

impl Page {
    async fn of(response: Response) -> Self {
        Self(response.text().await.unwrap())
    }

    async fn at(person: &Person, path: &str) -> Self {
        Self::of(person.open(path).await).await
    }

    /// Where the link with these words leads.
    fn href(&self, words: &str) -> String {
        let (before, _) = self.0.split_once(&format!("{words}</a>")).unwrap_or_else(|| panic!("{words}: {}", self.0));
        let (_, href) = before.rsplit_once("href=\"").unwrap();
        unescaped(href.split_once('"').unwrap().0)
    }

    /// Sends the page's one form, with what it carries unseen, and this typed.
    async fn send(&self, person: &Person, typed: &[(&str, &str)]) -> Response {
        let (_, form) = self.0.split_once("<form").unwrap_or_else(|| panic!("no form: {}", self.0));
        let hidden: Vec<(String, String)> = form
            .split("<input type=\"hidden\"")
            .skip(1)
            .map(|input| (attribute(input, "name"), attribute(input, "value")))
            .collect();
        let unseen = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<_> = unseen.chain(typed.iter().copied()).collect();
        person.submit(&attribute(form, "action"), &fields).await
    }
}

fn attribute(text: &str, name: &str) -> String {
    let (_, value) = text.split_once(&format!("{name}=\"")).unwrap();
    unescaped(value.split_once('"').unwrap().0)
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&amp;", "&")
}

/// Asks for a mail on the page that a link of the sign-in page leads to; the page that says that it is on its way.
async fn ask(person: &Person, from: &str, words: &str) -> Page {
    let page = Page::at(person, &Page::at(person, from).await.href(words)).await;
    Page::of(page.send(person, &[("email", ADA)]).await).await
}

async fn a_link_leads_on_from_where_the_session_ended(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, None).await;
    let ada = Person::stranger(app);
    ask(&ada, ENDED, "Get a link by mail instead").await;
    let path = link(app, &sink.next().await).0;
    // It may be opened elsewhere: what it leads to stands in it.
    let phone = Person::stranger(app);
    let opened = Page::at(&phone, &path).await.send(&phone, &[]).await;
    assert_eq!((opened.status().as_u16(), location(&opened).as_str()), (303, THREAD));

    let spent = Page::at(&ada, &path).await.href("Ask for another link");
    Page::at(&ada, &spent).await.send(&ada, &[("email", ADA)]).await;
    let token = link(app, &sink.next().await).1;
    let token = token.split('&').next().unwrap();
    // Whoever makes a link themselves has no token, and leads nobody away.
    for evil in ["//evil.example", "https://evil.example", "/%5Cevil.example", "/auth/logout"] {
        let forged = ada.open(&format!("/auth/magic-link/verify?token=x&return_to={evil}")).await;
        assert_eq!(forged.status(), 409);
        let page = Page::at(&ada, &format!("/auth/magic-link/verify?token={token}&return_to={evil}")).await;
        assert!(!page.0.contains("evil") && !page.0.contains("logout"), "{}", page.0);
    }
    let evil = [("token", token), ("return_to", "//evil.example")];
    assert_eq!(location(&ada.submit("/auth/magic-link/verify", &evil).await), "/");
}

async fn a_code_leads_on_too(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, None).await;
    let ada = Person::stranger(app);
    let sent = ask(&ada, ENDED, "Get a link by mail instead").await;
    let mail = sink.next().await;
    let wrong = Page::of(sent.send(&ada, &[("code", "0000-0000")]).await).await;
    assert_eq!(location(&wrong.send(&ada, &[("code", &code(&mail))]).await), THREAD);
    let back = wrong.href("Ask for another one");
    assert!(Page::at(&ada, &back).await.href("Back to sign-in").contains("ended=1"), "and why is not forgotten");
}

async fn another_password_leads_on_too(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, Some(PASSWORD)).await;
    let ada = Person::stranger(app);
    let sent = ask(&ada, ENDED, "Forgot your password?").await;
    sink.next().await;
    assert_eq!(sent.send(&ada, &[]).await.status(), 200, "sent again");
    let page = Page::at(&ada, &link(app, &sink.next().await).0).await;
    let short = Page::of(page.send(&ada, &[("password", "short")]).await).await;
    assert_eq!(location(&short.send(&ada, &[("password", "another good one")]).await), THREAD);
}

async fn whoever_shows_that_it_is_them_comes_back_to_their_account(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, None).await;
    let ada = Person::stranger(app);
    for by_code in [false, true] {
        let sent = ask(&ada, AGAIN, "Get a link by mail instead").await;
        let mail = sink.next().await;
        let back = if by_code {
            sent.send(&ada, &[("code", &code(&mail))]).await
        } else {
            Page::at(&ada, &link(app, &mail).0).await.send(&ada, &[]).await
        };
        assert_eq!(location(&back), "/account");
    }
    let mail = Page::at(&ada, AGAIN).await.href("Get a link by mail instead");
    assert_eq!(Page::at(&ada, &mail).await.href("Back to sign-in"), AGAIN, "not to the account, with nothing shown");
}

async fn whoever_makes_an_account_goes_on(app: &TestApp, sink: &SmtpSink) {
    let ada = Person::stranger(app);
    let sent = ask(&ada, "/sign-in?return_to=%2Fagents", "Make an account").await;
    let wrong = Page::of(sent.send(&ada, &[("code", "0000-0000")]).await).await;
    for page in [sent, wrong] {
        // A link to sign in would not come: she has no account yet.
        assert_eq!(page.href("Ask for another one"), "/auth/register?return_to=%2Fagents");
    }
    let page = Page::at(&ada, &link(app, &sink.next().await).0).await;
    assert_eq!(location(&page.send(&ada, &[]).await), "/agents");
}

/// Anybody can have a mail sent to somebody else.
async fn a_mail_has_no_words_of_whoever_asked_for_it(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, None).await;
    let said = "/?q=your-account-is-locked-call-0800";
    for path in ["/auth/magic-link", "/auth/password-reset"] {
        let (status, _) = Person::stranger(app).post(path, &json!({"email": ADA, "return_to": said})).await;
        assert_eq!(status, 200);
        let text = sink.next().await.text();
        assert!(!text.contains("locked") && !text.contains("return_to"), "{text}");
    }
    let asked = json!({"email": "new@example.com", "return_to": said});
    assert_eq!(Person::stranger(app).post("/auth/register", &asked).await.0, 200);
    assert!(!sink.next().await.text().contains("locked"));
}

async fn a_wrong_password_forgets_nothing(database: Database) {
    let (app, _provider) = TestApp::with_both_ways(database).await;
    app.add_user(ADA, Some(PASSWORD)).await;
    for (from, callout, to) in [
        (ENDED, "Your session has ended", THREAD),
        (AGAIN, "Show once more that it is you", "/account"),
        ("/sign-in?return_to=%2Fagents", "", "/agents"),
    ] {
        let ada = Person::stranger(&app);
        let first = Page::at(&ada, from).await;
        let again = Page::of(first.send(&ada, &[("email", ADA), ("password", "wrong")]).await).await;
        assert!(again.0.contains(callout) && again.0.contains("role=\"alert\""), "{}", again.0);
        assert_eq!(again.href(PROVIDER), first.href(PROVIDER));
        assert_eq!(location(&again.send(&ada, &[("email", ADA), ("password", PASSWORD)]).await), to);
    }
}

async fn a_provider_that_failed_is_asked_anew_again(database: Database) {
    let (app, provider) = TestApp::with_provider(database).await;
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let begun = ada.begin(&Page::at(&ada, AGAIN).await.href(PROVIDER)).await;
    let mut back = provider.visit(&begun);
    let state = back.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    back.query_pairs_mut().clear().append_pair("error", "access_denied").append_pair("state", &state);
    let failed = Page::of(ada.come_back(&back).await).await;
    assert_eq!(failed.href("Try again"), AGAIN);
}

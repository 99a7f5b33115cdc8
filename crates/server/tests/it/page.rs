//! Pages and their forms, as a browser without scripts uses them.

use reqwest::header::{ACCEPT, LOCATION};
use reqwest::{Method, StatusCode};
use retinue_testkit::{TestApp, on_both_engines};

on_both_engines! {
    a_conversation_is_had_with_forms_alone,
    hostile_text_is_shown_as_text,
    what_was_typed_is_given_back_when_it_is_refused,
    errors_are_pages_for_browsers,
    nothing_is_said_twice,
    a_place_is_marked_only_by_whoever_is_there,
    an_earlier_part_of_a_long_conversation_is_reached,
}

async fn page(app: &TestApp, path: &str) -> String {
    let response = app.request(Method::GET, path).header(ACCEPT, "text/html").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.text().await.unwrap()
}

/// Sends a form; where it leads.
async fn submit(app: &TestApp, path: &str, fields: &[(&str, &str)]) -> String {
    let response = app.request(Method::POST, path).header(ACCEPT, "text/html").form(fields).send().await.unwrap();
    let status = response.status();
    assert_eq!(status, StatusCode::SEE_OTHER, "{}", response.text().await.unwrap());
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

async fn a_conversation_is_had_with_forms_alone(app: TestApp) {
    assert!(page(&app, "/").await.contains("Your conversations will be listed here"));
    let thread = submit(&app, "/threads", &[("input", "Say\r\nhello")]).await;
    let exchange = app.model.next().await;
    let waiting = page(&app, &thread).await;
    assert!(waiting.contains("http-equiv=\"refresh\""), "without scripts the page comes again by itself");
    assert!(waiting.contains("Say<br>hello"));
    exchange.answer("Hello, *you*").await;
    let run = run_on(&waiting);
    app.ended(&run).await;
    let answered = page(&app, &thread).await;
    assert!(answered.contains("Hello, <em>you</em>") && !answered.contains("http-equiv=\"refresh\""));

    assert_eq!(submit(&app, &format!("{thread}/runs"), &[("input", "More"), ("model", "other-model")]).await, thread);
    let exchange = app.model.next().await;
    assert_eq!(exchange.request["model"], "other-model");
    let answer = exchange.begin();
    answer.say("A long story").await;
    let run = run_on(&page(&app, &thread).await);
    app.follow(&run, None).await.until("message.delta").await;
    assert_eq!(submit(&app, &format!("/runs/{run}/cancel"), &[("input", "")]).await, thread);
    let stopped = page(&app, &thread).await;
    assert!(stopped.contains("You stopped this answer") && stopped.contains("A long story"));
    assert_eq!(submit(&app, &format!("/runs/{run}/retry"), &[]).await, thread);
    app.model.next().await.answer("Short").await;
    app.ended(&run_on(&page(&app, &thread).await)).await;
    assert!(page(&app, &thread).await.contains("Earlier answer"));

    assert_eq!(submit(&app, &format!("{thread}/title"), &[("title", "Greetings")]).await, thread);
    assert!(page(&app, "/?q=greet").await.contains("Greetings"));
    assert!(page(&app, &format!("{thread}/delete")).await.contains("5 messages and 3 runs"));
    assert_eq!(submit(&app, &format!("{thread}/delete"), &[]).await, "/");
    assert!(!page(&app, "/").await.contains("Greetings"));
}

/// The id of the newest run on a page.
fn run_on(page: &str) -> String {
    let start = page.rfind("data-run=\"run_").or_else(|| page.find("data-run=\"run_")).unwrap() + "data-run=\"".len();
    page[start..start + 30].to_owned()
}

async fn hostile_text_is_shown_as_text(app: TestApp) {
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let thread = submit(&app, "/threads", &[("input", hostile)]).await;
    let exchange = app.model.next().await;
    let run = run_on(&page(&app, &thread).await);
    exchange.answer(&format!("{hostile}\n\n[x](javascript:alert(1)) ![t](https://evil.example/pixel.png)")).await;
    app.ended(&run).await;
    submit(&app, &format!("{thread}/title"), &[("title", hostile)]).await;
    let turn = thread.clone();
    for path in
        ["/".to_owned(), thread, format!("{turn}/delete"), "/?q=alert".to_owned(), "/?q=%3Cscript%3Ealert".to_owned()]
    {
        let html = page(&app, &path).await;
        assert!(!html.contains("<script>") && !html.contains("<img") && !html.contains("href=\"javascript:"), "{path}");
        assert!(html.contains("&lt;script&gt;") || html.contains("&#60;script&#62;"), "{path}");
    }
}

async fn what_was_typed_is_given_back_when_it_is_refused(app: TestApp) {
    let thread = submit(&app, "/threads", &[("input", "Hello")]).await;
    let exchange = app.model.next().await;
    let request = app.request(Method::POST, &format!("{thread}/runs")).header(ACCEPT, "text/html");
    let response = request.form(&[("input", "My <long> thought")]).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let html = response.text().await.unwrap();
    assert!(html.contains("My &#60;long&#62; thought"), "{html}");
    assert!(html.contains("An answer is still being written"));
    exchange.answer("Done").await;

    let response = app.request(Method::POST, "/threads").form(&[("input", "  ")]).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(response.text().await.unwrap().contains("Write something first"));
}

async fn nothing_is_said_twice(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    let answer = app.model.next().await.begin();
    answer.say("Half a").await;
    answer.cut();
    let ended = app.ended(&run).await;
    assert!(ended["error"]["message"].as_str().unwrap().ends_with("whole. Try again."), "{ended}");
    let shown = page(&app, &format!("/threads/{thread}")).await;
    assert!(shown.contains("ended the connection before it was whole.</p>"), "{shown}");
    assert!(shown.contains(">Try again</button>"));

    let agents = page(&app, "/agents").await;
    assert!(agents.contains("<h3>test-model</h3>") && !agents.contains("<code>test-model</code>"));
}

async fn a_place_is_marked_only_by_whoever_is_there(app: TestApp) {
    let marked = "href=\"/\" aria-current=\"page\"";
    assert!(page(&app, "/").await.contains(marked));
    assert!(page(&app, "/?q=+").await.contains(marked));
    assert!(!page(&app, "/?q=plan").await.contains(marked));
    assert!(!page(&app, "/agents").await.contains(marked));
}

async fn errors_are_pages_for_browsers(app: TestApp) {
    for (path, status, words) in [
        ("/threads/thr_01h455vb4pex5vsknk084sn02q", 404, "It may have been deleted"),
        ("/nothing", 404, "Nothing is here"),
        ("/threads/thr_x", 404, "This address leads nowhere"),
        ("/threads/%FF", 404, "This address leads nowhere"),
        ("/threads/thr_01h455vb4pex5vsknk084sn02q?no=1", 400, "That was not understood"),
        ("/threads", 405, "GET is not possible here"),
        ("/assets/old/app.css", 404, "There is nothing at this address"),
    ] {
        let response = app.request(Method::GET, path).header(ACCEPT, "text/html,*/*").send().await.unwrap();
        assert_eq!(response.status(), status);
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        assert!(response.text().await.unwrap().contains(words));
    }
    let response = app.request(Method::GET, "/nothing").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

async fn an_earlier_part_of_a_long_conversation_is_reached(app: TestApp) {
    let (thread, _) = app.conversation("Message number 0", "Answer 0").await;
    for number in 1..60 {
        let run = app.say(&thread, &format!("Message number {number}")).await;
        app.model.next().await.answer(&format!("Answer {number}")).await;
        app.ended(&run).await;
    }
    let newest = page(&app, &format!("/threads/{thread}")).await;
    assert!(newest.contains("Message number 59") && !newest.contains("Message number 3<"));
    let start = newest.find(&format!("/threads/{thread}?before=")).unwrap();
    let end = start + newest[start..].find('"').unwrap();
    let earlier = page(&app, &newest[start..end]).await;
    assert!(earlier.contains("Message number 3<") && !earlier.contains("Message number 59"));
}

//! What is wrong is refused with a stable code, and leaves nothing behind.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HOST, ORIGIN};
use retinue_testkit::{TestApp, on_both_engines};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

on_both_engines! {
    bodies_that_are_not_understood,
    ids_of_another_kind_or_of_nobody,
    cursors_and_limits_that_no_list_gave,
    text_that_can_not_be_kept,
    requests_from_other_sites_and_under_other_names,
    what_reaches_no_handler_is_answered_like_the_rest,
}

async fn post(app: &TestApp, body: impl Into<reqwest::Body>, content_type: &str) -> (u16, Value) {
    let request = app.request(Method::POST, "/api/threads").header(CONTENT_TYPE, content_type).body(body);
    answer(request).await
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let header = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"], header);
    (status, problem["code"].clone())
}

async fn bodies_that_are_not_understood(app: TestApp) {
    let json_type = "application/json";
    let deep = format!("{{\"title\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: [(Vec<u8>, &str, u16, &str); 9] = [
        (b"{\"title\":\"\xff\"}".to_vec(), json_type, 400, "invalid_utf8"),
        (b"{".to_vec(), json_type, 400, "invalid_json"),
        (Vec::new(), json_type, 400, "invalid_json"),
        (deep.into_bytes(), json_type, 400, "json_too_deep"),
        (b"{\"titel\":\"x\"}".to_vec(), json_type, 400, "invalid_body"),
        (b"{\"title\":1}".to_vec(), json_type, 400, "invalid_body"),
        (b"{}".to_vec(), "text/plain", 415, "unsupported_media_type"),
        (b"title=x".to_vec(), "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (vec![b' '; 10 << 20], json_type, 413, "body_too_large"),
    ];
    for (body, content_type, status, code) in cases {
        assert_eq!(post(&app, body, content_type).await, (status, json!(code)));
    }
    assert_eq!(app.get("/api/threads").await["data"], json!([]));
    let right =
        app.request(Method::POST, "/api/threads").header(CONTENT_TYPE, "application/JSON; charset=utf-8").body("{}");
    assert_eq!(right.send().await.unwrap().status(), 201);
}

async fn ids_of_another_kind_or_of_nobody(app: TestApp) {
    let (thread, run) = app.conversation("Hello", "Hi").await;
    let nobody = "01h455vb4pex5vsknk084sn02q";
    for path in [
        format!("/api/threads/{run}"),
        format!("/api/runs/{thread}"),
        format!("/api/threads/thr_{nobody}"),
        format!("/api/threads/thr_{nobody}/messages"),
        format!("/api/runs/run_{nobody}"),
        format!("/api/runs/run_{nobody}/events"),
        "/api/threads/1".to_owned(),
        "/api/threads/..%2F..%2Fetc".to_owned(),
        "/api/agents/agt_x".to_owned(),
        "/api/nothing".to_owned(),
    ] {
        assert_eq!(answer(app.request(Method::GET, &path)).await, (404, json!("not_found")), "{path}");
    }
    for path in [format!("/api/runs/run_{nobody}/cancel"), format!("/api/runs/run_{nobody}/retry")] {
        assert_eq!(answer(app.request(Method::POST, &path)).await, (404, json!("not_found")), "{path}");
    }
    assert_eq!(answer(app.request(Method::PUT, "/api/threads")).await, (405, json!("method_not_allowed")));
}

async fn cursors_and_limits_that_no_list_gave(app: TestApp) {
    let (thread, _) = app.conversation("Hello", "Hi").await;
    app.thread().await;
    let cursor = app.get("/api/threads?limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    let altered = format!("{}{}", if cursor.starts_with('A') { "B" } else { "A" }, &cursor[1..]);
    for (query, code) in [
        (format!("cursor={altered}"), "invalid_cursor"),
        (format!("cursor={}", &cursor[..10]), "invalid_cursor"),
        ("cursor=".to_owned(), "invalid_cursor"),
        ("cursor=%00".to_owned(), "invalid_cursor"),
        ("limit=0".to_owned(), "invalid_limit"),
        ("limit=201".to_owned(), "invalid_limit"),
        ("limit=x".to_owned(), "invalid_query"),
        ("unknown=1".to_owned(), "invalid_query"),
        ("q=".to_owned(), "invalid_search"),
        ("q=%21%3F".to_owned(), "invalid_search"),
        (format!("q={}", "x".repeat(201)), "invalid_search"),
    ] {
        assert_eq!(
            answer(app.request(Method::GET, &format!("/api/threads?{query}"))).await,
            (400, json!(code)),
            "{query}"
        );
    }
    // A cursor of one list is none of another.
    let path = format!("/api/threads/{thread}/messages?cursor={cursor}");
    assert_eq!(answer(app.request(Method::GET, &path)).await, (400, json!("invalid_cursor")));
}

async fn text_that_can_not_be_kept(app: TestApp) {
    let thread = app.thread().await;
    let path = format!("/api/threads/{thread}/runs");
    for (input, status, code) in [
        (json!({"input": ""}), 400, "invalid_input"),
        (json!({"input": " \n\t "}), 400, "invalid_input"),
        (json!({"input": "a\u{0}b"}), 400, "invalid_input"),
        (json!({"input": "x".repeat(100_001)}), 413, "input_too_long"),
        (json!({"input": "x", "agent_id": "thr_01h455vb4pex5vsknk084sn02q"}), 400, "invalid_id"),
        (json!(["x"]), 400, "invalid_body"),
        (json!({"input": null}), 400, "invalid_body"),
        (json!({}), 400, "invalid_body"),
        (json!({"input": "x", "status": "completed"}), 400, "invalid_body"),
    ] {
        let problem = app.send(Method::POST, &path, &input, status).await;
        assert_eq!(problem["code"], code);
    }
    // What is odd but text comes back as it went in.
    let odd = "\u{202e}evil \u{1F469}\u{200D}\u{1F469} \u{7} <b>&amp;</b> ' \" \\ \u{FFFD} é\u{301}";
    let run = app.say(&thread, odd).await;
    app.model.next().await.answer("nul \u{0} bell \u{7}").await;
    app.ended(&run).await;
    let messages = app.get(&format!("/api/threads/{thread}/messages")).await;
    assert_eq!(messages["data"][0]["content"], odd);
    assert_eq!(messages["data"][1]["content"], "nul \u{FFFD} bell \u{7}");
}

async fn requests_from_other_sites_and_under_other_names(app: TestApp) {
    let new = || app.request(Method::POST, "/api/threads").json(&json!({}));
    for request in [
        new().header(ORIGIN, "https://evil.example"),
        new().header("sec-fetch-site", "cross-site"),
        new().header("sec-fetch-site", "same-site"),
        new().header(ORIGIN, "null"),
    ] {
        assert_eq!(answer(request).await, (403, json!("cross_site")));
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8080", "192.168.0.9"] {
        let request = app.request(Method::GET, "/api/threads").header(HOST, host);
        assert_eq!(answer(request).await, (421, json!("host_not_allowed")), "{host}");
    }
    assert_eq!(app.get("/api/threads").await["data"], json!([]));
    // A page elsewhere may link here, and load nothing.
    let read = || app.request(Method::GET, "/api/threads").header("sec-fetch-site", "cross-site");
    assert_eq!(answer(read().header("sec-fetch-mode", "no-cors")).await, (403, json!("cross_site")));
    let link =
        app.request(Method::GET, "/").header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
    assert_eq!(link.send().await.unwrap().status(), 200);
    let own = new().header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!(own.status(), 201);
}

async fn what_reaches_no_handler_is_answered_like_the_rest(app: TestApp) {
    let long = format!("GET /api/{} HTTP/1.1", "x".repeat(12_000));
    for (line, status, code) in [
        ("GET /nothing HTTP/1.1", 404, "not_found"),
        ("GET //api/threads HTTP/1.1", 404, "not_found"),
        ("GET /api/threads/%FF%FE HTTP/1.1", 404, "not_found"),
        ("GET /assets/%FF/app.css HTTP/1.1", 404, "not_found"),
        ("GET /assets/000000000000/app.css HTTP/1.1", 404, "not_found"),
        ("GET /threads/%00 HTTP/1.1", 404, "not_found"),
        ("GET /api/threads?limit=x HTTP/1.0", 400, "invalid_query"),
        ("DELETE /agents HTTP/1.1", 405, "method_not_allowed"),
        ("TRACE /api/threads HTTP/1.1", 405, "method_not_allowed"),
        ("BREW /api/threads HTTP/1.1", 405, "method_not_allowed"),
        ("OPTIONS * HTTP/1.1", 404, "not_found"),
        ("CONNECT localhost:443 HTTP/1.1", 404, "not_found"),
        (&long, 404, "not_found"),
    ] {
        let answer = raw(&app, &format!("{line}\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.split(' ').nth(1), Some(status.to_string().as_str()), "{line}: {head}");
        let header = |name: &str| {
            let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.unwrap_or_else(|| panic!("{line}: no {name} in {head}")).to_owned()
        };
        assert_eq!(header("content-type"), "application/problem+json", "{line}");
        assert!(header("content-security-policy").starts_with("default-src 'none'"), "{line}");
        assert_eq!(
            (header("x-content-type-options").as_str(), header("cache-control").as_str()),
            ("nosniff", "no-store")
        );
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(status)), "{line}");
        assert_eq!(problem["request_id"], header("x-request-id"), "{line}");
    }
}

/// Sends these bytes; everything that comes back.
async fn raw(app: &TestApp, request: &str) -> String {
    let url = app.url("");
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

//! Somebody with a browser of their own: as much of one as signing in needs. It keeps cookies, and goes where it is led only
//! when it is told to.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::{EventStream, IdentityProvider, TestApp};

/// Somebody with a browser of their own.
#[derive(Debug)]
pub struct Person {
    http: Client,
    base: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Person {
    /// Somebody whom the program does not know.
    #[must_use]
    pub fn stranger(app: &TestApp) -> Self {
        Self::at(app.url(""))
    }

    /// Somebody whom the program at this address does not know.
    #[must_use]
    pub fn at(base: String) -> Self {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { http, base, cookies: Mutex::default() }
    }

    /// Somebody who has signed in at the provider as `subject`, whose name is that too.
    pub async fn signed_in(app: &TestApp, provider: &IdentityProvider, subject: &str) -> Self {
        let person = Self::stranger(app);
        let response = person.sign_in(provider, subject, "/").await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", response.text().await.unwrap());
        person
    }

    /// The same browser, with cookies of its own from now on, once the program was started anew.
    #[must_use]
    pub fn again_at(&self, app: &TestApp) -> Self {
        let person = Self::stranger(app);
        person.cookies(|cookies| cookies.clone_from(&self.cookies.lock().unwrap()));
        person
    }

    /// Signs in at the provider as `subject`; the program's answer to the callback.
    pub async fn sign_in(&self, provider: &IdentityProvider, subject: &str, return_to: &str) -> Response {
        provider.greet(subject);
        let begun = self.begin(&format!("/auth/login?return_to={return_to}")).await;
        self.come_back(&provider.visit(&begun)).await
    }

    /// Signs in as whoever is at the provider of this name; the program's answer to the callback.
    pub async fn sign_in_at(&self, name: &str, provider: &IdentityProvider) -> Response {
        let begun = self.begin(&format!("/auth/login?provider={name}")).await;
        self.come_back(&provider.visit(&begun)).await
    }

    /// Adds an identity of whoever is at the provider of this name; the program's answer to the callback.
    pub async fn add_identity(&self, name: &str, provider: &IdentityProvider) -> Response {
        let begun = self.begin_to_add(name).await;
        self.come_back(&provider.visit(&begun)).await
    }

    /// Begins to add an identity; where the browser is led, by a page.
    pub async fn begin_to_add(&self, name: &str) -> String {
        let response = self.submit("/account/identities/add", &[("provider", name)]).await;
        let (status, page) = (response.status(), response.text().await.unwrap());
        let (_, rest) = page.split_once("content=\"0; url=").unwrap_or_else(|| panic!("{status}: {page}"));
        rest.split_once('"').unwrap().0.replace("&#38;", "&").replace("&amp;", "&")
    }

    /// Begins to sign in; where the browser is led.
    pub async fn begin(&self, path: &str) -> String {
        location(&self.open(path).await)
    }

    /// What a browser is shown at a path.
    pub async fn open(&self, path: &str) -> Response {
        self.send(self.request(Method::GET, path).header("accept", "text/html")).await
    }

    /// Signs in with an address and a password, as the page does.
    pub async fn sign_in_with(&self, email: &str, password: &str) -> Response {
        self.submit("/auth/login", &[("email", email), ("password", password), ("return_to", "/")]).await
    }

    /// Goes to where a provider leads.
    pub async fn come_back(&self, url: &url::Url) -> Response {
        self.open(url.as_str().strip_prefix(&self.base).expect("the provider leads elsewhere")).await
    }

    /// A request to a path, with the cookies there are.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let cookies = self.cookies.lock().unwrap();
        if cookies.is_empty() {
            return request;
        }
        let cookies: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header("cookie", cookies.join("; "))
    }

    /// Sends a request, and keeps the cookies that the answer sets.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let response = request.send().await.unwrap();
        let mut cookies = self.cookies.lock().unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        drop(cookies);
        response
    }

    /// The status of an answer to this, without a body.
    pub async fn status(&self, method: Method, path: &str) -> u16 {
        self.send(self.request(method, path)).await.status().as_u16()
    }

    /// What is at a path, which must be there.
    pub async fn get(&self, path: &str) -> Value {
        let response = self.send(self.request(Method::GET, path)).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Posts JSON; status and body.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let response = self.send(self.request(Method::POST, path).json(body)).await;
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    /// Sends JSON and checks the status; the body.
    pub async fn send_json(&self, method: Method, path: &str, body: &Value, status: u16) -> Value {
        let response = self.send(self.request(method, path).json(body)).await;
        let (found, text) = (response.status().as_u16(), response.text().await.unwrap());
        assert_eq!(found, status, "{path} {body}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Posts a form, as a page does.
    pub async fn submit(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.request(Method::POST, path).header("accept", "text/html");
        self.send(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    }

    /// A new conversation's id.
    pub async fn thread(&self) -> String {
        let (status, thread) = self.post("/api/threads", &json!({})).await;
        assert_eq!(status, 201, "{thread}");
        thread["id"].as_str().unwrap().to_owned()
    }

    /// Says something in a conversation; the run's id.
    pub async fn say(&self, thread: &str, input: &str) -> String {
        let (status, run) = self.post(&format!("/api/threads/{thread}/runs"), &json!({ "input": input })).await;
        assert_eq!(status, 201, "{run}");
        run["id"].as_str().unwrap().to_owned()
    }

    /// Follows a run.
    pub async fn follow(&self, run: &str) -> EventStream {
        let response = self.send(self.request(Method::GET, &format!("/api/runs/{run}/events"))).await;
        assert_eq!(response.status(), StatusCode::OK);
        EventStream::new(response)
    }

    /// The cookies, to be looked at or changed.
    pub fn cookies(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) {
        change(&mut self.cookies.lock().unwrap());
    }

    /// What the session's cookie says.
    #[must_use]
    pub fn session_cookie(&self) -> String {
        let cookies = self.cookies.lock().unwrap();
        cookies.get("retinue-session").cloned().unwrap_or_default()
    }

    /// Their id.
    pub async fn id(&self) -> String {
        self.get("/auth/me").await["user"]["id"].as_str().unwrap().to_owned()
    }
}

/// Where an answer leads.
#[must_use]
pub fn location(response: &Response) -> String {
    let location = response.headers().get("location").unwrap_or_else(|| panic!("{} leads nowhere", response.status()));
    location.to_str().unwrap().to_owned()
}

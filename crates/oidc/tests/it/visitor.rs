//! As much of a browser as a sign-in needs: it follows redirects and keeps cookies.

use std::collections::BTreeMap;

use reqwest::{Client, RequestBuilder, Response, redirect};
use url::Url;

pub(crate) struct Visitor {
    http: Client,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    pub(crate) fn new() -> Self {
        let http = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { http, cookies: BTreeMap::new() }
    }

    /// Goes there and on, until it is led away from that host; gives where to.
    pub(crate) async fn led_away(&mut self, url: &str) -> Url {
        let mut url = Url::parse(url).unwrap();
        for _ in 0..10 {
            let response = self.send(self.http.get(url.clone())).await;
            let next =
                location(&response, &url).unwrap_or_else(|| panic!("{url} leads nowhere: {}", response.status()));
            if next.origin() != url.origin() {
                return next;
            }
            url = next;
        }
        panic!("no end of redirects");
    }

    /// The page that is there.
    pub(crate) async fn read(&mut self, url: &str) -> String {
        self.send(self.http.get(url)).await.text().await.unwrap()
    }

    /// Posts a form; gives where it leads to.
    pub(crate) async fn post(&mut self, url: &Url, form: &[(&str, &str)]) -> Url {
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request =
            self.http.post(url.clone()).header("content-type", "application/x-www-form-urlencoded").body(body);
        let response = self.send(request).await;
        location(&response, url).unwrap()
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }
}

fn location(response: &Response, url: &Url) -> Option<Url> {
    url.join(response.headers().get("location")?.to_str().unwrap()).ok()
}

//! As much of a browser as a sign-in needs: it follows redirects and keeps cookies.

use std::collections::BTreeMap;

use reqwest::{Client, RequestBuilder, Response, redirect};
use url::Url;

pub(crate) struct Visitor {
    http: Client,
    cookies: BTreeMap<String, String>,
}

/// Where a way ended.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// At a page of that host.
    At(Page),
    /// At the first address that is elsewhere, which is not asked.
    Away(Url),
}

#[derive(Debug)]
pub(crate) struct Page {
    pub url: Url,
    pub text: String,
}

impl Arrival {
    pub(crate) fn page(self) -> Page {
        match self {
            Self::At(page) => page,
            Self::Away(url) => panic!("no page, but sent to {url}"),
        }
    }

    pub(crate) fn away(self) -> Url {
        match self {
            Self::Away(url) => url,
            Self::At(page) => panic!("a page at {}: {}", page.url, page.text),
        }
    }
}

impl Page {
    /// The hidden fields of its form, with their values.
    fn hidden(&self) -> Vec<(&str, &str)> {
        let inputs = self.text.split("<input").skip(1).filter_map(|rest| rest.split('>').next());
        let hidden = inputs.filter(|input| input.contains("type=\"hidden\""));
        hidden.filter_map(|input| Some((attribute(input, " name=\"")?, attribute(input, " value=\"")?))).collect()
    }
}

fn attribute<'a>(tag: &'a str, begin: &str) -> Option<&'a str> {
    tag.split_once(begin)?.1.split('"').next()
}

impl Visitor {
    pub(crate) fn new() -> Self {
        let http = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { http, cookies: BTreeMap::new() }
    }

    /// Goes there and on, until there is a page, or it is led away from that host.
    pub(crate) async fn arrive(&mut self, url: &str) -> Arrival {
        let url = Url::parse(url).unwrap();
        let request = self.http.get(url.clone());
        self.follow(url, request).await
    }

    /// Goes there and on, until it is led away from that host; gives where to.
    pub(crate) async fn led_away(&mut self, url: &str) -> Url {
        self.arrive(url).await.away()
    }

    /// Fills in the form of a page, and goes on.
    pub(crate) async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Arrival {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let body = form.extend_pairs(page.hidden()).extend_pairs(fields).finish();
        let request = self.http.post(page.url.clone()).header("content-type", "application/x-www-form-urlencoded");
        self.follow(page.url.clone(), request.body(body)).await
    }

    async fn follow(&mut self, mut url: Url, mut request: RequestBuilder) -> Arrival {
        for _ in 0..10 {
            let response = self.send(request).await;
            let Some(next) = location(&response, &url) else {
                assert!(response.status().is_success(), "{url} leads nowhere: {}", response.status());
                return Arrival::At(Page { url, text: response.text().await.unwrap() });
            };
            if next.origin() != url.origin() {
                return Arrival::Away(next);
            }
            request = self.http.get(next.clone());
            url = next;
        }
        panic!("no end of redirects");
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

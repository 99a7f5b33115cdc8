//! Lists that are short enough to be read whole, and given in parts all the same.

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::Value;

with_people_on_both_engines! {
    sessions_are_listed_in_parts,
}

async fn sessions_are_listed_in_parts(app: TestApp, provider: IdentityProvider) {
    let mut people = Vec::new();
    for _ in 0..5 {
        people.push(Person::signed_in(&app, &provider, "ada").await);
    }
    let ada = people.pop().unwrap();
    let ids = |list: &Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    let whole = ada.get("/api/sessions").await;
    assert_eq!((ids(&whole).len(), &whole["next_cursor"]), (5, &Value::Null));
    let (mut path, mut parts) = ("/api/sessions?limit=2".to_owned(), Vec::new());
    loop {
        let part = ada.get(&path).await;
        parts.push(ids(&part));
        let Some(cursor) = part["next_cursor"].as_str() else { break };
        // What is over is not in the next part, and nothing else is left out.
        if parts.len() == 1 {
            assert_eq!(ada.status(Method::DELETE, &format!("/api/sessions/{}", parts[0][1])).await, 204);
        }
        path = format!("/api/sessions?limit=2&cursor={cursor}");
    }
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(parts.concat(), ids(&whole));
    for query in ["limit=0", "limit=201", "cursor=abc", "page=2"] {
        assert_eq!(ada.status(Method::GET, &format!("/api/sessions?{query}")).await, 400, "{query}");
        assert_eq!(ada.status(Method::GET, &format!("/api/identities?{query}")).await, 400, "{query}");
    }
}

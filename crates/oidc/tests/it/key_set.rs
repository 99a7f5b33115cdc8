//! Keys that change, and keys that must not be used.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use retinue_testkit::SigningKey;
use retinue_testkit::identity_provider::{Reply, Signer};
use serde_json::{Value, json};

use crate::stage::{Stage, code};

async fn with_key(change: impl FnOnce(&mut Value)) -> &'static str {
    let mut jwk = SigningKey::rsa("rsa").jwk();
    change(&mut jwk);
    // Another key keeps the set usable.
    let other = SigningKey::new("ec", "ES256").jwk();
    Stage::scripted(|script| script.key_set = json!({"keys": [jwk, other]})).await.refusal().await
}

fn fetches(stage: &Stage) -> usize {
    stage.idp.asked("/keys").len()
}

#[tokio::test]
async fn a_new_key_is_found_once_and_the_old_one_is_dropped() {
    let stage = Stage::start().await;
    assert_eq!(stage.refusal().await, "");
    stage.idp.set(|script| script.rotate(SigningKey::other_rsa("new")));
    assert_eq!(stage.refusal().await, "");
    assert_eq!(fetches(&stage), 2);
    stage.idp.set(|script| script.signer = Signer::Other(SigningKey::rsa("rsa")));
    stage.clock.advance(Duration::from_secs(11));
    assert_eq!(stage.refusal().await, "oidc_token_key_unknown");
}

#[tokio::test]
async fn a_withdrawn_key_stops_counting_within_ten_minutes() {
    let stage = Stage::start().await;
    assert_eq!(stage.refusal().await, "");
    stage.idp.set(|script| {
        script.rotate(SigningKey::other_rsa("new"));
        script.signer = Signer::Other(SigningKey::rsa("rsa"));
    });
    assert_eq!(stage.refusal().await, "", "nothing says yet that it was withdrawn");
    stage.clock.advance(Duration::from_mins(10));
    assert_eq!(stage.refusal().await, "oidc_token_key_unknown");
}

#[tokio::test]
async fn hostile_key_ids_do_not_make_us_ask() {
    let stage = Stage::start().await;
    assert_eq!(stage.refusal().await, "");
    for n in 0..20 {
        stage.idp.set(|script| script.header = json!({"kid": format!("made-up-{n}")}));
        assert_eq!(stage.refusal().await, "oidc_token_key_unknown");
    }
    assert_eq!(fetches(&stage), 2, "the first need, and one look for what was missing");
    stage.clock.advance(Duration::from_secs(11));
    assert_eq!(stage.refusal().await, "oidc_token_key_unknown");
    assert_eq!(fetches(&stage), 3);
}

#[tokio::test]
async fn one_request_serves_all_who_miss_a_key() {
    let stage = Stage::start().await;
    assert_eq!(stage.refusal().await, "");
    stage.idp.set(|script| script.rotate(SigningKey::other_rsa("new")));
    let (a, b, c, d) = tokio::join!(stage.refusal(), stage.refusal(), stage.refusal(), stage.refusal());
    assert_eq!([a, b, c, d], ["", "", "", ""]);
    assert_eq!(fetches(&stage), 2);
}

#[tokio::test]
async fn keys_without_ids_work_while_there_is_one() {
    let stage = Stage::scripted(|script| script.rotate(SigningKey::rsa("").nameless())).await;
    assert_eq!(stage.refusal().await, "");
    stage.idp.set(|script| script.rotate(SigningKey::other_rsa("").nameless()));
    assert_eq!(stage.refusal().await, "", "another key in the same place is found too");
    let both = vec![SigningKey::rsa("").nameless(), SigningKey::other_rsa("").nameless()];
    let stage = Stage::scripted(|script| script.keys = both).await;
    assert_eq!(stage.refusal().await, "oidc_token_key_ambiguous");
}

#[tokio::test]
async fn a_key_for_something_else_is_refused() {
    assert_eq!(with_key(|_| ()).await, "");
    assert_eq!(with_key(|jwk| jwk["use"] = json!("enc")).await, "oidc_token_key_unfit");
    assert_eq!(with_key(|jwk| jwk["key_ops"] = json!(["encrypt"])).await, "oidc_token_key_unfit");
    assert_eq!(with_key(|jwk| jwk["alg"] = json!("RSA-OAEP")).await, "oidc_token_key_unfit");
    assert_eq!(with_key(|jwk| jwk["alg"] = json!("RS512")).await, "oidc_token_key_unfit");
    assert_eq!(with_key(|jwk| jwk["alg"] = json!("ES256")).await, "oidc_token_key_unfit");
    assert_eq!(with_key(|jwk| drop(jwk.as_object_mut().unwrap().remove("alg"))).await, "");
    assert_eq!(with_key(|jwk| jwk["key_ops"] = json!(["verify"])).await, "");
}

#[tokio::test]
async fn a_weak_or_broken_key_is_refused() {
    let of_bytes = |length: usize| json!(URL_SAFE_NO_PAD.encode(vec![0xff; length]));
    assert_eq!(with_key(|jwk| jwk["n"] = of_bytes(128)).await, "oidc_token_key_unfit", "1024 bits");
    assert_eq!(with_key(|jwk| jwk["n"] = of_bytes(255)).await, "oidc_token_key_unfit", "2040 bits");
    assert_eq!(with_key(|jwk| jwk["n"] = of_bytes(1025)).await, "oidc_token_key_unfit", "8200 bits");
    assert_eq!(with_key(|jwk| jwk["n"] = json!("")).await, "oidc_token_key_unfit");
    for e in ["", "AQ", "Ag", "_____w8", "AA"] {
        assert_eq!(with_key(|jwk| jwk["e"] = json!(e)).await, "oidc_token_key_unfit", "{e}");
    }
    for member in ["n", "e", "kty"] {
        assert_eq!(with_key(|jwk| drop(jwk.as_object_mut().unwrap().remove(member))).await, "oidc_token_key_unfit");
    }
    let symmetric = json!({"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"});
    assert_eq!(with_key(|jwk| *jwk = symmetric).await, "oidc_token_key_unfit");
    // Some providers put a zero in front.
    let padded = |jwk: &Value| {
        let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
        json!(URL_SAFE_NO_PAD.encode([&[0], n.as_slice()].concat()))
    };
    assert_eq!(with_key(|jwk| jwk["n"] = padded(jwk)).await, "");
}

#[tokio::test]
async fn a_point_that_is_not_on_its_curve_is_refused() {
    let coordinate = |length: usize| URL_SAFE_NO_PAD.encode(vec![7; length]);
    for (curve, length) in [("P-256", 32), ("P-256", 31), ("P-384", 32), ("secp256k1", 32), ("Ed25519", 32)] {
        let key = json!({"kty": "EC", "crv": curve, "kid": "rsa", "x": coordinate(length), "y": coordinate(length)});
        assert_eq!(with_key(|jwk| *jwk = key.clone()).await, "oidc_token_key_unfit", "{curve} {length}");
    }
}

#[tokio::test]
async fn a_point_that_is_cut_elsewhere_is_refused() {
    let key = SigningKey::new("rsa", "ES256");
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key.jwk()[name].as_str().unwrap()).unwrap();
    let (mut x, mut y) = (coordinate("x"), coordinate("y"));
    x.push(y.remove(0));
    let cut = |jwk: &mut Value| {
        *jwk = key.jwk();
        jwk["x"] = json!(URL_SAFE_NO_PAD.encode(x));
        jwk["y"] = json!(URL_SAFE_NO_PAD.encode(y));
    };
    assert_eq!(with_key(cut).await, "oidc_token_key_unfit");
}

#[tokio::test]
async fn what_is_no_key_set_is_refused() {
    for keys in
        [json!([]), json!("none"), json!([7]), json!([{"kty": "oct", "k": "c2VjcmV0"}]), json!(vec![json!({}); 101])]
    {
        let stage = Stage::scripted(|script| script.key_set = json!({"keys": keys})).await;
        assert_eq!(stage.refusal().await, "oidc_key_set_invalid", "{keys}");
    }
}

#[tokio::test]
async fn known_keys_outlive_the_way_to_them_by_a_day() {
    let stage = Stage::start().await;
    assert_eq!(stage.refusal().await, "");
    stage.idp.reply("/keys", Reply::Json(500, json!({})));
    stage.clock.advance(Duration::from_hours(23));
    assert_eq!(stage.refusal().await, "");
    assert_eq!(stage.refusal().await, "");
    assert_eq!(fetches(&stage), 2, "after a failure it is left alone for a while");
    stage.clock.advance(Duration::from_hours(1));
    assert_eq!(stage.refusal().await, "oidc_provider_failed");
}

#[tokio::test]
async fn a_new_key_that_can_not_be_fetched_is_no_bad_token() {
    let stage = Stage::start().await;
    assert_eq!(stage.refusal().await, "");
    stage.idp.set(|script| script.rotate(SigningKey::other_rsa("new")));
    stage.idp.reply("/keys", Reply::Json(500, json!({})));
    let error = stage.sign_in().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (retinue_model::error::Kind::Unavailable, "oidc_provider_failed"));
    assert_eq!(code(stage.sign_in().await), "oidc_provider_failed");
    stage.idp.set(|script| drop(script.replies.remove("/keys")));
    stage.clock.advance(Duration::from_secs(11));
    assert_eq!(stage.refusal().await, "");
}

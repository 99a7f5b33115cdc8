use futures_util::poll;
use retinue_oidc::{Person, Tokens};

use super::*;

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// With so many places for each provider, and little patience.
fn with_places(most: usize) -> Inquiries {
    Inquiries { places: Shares::new(most, 10), patience: Duration::from_millis(1), ..Inquiries::default() }
}

async fn code(inquiries: &Inquiries, provider: &str, now: i64) -> &'static str {
    inquiries.begin(provider, second(now)).await.err().map_or("", |error| error.code())
}

/// What came of a question that went to the provider at this second.
async fn comes(inquiries: &Inquiries, now: i64, answer: Result<Refreshed>) {
    inquiries.begin("sso", second(now)).await.unwrap().note(second(now), &answer);
}

/// Tokens, and what else was found out with them.
fn given(person: Result<()>) -> Refreshed {
    let somebody = Person {
        subject: "ada".to_owned(),
        name: None,
        email: None,
        email_verified: false,
        groups: retinue_oidc::Groups::Unknown,
    };
    let tokens = Tokens { access_token: String::new().into(), refresh_token: None, id_token: None };
    Refreshed { tokens, person: person.map(|()| somebody) }
}

#[tokio::test]
async fn a_provider_that_did_not_answer_is_left_alone_for_a_while() {
    let inquiries = Inquiries::default();
    for reason in [Reason::Unreachable, Reason::AnswerTooSlow] {
        comes(&inquiries, 100, Err(reason.into())).await;
        for (now, refused) in [(100, true), (129, true), (130, false), (71, true), (70, false)] {
            assert_eq!(!code(&inquiries, "sso", now).await.is_empty(), refused, "{now}");
        }
        assert_eq!(code(&inquiries, "other", 100).await, "");
        comes(&inquiries, 130, Ok(given(Ok(())))).await;
        assert_eq!(code(&inquiries, "sso", 130).await, "");
    }
    comes(&inquiries, 100, Err(Reason::RefreshRevoked.into())).await;
    assert_eq!(code(&inquiries, "sso", 100).await, "", "it says no, but says something");
}

/// It answered at one of its addresses, and not where its keys are, or what it says of people.
#[tokio::test]
async fn a_provider_that_answered_in_part_is_left_alone_too() {
    let inquiries = Inquiries::default();
    comes(&inquiries, 100, Ok(given(Err(Reason::AnswerTooSlow.into())))).await;
    assert_eq!(code(&inquiries, "sso", 100).await, "oidc_provider_unreachable");
    comes(&inquiries, 130, Ok(given(Err(Reason::TokenSubjectChanged.into())))).await;
    assert_eq!(code(&inquiries, "sso", 130).await, "");
}

#[tokio::test]
async fn after_a_silence_one_asks_for_all() {
    let inquiries = Inquiries::default();
    comes(&inquiries, 100, Err(Reason::Unreachable.into())).await;
    let probe = inquiries.begin("sso", second(130)).await.unwrap();
    assert_eq!(code(&inquiries, "sso", 130).await, "oidc_provider_unreachable");
    drop(probe);
    let next = inquiries.begin("sso", second(131)).await.unwrap();
    assert_eq!(code(&inquiries, "sso", 131).await, "oidc_provider_unreachable", "the next one does");
    next.note(second(141), &Err(Reason::AnswerTooSlow.into()));
    assert_eq!(code(&inquiries, "sso", 170).await, "oidc_provider_unreachable", "it did not answer for long");
    comes(&inquiries, 171, Ok(given(Ok(())))).await;
    let all = [inquiries.begin("sso", second(171)).await.unwrap(), inquiries.begin("sso", second(171)).await.unwrap()];
    drop(all);
}

#[tokio::test]
async fn one_provider_takes_no_place_of_another() {
    let inquiries = with_places(1);
    let held = inquiries.begin("sso", second(0)).await.unwrap();
    assert_eq!(code(&inquiries, "sso", 0).await, "refresh_busy");
    assert_eq!(code(&inquiries, "other", 0).await, "");
    drop(held);
    assert_eq!(code(&inquiries, "sso", 0).await, "");
}

#[tokio::test]
async fn nobody_waits_for_a_provider_that_is_silent() {
    let inquiries = Inquiries { patience: Duration::MAX, ..with_places(2) };
    let [first, _second] =
        [inquiries.begin("sso", second(0)).await.unwrap(), inquiries.begin("sso", second(0)).await.unwrap()];
    let mut waits = Box::pin(inquiries.begin("sso", second(0)));
    assert!(poll!(&mut waits).is_pending());
    first.note(second(10), &Err(Reason::AnswerTooSlow.into()));
    assert_eq!(waits.await.unwrap_err().code(), "oidc_provider_unreachable", "it became silent meanwhile");
    let _third = inquiries.places.take("sso".to_owned()).await.unwrap();
    assert_eq!(code(&inquiries, "sso", 10).await, "oidc_provider_unreachable", "though there is no place");
    let probe = inquiries.begin("sso", second(40)).await.unwrap();
    probe.note(second(40), &Ok(given(Ok(()))));
}

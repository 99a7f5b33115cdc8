//! Sessions, with what providers gave out with them.

use jiff::Timestamp;
use retinue_model::identity::{Identity, Origin};
use retinue_model::session::{Method, Session};
use retinue_model::{IdentityId, OrganizationId, SessionId, UserId};
use uuid::Uuid;

use super::{ADA, ADAS, BOB, BOBS, LATER, NOW, THEM, US, on_both, statement, write};
use crate::logout_token::{self, Opening, Taken, Whom};
use crate::refresh::{self, Answered, Claim};
use crate::session::{self, Kept, Revocation};
use crate::value::params;
use crate::{Statement, Store, System, identity, user};

const BEFORE: Timestamp = Timestamp::constant(1_799_999_940, 0);
const MUCH_LATER: Timestamp = Timestamp::constant(1_900_000_000, 0);
const ISSUER: &str = "https://idp.example.com";
const DESK: SessionId = SessionId::new(Uuid::from_u128(1));
const PHONE: SessionId = SessionId::new(Uuid::from_u128(2));

on_both! {
    a_session_is_its_user_s
    a_session_is_nobody_s_once_it_is_over
    others_sessions_go_on
    what_ends_is_told_once
    what_ends_with_the_keys_is_told
    what_a_provider_ends_is_told_once
    nobody_has_more_than_a_hundred_sessions
    a_provider_means_its_own_sessions
    a_provider_means_sessions_without_a_name_of_its_own_people
    whoever_is_signed_out_meanwhile_stays_out
    what_a_provider_gave_out_is_one_session_s
}

fn session_of(id: SessionId, user_id: UserId) -> Session {
    Session {
        id,
        organization_id: OrganizationId::new(US.id().uuid()),
        user_id,
        identity_id: Some(IdentityId::new(user_id.uuid())),
        method: Method::Oidc,
        user_agent: String::new(),
        address: String::new(),
        proved_at: None,
        created_at: NOW,
        last_seen_at: NOW,
        expires_at: LATER,
    }
}

fn kept(provider_session: &str) -> Kept {
    Kept {
        provider_session: Some(provider_session.to_owned()),
        id_token: Some("hint".to_owned()),
        refresh_token: Some("token".to_owned()),
        refresh_at: Some(LATER),
    }
}

fn identity_of(user_id: UserId, subject: &str) -> Identity {
    Identity {
        id: IdentityId::new(user_id.uuid()),
        user_id,
        provider: "sso".to_owned(),
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        email: None,
        email_verified: false,
        origin: Origin::SignIn,
        created_at: NOW,
        last_used_at: NOW,
    }
}

/// Ada is at her desk, Bob at his phone.
async fn sign_in(store: &Store) {
    let both = |batch: &mut crate::Batch| {
        identity::insert_with(&US, batch, &identity_of(ADA, "ada"));
        identity::insert_with(&US, batch, &identity_of(BOB, "bob"));
        session::insert_with(&US, batch, &session_of(DESK, ADA), kept("ada's"));
        session::insert_with(&US, batch, &session_of(PHONE, BOB), kept("bob's"));
    };
    assert_eq!(write(store, both).await, None);
}

async fn counts(store: &Store, id: SessionId, user: UserId) -> bool {
    session::find(&US, store, id, user).await.unwrap().is_some()
}

async fn listed(store: &Store, now: Timestamp, seen_after: Timestamp) -> Vec<SessionId> {
    let listed = session::list(&ADAS, store, now, seen_after).await.unwrap();
    listed.into_iter().map(|session| session.id).collect()
}

async fn a_session_is_its_user_s(store: &Store) {
    sign_in(store).await;
    assert!(counts(store, DESK, ADA).await && !counts(store, DESK, BOB).await);
    assert!(session::find(&THEM, store, DESK, ADA).await.unwrap().is_none());
    assert_eq!(listed(store, NOW, BEFORE).await, [DESK]);
    assert_eq!(session::has_ended(&BOBS, store, DESK).await.unwrap_err().code(), "not_found");
    assert_eq!(write(store, |batch| session::end_with(&BOBS, batch, DESK, NOW)).await, Some("not_found"));
    let open = async |scope| write(store, |batch| session::require_open_with(&scope, batch, DESK)).await;
    assert_eq!((open(ADAS).await, open(BOBS).await), (None, Some("session_ended")));
    assert_eq!(write(store, |batch| session::end_for_with(&US, batch, (BOB, DESK), NOW)).await, Some("not_found"));
    assert!(counts(store, DESK, ADA).await);
}

async fn a_session_is_nobody_s_once_it_is_over(store: &Store) {
    sign_in(store).await;
    assert_eq!(listed(store, LATER, BEFORE).await, [], "over by time");
    assert_eq!(listed(store, NOW, NOW).await, [], "not used since then");
    assert_eq!(write(store, |batch| session::end_with(&ADAS, batch, DESK, NOW)).await, None);
    assert!(!counts(store, DESK, ADA).await);
    assert_eq!(listed(store, NOW, BEFORE).await, []);
    let end = async |at| write(store, |batch| session::end_with(&ADAS, batch, DESK, at)).await;
    assert_eq!((end(NOW).await, end(LATER).await), (None, Some("not_found")), "the same once more, and another's end");
    assert_eq!(write(store, |batch| user::disable_with(&US, batch, BOB, NOW)).await, None);
    assert!(!counts(store, PHONE, BOB).await, "whoever is disabled has none");
}

/// When a session ended, and whether something is kept of what its provider gave out.
async fn state(store: &Store, id: SessionId) -> (Option<Timestamp>, bool) {
    static STATE: Statement = statement("SELECT ended_at, refresh_token FROM sessions WHERE id = $1");
    let read = |row: &crate::Row<'_>| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take::<Option<String>>()?.is_some()))
    };
    store.query_one(&STATE, &params![id], read).await.unwrap().unwrap()
}

async fn others_sessions_go_on(store: &Store) {
    sign_in(store).await;
    let tablet = SessionId::new(Uuid::from_u128(3));
    assert_eq!(
        write(store, |batch| session::insert_with(&US, batch, &session_of(tablet, ADA), kept("tablet"))).await,
        None
    );
    let end_others = async |but, at| write(store, |batch| session::end_others_with(&US, batch, ADA, (but, at))).await;
    assert_eq!(end_others(Some(DESK), NOW).await, None);
    let left = [counts(store, DESK, ADA).await, counts(store, tablet, ADA).await, counts(store, PHONE, BOB).await];
    assert_eq!(left, [true, false, true]);
    assert_eq!(end_others(None, LATER).await, None);
    assert_eq!(state(store, DESK).await, (Some(LATER), false));
    assert_eq!(state(store, tablet).await, (Some(NOW), false), "it had ended before");
}

async fn what_ends_is_told_once(store: &Store) {
    sign_in(store).await;
    let told = async || {
        let told = session::revoked_since(&System::in_background(), store, BEFORE, 10).await.unwrap();
        told.into_iter().map(|told| told.id.as_u128()).collect::<Vec<_>>()
    };
    let told_of = |number, user, session| Revocation { id: Uuid::from_u128(number), user, session };
    let tell = async |revocation| write(store, |batch| session::revoke_with(&US, batch, &revocation, NOW)).await;
    let tell_if = async |tenant, number, but| {
        let revocation = told_of(number, ADA, None);
        write(store, |batch| session::revoke_others_with(tenant, batch, &revocation, (but, NOW))).await
    };
    assert_eq!(tell(told_of(1, ADA, Some(DESK))).await, None);
    assert_eq!(tell(told_of(2, ADA, None)).await, None);
    assert_eq!(tell(told_of(3, BOB, None)).await, None);
    assert_eq!(tell_if(&US, 4, Some(DESK)).await, None);
    assert_eq!(told().await, [3, 2, 1], "no other session of hers is there, and what was told stays");
    assert_eq!(tell_if(&THEM, 5, None).await, None);
    assert_eq!(told().await, [3, 2, 1], "she is not theirs");
    assert_eq!(tell_if(&US, 6, None).await, None);
    assert_eq!(told().await, [6, 3, 1], "it says what was told of her before, and nothing of a session or of him");
    assert_eq!(write(store, |batch| session::end_for_with(&US, batch, (ADA, DESK), NOW)).await, None);
    assert_eq!(tell_if(&US, 7, None).await, None);
    assert_eq!(told().await, [6, 3, 1], "nothing is left that could end");
}

/// What was told of one session stays, and what was told of others.
async fn what_a_provider_ends_is_told_once(store: &Store) {
    sign_in(store).await;
    for (number, user, session) in [(1, ADA, None), (2, ADA, Some(DESK)), (3, BOB, None)] {
        let told = Revocation { id: Uuid::from_u128(number), user, session };
        assert_eq!(write(store, |batch| session::revoke_with(&US, batch, &told, NOW)).await, None);
    }
    let token = token(200, ("sso", ISSUER), Whom::Subject("ada".to_owned()));
    assert_eq!(write(store, |batch| logout_token::take_with(&US, batch, &token)).await, None);
    assert_eq!(revoked(store).await, [(ADA, None), (BOB, None), (ADA, Some(DESK))]);
}

/// What is over already is told no more, and whoever came in later stays.
async fn what_ends_with_the_keys_is_told(store: &Store) {
    sign_in(store).await;
    let (over, later) = (SessionId::new(Uuid::from_u128(70)), SessionId::new(Uuid::from_u128(71)));
    let others = |batch: &mut crate::Batch| {
        let over = Session { expires_at: NOW, ..session_of(over, ADA) };
        session::insert_with(&US, batch, &over, Kept::default());
        let later = Session { created_at: LATER, expires_at: MUCH_LATER, ..session_of(later, ADA) };
        session::insert_with(&US, batch, &later, Kept::default());
        session::end_with(&ADAS, batch, DESK, BEFORE);
    };
    assert_eq!(write(store, others).await, None);
    assert_eq!(write(store, |batch| session::end_all_with(&System::in_background(), batch, NOW, NOW)).await, None);
    assert_eq!(revoked(store).await, [(BOB, Some(PHONE))]);
    assert_eq!((counts(store, PHONE, BOB).await, counts(store, later, ADA).await), (false, true));
    let ended = async |id| state(store, id).await.0;
    assert_eq!((ended(PHONE).await, ended(DESK).await, ended(over).await), (Some(NOW), Some(BEFORE), None));
}

async fn nobody_has_more_than_a_hundred_sessions(store: &Store) {
    sign_in(store).await;
    let id = |number: u128| SessionId::new(Uuid::from_u128(1_000 + number));
    let at = |number: u128| Timestamp::from_second(NOW.as_second() + i64::try_from(number).unwrap()).unwrap();
    let many = |batch: &mut crate::Batch| {
        for number in 1..=103 {
            let session = Session { created_at: at(number), ..session_of(id(number), ADA) };
            session::insert_with(&US, batch, &session, kept("many"));
        }
        session::end_with(&ADAS, batch, id(50), BEFORE);
    };
    assert_eq!(write(store, many).await, None);
    // Twice, as after a commit whose answer was lost. What was opened stays, though its clock was behind.
    for _ in 0..2 {
        assert_eq!(write(store, |batch| session::end_oldest_with(&US, batch, (ADA, id(2)), LATER)).await, None);
    }
    assert_eq!(state(store, id(50)).await.0, Some(BEFORE), "what is over does not count");
    for (session, is_open) in
        [(DESK, false), (id(1), false), (id(3), false), (id(2), true), (id(4), true), (id(103), true)]
    {
        assert_eq!(counts(store, session, ADA).await, is_open, "{session}");
    }
    assert_eq!(state(store, id(3)).await, (Some(LATER), false), "nothing of the provider's is left");
    assert!(counts(store, PHONE, BOB).await);
    let mut told = revoked(store).await;
    told.sort_unstable_by_key(|(_, session)| session.map(SessionId::uuid));
    assert_eq!(told, [DESK, id(1), id(3)].map(|session| (ADA, Some(session))));
}

fn token(number: u128, (provider, issuer): (&str, &str), whom: Whom) -> Taken {
    Taken {
        id: Uuid::from_u128(number),
        provider: provider.to_owned(),
        issuer: issuer.to_owned(),
        token_id: number.to_string(),
        whom,
        taken_at: NOW,
        expires_at: LATER,
    }
}

fn all_names(session: &str, subject: &str) -> [Whom; 3] {
    let (session, subject) = (session.to_owned(), subject.to_owned());
    let both = Whom::SessionOf { session: session.clone(), subject: subject.clone() };
    [Whom::Session(session), Whom::Subject(subject), both]
}

/// Whom others are told of, with which session, if it is one.
async fn revoked(store: &Store) -> Vec<(UserId, Option<SessionId>)> {
    let revoked = session::revoked_since(&System::in_background(), store, NOW, 100).await.unwrap();
    revoked.into_iter().map(|revocation| (revocation.user, revocation.session)).collect()
}

async fn a_provider_means_sessions_without_a_name_of_its_own_people(store: &Store) {
    sign_in(store).await;
    let [adas, bobs, over] = [3, 4, 5].map(|id| SessionId::new(Uuid::from_u128(id)));
    let open = |batch: &mut crate::Batch| {
        for (id, user) in [(adas, ADA), (bobs, BOB), (over, ADA)] {
            session::insert_with(&US, batch, &session_of(id, user), Kept::default());
        }
        session::end_with(&ADAS, batch, over, BEFORE);
    };
    assert_eq!(write(store, open).await, None);
    let whom = || Whom::SessionOf { session: "unknown".to_owned(), subject: "ada".to_owned() };
    for (number, tenant, at) in
        [(200, US, ("other", ISSUER)), (201, US, ("sso", "https://other.example.com")), (202, THEM, ("sso", ISSUER))]
    {
        let token = token(number, at, whom());
        assert_eq!(write(store, |batch| logout_token::take_with(&tenant, batch, &token)).await, None);
    }
    assert!(counts(store, adas, ADA).await && revoked(store).await.is_empty());
    let token = token(203, ("sso", ISSUER), whom());
    assert_eq!(write(store, |batch| logout_token::take_with(&US, batch, &token)).await, None);
    assert!(!counts(store, adas, ADA).await);
    assert!(counts(store, DESK, ADA).await && counts(store, bobs, BOB).await, "with a name, or another's");
    assert_eq!(revoked(store).await, [(ADA, Some(adas))]);
    assert_eq!(state(store, over).await.0, Some(BEFORE));
}

async fn a_provider_means_its_own_sessions(store: &Store) {
    sign_in(store).await;
    let (here, mut number) = (("sso", ISSUER), 100);
    for (tenant, at, session, subject) in [
        (US, ("other", ISSUER), "ada's", "ada"),
        (US, ("sso", "https://other.example.com"), "ada's", "ada"),
        (US, here, "nobody's", "nobody"),
        (THEM, here, "ada's", "ada"),
    ] {
        for whom in all_names(session, subject) {
            number += 1;
            let token = token(number, at, whom);
            assert_eq!(logout_token::people(&tenant, store, &token).await.unwrap(), [], "{token:?}");
            assert_eq!(write(store, |batch| logout_token::take_with(&tenant, batch, &token)).await, None);
        }
    }
    assert!(counts(store, DESK, ADA).await && counts(store, PHONE, BOB).await);
    assert_eq!(revoked(store).await, []);
    let told = [(ADA, Some(DESK)), (BOB, None)];
    for (whom, user) in [(Whom::Session("ada's".to_owned()), ADA), (Whom::Subject("bob".to_owned()), BOB)] {
        number += 1;
        let token = token(number, here, whom);
        assert_eq!(logout_token::people(&US, store, &token).await.unwrap(), [user]);
        assert_eq!(write(store, |batch| logout_token::take_with(&US, batch, &token)).await, None);
        assert!(!counts(store, DESK, ADA).await);
        assert_eq!(counts(store, PHONE, BOB).await, user == ADA, "what is another's goes on");
    }
    let revoked = revoked(store).await;
    assert!(revoked.len() == 2 && told.iter().all(|one| revoked.contains(one)), "{revoked:?}");
    // Whatever comes later finds them ended already, and tells nobody of a session again.
    let again = token(number + 1, here, Whom::Session("ada's".to_owned()));
    assert_eq!(logout_token::people(&US, store, &again).await.unwrap(), []);
    assert_eq!(
        write(store, |batch| logout_token::take_with(&US, batch, &Taken { taken_at: LATER, ..again })).await,
        None
    );
    let later = token(number + 2, here, Whom::Subject("bob".to_owned()));
    assert_eq!(
        write(store, |batch| logout_token::take_with(&US, batch, &Taken { taken_at: LATER, ..later })).await,
        None
    );
    assert_eq!((state(store, DESK).await, state(store, PHONE).await), ((Some(NOW), false), (Some(NOW), false)));
    let tablet = SessionId::new(Uuid::from_u128(3));
    let ended = |batch: &mut crate::Batch| {
        session::insert_with(&US, batch, &session_of(tablet, ADA), kept("tablet"));
        session::end_with(&ADAS, batch, tablet, NOW);
    };
    assert_eq!(write(store, ended).await, None);
    let over = token(number + 3, here, Whom::Session("tablet".to_owned()));
    assert_eq!(write(store, |batch| logout_token::take_with(&US, batch, &over)).await, None);
    assert!(!self::revoked(store).await.contains(&(ADA, Some(tablet))), "all who keep sessions would look again");
}

async fn whoever_is_signed_out_meanwhile_stays_out(store: &Store) {
    sign_in(store).await;
    let opens = async || {
        let opening =
            Opening { session: DESK, provider: "sso", subject: "ada", provider_session: Some("ada's"), began_at: NOW };
        write(store, |batch| logout_token::refuse_signed_out_with(&US, batch, &opening)).await
    };
    let take = async |token: Taken| write(store, |batch| logout_token::take_with(&US, batch, &token)).await;
    for (number, whom) in (100..).zip(all_names("ada's", "ada")) {
        assert_eq!(take(token(number, ("other", ISSUER), whom.clone())).await, None);
        assert_eq!(opens().await, None, "at another provider");
        assert_eq!(take(Taken { taken_at: BEFORE, ..token(number + 10, ("sso", ISSUER), whom) }).await, None);
        assert_eq!(opens().await, None, "before they began");
    }
    for (number, whom) in (120..).zip(all_names("bob's", "bob")) {
        assert_eq!(take(token(number, ("sso", ISSUER), whom)).await, None);
        assert_eq!(opens().await, None, "somebody else");
    }
    for (number, whom) in (130..).zip(all_names("ada's", "ada")) {
        let token = token(number, ("sso", ISSUER), whom);
        assert_eq!((take(token.clone()).await, opens().await), (None, Some("signed_out_meanwhile")));
        assert_eq!(
            write(store, |batch| logout_token::forget_with(&System::in_background(), batch, MUCH_LATER)).await,
            None
        );
        assert_eq!(opens().await, None, "it is forgotten");
    }
}

fn claim(user: UserId) -> Claim {
    Claim { id: Uuid::from_u128(9), session: DESK, user, at: LATER }
}

async fn what_a_provider_gave_out_is_one_session_s(store: &Store) {
    sign_in(store).await;
    let found = async |user| {
        let tokens = session::tokens(&US, store, DESK, user).await.unwrap().is_some();
        (tokens, refresh::held(&US, store, &claim(user)).await.unwrap().is_some())
    };
    assert_eq!((found(ADA).await, found(BOB).await), ((true, true), (false, false)));
    let take = async |user| write(store, |batch| refresh::claim_with(&US, batch, &claim(user), NOW)).await;
    assert_eq!((take(BOB).await, take(ADA).await), (Some("refresh_claimed"), None));
    // Nobody else's answer is kept with it.
    let answer = async |user| {
        let answered = Answered {
            refresh_token: Some("another".to_owned()),
            id_token: None,
            refresh_at: LATER,
            refreshed_at: None,
        };
        write(store, |batch| refresh::answered_with(&US, batch, &claim(user), answered)).await
    };
    assert_eq!(answer(BOB).await, None);
    let held = refresh::held(&US, store, &claim(ADA)).await.unwrap().unwrap();
    assert_eq!(held.refresh_token.as_deref(), Some("token"));
    // Nor is one that comes when it is over, or asked for then.
    assert_eq!(write(store, |batch| session::end_with(&ADAS, batch, DESK, NOW)).await, None);
    assert!(session::has_ended(&ADAS, store, DESK).await.unwrap());
    assert_eq!(found(ADA).await, (false, false));
    assert_eq!((take(ADA).await, answer(ADA).await), (Some("refresh_claimed"), None));
    assert_eq!(state(store, DESK).await, (Some(NOW), false));
}

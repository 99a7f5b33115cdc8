use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;
use retinue_model::error::Kind;
use tokio::task::JoinSet;

use super::hash::Unusable;
use super::*;
use crate::scratch::CountingRng;

/// As cheap as it gets.
const CHEAP: Parameters = Parameters { memory_kib: 8, iterations: 1, lanes: 1 };

fn settings(parameters: Parameters, at_once: usize, waiting: usize) -> Settings {
    Settings { parameters, at_once: NonZeroUsize::new(at_once).unwrap(), waiting }
}

fn passwords(parameters: Parameters) -> Passwords {
    Passwords::new(settings(parameters, 1, 8), Arc::new(CountingRng::default())).unwrap()
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn new(text: &str) -> NewPassword {
    NewPassword::new(password(text), None).unwrap()
}

fn kept(phc: &str) -> PasswordHash {
    PasswordHash::new(phc.to_owned())
}

#[tokio::test]
async fn the_same_password_is_right_and_no_other() {
    let passwords = passwords(CHEAP);
    let hash = passwords.hash(&new("correct horse")).await.unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{}", hash.as_str());
    let verify = async |typed: &str| passwords.verify(&password(typed), Some(&hash)).await.unwrap();
    assert_eq!(verify("correct horse").await, Verdict::Right);
    for wrong in ["", "correct horse ", " correct horse", "Correct horse", "correct hors", "correct horse\0"] {
        assert_eq!(verify(wrong).await, Verdict::Wrong, "{wrong:?}");
    }
    // Composed or not, it is the same letter.
    let hash = passwords.hash(&new("Zoe\u{308} und Jörg")).await.unwrap();
    assert!(passwords.verify(&password("Zoë und Jo\u{308}rg"), Some(&hash)).await.unwrap().is_right());
}

#[tokio::test]
async fn each_hash_has_its_own_salt() {
    let passwords = passwords(CHEAP);
    let one = passwords.hash(&new("correct horse")).await.unwrap();
    assert_ne!(one, passwords.hash(&new("correct horse")).await.unwrap());
    assert_ne!(one, passwords.hash_again(&password("short")).await.unwrap());
}

#[tokio::test]
async fn nobody_s_password_is_wrong() {
    let passwords = passwords(CHEAP);
    for typed in ["", "correct horse"] {
        assert_eq!(passwords.verify(&password(typed), None).await.unwrap(), Verdict::Wrong);
    }
}

/// What this guess has cost.
async fn cost(passwords: &Passwords, typed: &str, kept: Option<&PasswordHash>) -> Vec<(String, u64)> {
    let before = passwords.work_done();
    let _ = passwords.verify(&password(typed), kept).await.unwrap();
    let after = passwords.work_done().into_iter();
    let cost = after.map(|(way, times)| (way.clone(), times - before.get(&way).copied().unwrap_or_default()));
    cost.filter(|(_, times)| *times > 0).collect()
}

#[tokio::test]
async fn a_wrong_guess_costs_the_same_whatever_is_kept_and_if_nothing_is() {
    let once = |ways: &[&str]| ways.iter().map(|way| ((*way).to_owned(), 1)).collect::<Vec<_>>();
    let (today, then) = ("argon2id$m=8,t=1,p=1", "argon2id$m=16,t=2,p=1");
    let earlier = Parameters { memory_kib: 16, iterations: 2, lanes: 1 };
    let earlier = self::passwords(earlier).hash(&new("correct horse")).await.unwrap();
    let passwords = passwords(CHEAP);
    let current = passwords.hash(&new("correct horse")).await.unwrap();
    assert_eq!(cost(&passwords, "wrong", None).await, once(&[today]));
    // Whatever is kept in another way is known once it is seen.
    let all = once(&[then, today, "pbkdf2-sha256$i=1000,l=64"]);
    cost(&passwords, "wrong", Some(&kept(PBKDF2_64))).await;
    for round in 0..2 {
        let unusable = kept("$plain$cGFzc3dvcmQ");
        let any = [&earlier, &kept(PBKDF2_64), &current, &unusable];
        for kept in any.into_iter().map(Some).chain([None]) {
            assert_eq!(cost(&passwords, "wrong", kept).await, all, "{round} {}", kept.map_or("", |kept| kept.as_str()));
        }
        // Or once it is learned.
        passwords.learn([]);
        assert_eq!(cost(&passwords, "wrong", None).await, once(&[today]));
        passwords.learn([current.clone(), unusable, kept(PBKDF2_64), earlier.clone(), kept(PBKDF2_64)]);
    }
    // Whoever is right knows that there is something.
    assert_eq!(cost(&passwords, "correct horse", Some(&current)).await, once(&[today]));
    assert_eq!(cost(&passwords, "correct horse", Some(&earlier)).await, once(&[then]));
    // There is a bound.
    assert_eq!(cost(&passwords, "wrong", Some(&kept(PBKDF2))).await.len(), 4);
    assert_eq!(cost(&passwords, "wrong", None).await, all);
}

const PBKDF2: &str = "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0$sYIePhT5IXESDKvnouJXtE5pTJ6Znbmef4vViYmc9Uc";
const PBKDF2_64: &str = "$pbkdf2-sha256$i=1000,l=64$c2FsdHNhbHRzYWx0$sYIePhT5IXESDKvnouJXtE5pTJ6Znbmef4vViYmc9UfUX1he8Ln4VdSHDe+uTIJU1f6+z+sbmTlY5skOkvxa4A";

/// Vectors of other implementations: the reference's for Argon2, Python's `hashlib.pbkdf2_hmac` for PBKDF2.
#[tokio::test]
async fn hashes_from_elsewhere_are_right_and_outdated() {
    let passwords = passwords(CHEAP);
    for phc in [
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2i$v=19$m=65536,t=1,p=1$c29tZXNhbHQAAAAAAAAAAA$+r0d29hqEB0yasKr55ZgICsQGSkl0v0kgwhd+U3wyRo",
        "$argon2d$v=16$m=32,t=2,p=3,data=Dw8PDw8P$AAAAAAAAAAA$KnH4gniiaFnDvlA1xev3yovC4cnrrI6tnHOYtmja90o",
        PBKDF2,
        PBKDF2_64,
    ] {
        let verify = async |typed: &str| passwords.verify(&password(typed), Some(&kept(phc))).await.unwrap();
        assert_eq!(verify("password").await, Verdict::Outdated, "{phc}");
        assert_eq!(verify("sassword").await, Verdict::Wrong, "{phc}");
    }
}

#[tokio::test]
async fn other_parameters_than_today_s_are_outdated() {
    let then = passwords(CHEAP).hash(&new("correct horse")).await.unwrap();
    for today in [
        Parameters { memory_kib: 16, ..CHEAP },
        Parameters { iterations: 2, ..CHEAP },
        Parameters { memory_kib: 16, lanes: 2, ..CHEAP },
    ] {
        let passwords = passwords(today);
        let verdict = passwords.verify(&password("correct horse"), Some(&then)).await.unwrap();
        assert_eq!(verdict, Verdict::Outdated, "{today:?}");
        assert_eq!(passwords.verify(&password("wrong"), Some(&then)).await.unwrap(), Verdict::Wrong);
        let upgraded = passwords.hash_again(&password("correct horse")).await.unwrap();
        assert_eq!(passwords.verify(&password("correct horse"), Some(&upgraded)).await.unwrap(), Verdict::Right);
    }
}

/// What an import must not do to us: none of these is worked at.
#[test]
fn hostile_hashes_are_refused_before_any_work() {
    const SALT: &str = "c2FsdHNhbHRzYWx0";
    const OUTPUT: &str = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for (start, reason) in [
        ("$argon2id$v=19$m=4194304,t=1,p=1", Unusable::Unbearable),
        ("$argon2id$v=19$m=262145,t=1,p=1", Unusable::Unbearable),
        ("$argon2id$v=19$m=8,t=65,p=1", Unusable::Unbearable),
        ("$argon2id$v=19$m=8,t=4294967295,p=1", Unusable::Unbearable),
        ("$argon2id$v=19$m=262144,t=5,p=1", Unusable::Unbearable),
        ("$argon2id$v=19$m=1024,t=1,p=17", Unusable::Unbearable),
        ("$argon2id$v=19$m=4,t=1,p=1", Unusable::Parameters),
        ("$argon2id$v=19$m=8,t=0,p=1", Unusable::Parameters),
        ("$argon2id$v=19$m=8,t=1,p=1,x=1", Unusable::Parameters),
        ("$argon2id$v=18$m=8,t=1,p=1", Unusable::Parameters),
        ("$pbkdf2-sha256$i=2000001,l=32", Unusable::Unbearable),
        ("$pbkdf2-sha256$i=4294967295,l=32", Unusable::Unbearable),
        ("$pbkdf2-sha256$i=0,l=32", Unusable::Parameters),
        ("$pbkdf2-sha256$l=32", Unusable::Parameters),
        ("$pbkdf2-sha256$i=1000,l=31", Unusable::Parameters),
        ("$pbkdf2-sha256$i=1000,l=4294967295", Unusable::Parameters),
        ("$pbkdf2-sha256$v=1$i=1000,l=32", Unusable::Parameters),
        ("$pbkdf2-sha256$i=1000,x=32", Unusable::Parameters),
        ("$pbkdf2-sha1$i=1000,l=32", Unusable::Algorithm),
        ("$scrypt$ln=16,r=8,p=1", Unusable::Algorithm),
        ("$plain", Unusable::Algorithm),
        ("argon2id$v=19$m=8,t=1,p=1", Unusable::Malformed),
    ] {
        let phc = format!("{start}${SALT}${OUTPUT}");
        assert_eq!(Stored::parse(&kept(&phc)).err(), Some(reason), "{phc}");
    }
    for phc in [
        String::new(),
        "password".to_owned(),
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".to_owned(),
        "$argon2id$v=19$m=8,t=1,p=1".to_owned(),
        format!("$argon2id$v=19$m=8,t=1,p=1${SALT}"),
        format!("$argon2id$v=19$m=8,t=1,p=1${SALT}$"),
        format!("$argon2id$v=19$m=8,t=1,p=1$${OUTPUT}"),
        format!("$argon2id$v=19$m=8,t=1,p=1$c2Fs${OUTPUT}"),
        format!("$argon2id$v=19$m=8,t=1,p=1${SALT}$c2FsdHNhbHRzYQ"),
        format!("$argon2id$v=19$m=8,t=1,p=1${SALT}${}", "A".repeat(2_000)),
        format!("$argon2id$v=19$m=8,t=1,p=1${}${OUTPUT}", "A".repeat(2_000)),
    ] {
        assert_eq!(Stored::parse(&kept(&phc)).err(), Some(Unusable::Malformed), "{phc:.80}");
    }
}

#[tokio::test]
async fn with_a_hash_that_can_t_be_used_nobody_gets_in() {
    let passwords = passwords(CHEAP);
    let huge = "$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for phc in ["", "password", "$plain$cGFzc3dvcmQ", huge] {
        for typed in [phc, "password", ""] {
            let verdict = passwords.verify(&password(typed), Some(&kept(phc))).await.unwrap();
            assert_eq!(verdict, Verdict::Wrong, "{phc} {typed}");
        }
    }
}

#[test]
fn settings_have_bounds() {
    assert_eq!(Parameters::default(), Parameters { memory_kib: 19_456, iterations: 2, lanes: 1 });
    assert!(Parameters::default().check().is_ok() && Settings::default().at_once.get() >= 1);
    for (memory_kib, iterations, lanes) in [
        (0, 1, 1),
        (7, 1, 1),
        (8, 0, 1),
        (8, 1, 0),
        (8, 1, 2),
        (300_000, 1, 1),
        (262_144, 5, 1),
        (1_024, 65, 1),
        (1_024, 1, 17),
    ] {
        let parameters = Parameters { memory_kib, iterations, lanes };
        assert_eq!(parameters.check().unwrap_err().code(), "invalid_password_settings", "{parameters:?}");
        let started = Passwords::new(settings(parameters, 1, 1), Arc::new(CountingRng::default()));
        assert_eq!(started.unwrap_err().code(), "invalid_password_settings");
    }
}

/// Whoever is over the bound is told so at once, and whoever has gone is not worked for.
#[tokio::test]
async fn a_burst_is_bounded_and_those_who_left_cost_nothing() {
    let pool = Arc::new(Pool::start(NonZeroUsize::MIN, 2).unwrap());
    let (release, held) = mpsc::channel::<()>();
    let (started, begun) = tokio::sync::oneshot::channel();
    let first = Arc::clone(&pool);
    let first = tokio::spawn(async move {
        let work = move || {
            started.send(()).unwrap();
            held.recv().unwrap();
        };
        first.run(work).await
    });
    begun.await.unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let work = || {
        let done = Arc::clone(&done);
        move || done.fetch_add(1, Ordering::SeqCst)
    };
    // Polled once, so that it waits in the queue, and then dropped.
    let mut leaves = Box::pin(pool.run(work()));
    assert!(futures_util::poll!(&mut leaves).is_pending());
    drop(leaves);
    let mut waits = std::pin::pin!(pool.run(work()));
    assert!(futures_util::poll!(&mut waits).is_pending());
    let refused = pool.run(work()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (Kind::Unavailable, "too_busy"));
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    waits.await.unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_panic_ends_no_thread() {
    let pool = Pool::start(NonZeroUsize::MIN, 1).unwrap();
    assert_eq!(pool.run(|| assert!(std::hint::black_box(false))).await.unwrap_err().code(), "internal_error");
    assert_eq!(pool.run(|| 7).await.unwrap(), 7);
}

/// Fifty at once, on a runtime with one thread: it keeps answering, and all of them are served.
#[tokio::test]
async fn a_burst_of_sign_ins_starves_nobody() {
    let passwords = Passwords::new(settings(Parameters::default(), 1, 64), Arc::new(CountingRng::default())).unwrap();
    let mut burst = JoinSet::new();
    for _ in 0..50 {
        let passwords = passwords.clone();
        burst.spawn(async move { passwords.verify(&password("correct horse"), None).await });
    }
    let mut turns = 0;
    while !burst.is_empty() {
        turns += 1;
        let turn = tokio::time::timeout(Duration::from_millis(1), burst.join_next()).await;
        if let Ok(Some(verdict)) = turn {
            assert_eq!(verdict.unwrap().unwrap(), Verdict::Wrong);
        }
    }
    assert!(turns > 50, "the runtime had its turns");
}

proptest! {
    #[test]
    fn no_stored_text_makes_it_panic(text in ".{0,80}|\\$(argon2id|pbkdf2-sha256)(\\$v=[0-9]{1,3})?\\$[a-z0-9=,]{0,30}\\$[A-Za-z0-9+/]{0,30}\\$[A-Za-z0-9+/]{0,60}") {
        let _ = Stored::parse(&kept(&text));
    }
}

use std::thread;

use proptest::prelude::*;
use retinue_model::error::Kind;

use super::*;

const LIMIT: Limit =
    Limit { free: 3, at_once: 1, longest: Duration::from_mins(15), forgotten_after: Duration::from_mins(15) };

const SETTINGS: Settings = Settings {
    account: LIMIT,
    device: LIMIT,
    devices: Limit { free: 6, ..LIMIT },
    network: Limit { free: 6, at_once: 20, ..LIMIT },
    capacity: 100,
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

fn email(name: &str) -> Email {
    Email::new(&format!("{name}@example.com")).unwrap()
}

fn account(name: &str) -> Key {
    Key::account(&email(name))
}

fn network(address: &str) -> Key {
    Key::network(address.parse().unwrap())
}

/// Fails at this time, or the wait in milliseconds.
fn fail(throttle: &Throttle, millis: i64, keys: &[Key]) -> Option<u128> {
    throttle.begin(at(millis), keys).map(drop).err().map(|error| error.retry_after().unwrap().as_millis())
}

#[test]
fn the_delay_doubles_up_to_the_longest() {
    let (throttle, ada) = (Throttle::new(SETTINGS), account("ada"));
    let mut now = 0;
    for _ in 0..3 {
        assert_eq!(fail(&throttle, now, &[ada]), None);
    }
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900] {
        let wait = seconds * 1_000;
        assert_eq!(fail(&throttle, now, &[ada]), Some(u128::try_from(wait).unwrap()));
        assert_eq!(fail(&throttle, now + wait - 1, &[ada]), Some(1));
        now += wait;
        // After 15 minutes one failure was forgotten, which the next one makes up for.
        assert_eq!(fail(&throttle, now, &[ada]), None, "{seconds}");
    }
    // What was refused did not count, nor does it for others.
    assert_eq!(fail(&throttle, now, &[account("eve")]), None);
}

#[test]
fn it_says_how_long_to_wait() {
    let (throttle, ada) = (Throttle::new(Settings { account: Limit { free: 0, ..LIMIT }, ..SETTINGS }), account("ada"));
    let _ = throttle.begin(at(0), &[ada]).unwrap();
    let error = throttle.begin(at(0), &[ada]).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::TooMany, "too_many_attempts"));
    for (millis, text) in
        [(1, "a second"), (1_000, "a second"), (1_001, "2 seconds"), (119_000, "119 seconds"), (121_000, "3 minutes")]
    {
        let error = too_many(Duration::from_millis(millis));
        assert_eq!(error.detail(), format!("There were too many attempts. Try again in {text}."));
    }
}

#[test]
fn failures_are_forgotten_one_by_one() {
    const MINUTE: i64 = 60_000;
    let (throttle, ada) = (Throttle::new(SETTINGS), account("ada"));
    for _ in 0..3 {
        assert_eq!(fail(&throttle, 0, &[ada]), None);
    }
    assert_eq!(fail(&throttle, 999, &[ada]), Some(1));
    // Half an hour later two of the three are forgotten: two more are free.
    assert_eq!(fail(&throttle, 30 * MINUTE, &[ada]), None);
    assert_eq!(fail(&throttle, 30 * MINUTE, &[ada]), None);
    assert_eq!(fail(&throttle, 30 * MINUTE, &[ada]), Some(1_000));
    // At its worst it is all forgotten within hours.
    let mut now = 30 * MINUTE;
    for _ in 0..100 {
        now += 15 * MINUTE;
        assert_eq!(fail(&throttle, now, &[ada]), None);
    }
    now += 4 * 60 * MINUTE;
    for _ in 0..3 {
        assert_eq!(fail(&throttle, now, &[ada]), None);
    }
}

#[test]
fn of_a_hundred_at_once_only_the_free_ones_are_looked_at() {
    let (throttle, ada) = (Throttle::new(SETTINGS), account("ada"));
    let passed: usize = thread::scope(|scope| {
        let guess = || scope.spawn(|| throttle.begin(at(0), &[ada]).ok());
        // None of them is at its end before all have begun.
        let begun: Vec<_> = (0..100).map(|_| guess()).collect();
        begun.into_iter().filter_map(|guess| guess.join().unwrap()).count()
    });
    assert_eq!(passed, 3);
}

#[test]
fn the_right_password_clears_the_account() {
    let (throttle, ada) = (Throttle::new(SETTINGS), account("ada"));
    for _ in 0..5 {
        assert_eq!(fail(&throttle, 0, &[ada]), None);
        assert_eq!(fail(&throttle, 0, &[ada]), None);
        throttle.begin(at(0), &[ada]).unwrap().succeeded();
    }
    assert!(throttle.lock().is_empty());
}

/// Somebody who has an account signs in between his guesses at others'.
#[test]
fn no_success_clears_a_network_address() {
    let (throttle, home) = (Throttle::new(SETTINGS), network("192.0.2.1"));
    for number in 0..6 {
        assert_eq!(fail(&throttle, 0, &[account(&format!("victim{number}")), home]), None);
        if number < 5 {
            throttle.begin(at(0), &[account("mallory"), home]).unwrap().succeeded();
        }
    }
    assert_eq!(fail(&throttle, 0, &[account("mallory"), home]), Some(1_000));
    // And his success does not make the others wait longer.
    throttle.begin(at(1_000), &[account("mallory"), home]).unwrap().succeeded();
    assert_eq!(fail(&throttle, 1_000, &[account("ada"), home]), None);
    assert_eq!(fail(&throttle, 1_000, &[account("ada"), home]), Some(2_000));
}

/// One after another, and as many as may be on their way at the same time.
#[test]
fn many_people_behind_one_address_sign_in() {
    let (throttle, office) = (Throttle::new(SETTINGS), network("192.0.2.1"));
    let person = |number: usize| throttle.begin(at(0), &[account(&format!("p{number}")), office]);
    for _ in 0..3 {
        let crowd: Vec<_> = (0..20).map(|number| person(number).unwrap()).collect();
        crowd.into_iter().for_each(Attempt::succeeded);
    }
    assert!(throttle.lock().is_empty());
    for number in 0..500 {
        throttle.begin(at(number), &[account(&format!("p{number}")), office]).unwrap().succeeded();
    }
}

/// Each at an account of its own, so that only the network can stop them.
#[test]
fn of_a_flood_of_guesses_from_one_address_few_are_looked_at() {
    let (throttle, home) = (Throttle::new(SETTINGS), network("192.0.2.1"));
    let flood = |millis: i64| -> Vec<Attempt> {
        (0..100)
            .filter_map(|number| throttle.begin(at(millis), &[account(&format!("{millis}-{number}")), home]).ok())
            .collect()
    };
    let first = flood(0);
    // The first twenty count as one, and then there are five more free.
    assert_eq!(first.len(), 25);
    drop(first);
    // Once they have failed, it is one at a time, after the longest wait.
    assert_eq!(flood(899_999).len(), 0);
    let second = flood(900_000);
    assert_eq!(second.len(), 1);
    // And however many wait, others hear of the delay that counts, and of no longer one.
    assert_eq!(fail(&throttle, 900_000, &[account("ada"), home]), Some(900_000));
    drop(second);
    assert_eq!(flood(1_799_999).len(), 0);
}

/// However many were looked at, all of them have failed.
#[test]
fn a_flood_is_remembered_as_what_it_was() {
    let (throttle, home) = (Throttle::new(SETTINGS), network("192.0.2.1"));
    let begin = |number| throttle.begin(at(0), &[account(&format!("p{number}")), home]).ok();
    let flood: Vec<_> = (0..100).filter_map(begin).collect();
    assert_eq!(flood.len(), 25);
    drop(flood);
    // Fifteen of them are forgotten, and ten are not: the next wait is that of eleven.
    assert_eq!(fail(&throttle, 15 * 900_000, &[home]), None);
    assert_eq!(fail(&throttle, 15 * 900_000, &[home]), Some(32_000));
}

/// Those who work there mistype in the morning, each in the own browser.
#[test]
fn an_office_that_mistypes_is_not_locked() {
    let (throttle, office) = (Throttle::new(SETTINGS), network("192.0.2.1"));
    let refused = |keys: &dyn Fn(&str) -> [Key; 2]| {
        (0..20).filter(|number| fail(&throttle, 0, &keys(&format!("p{number}"))).is_some()).count()
    };
    assert_eq!(refused(&|name| Key::devices(name, &email(name))), 0);
    assert_eq!(refused(&|name| [account(name), office]), 14, "in others they count for the office");
    assert_eq!(refused(&|name| Key::devices(name, &email(name))), 0, "that keeps nobody out of their own");
}

#[test]
fn a_browser_of_one_s_own_has_as_many_tries_as_an_account() {
    let (throttle, ada) = (Throttle::new(SETTINGS), Key::devices("desk", &email("ada")));
    for _ in 0..3 {
        assert_eq!(fail(&throttle, 0, &ada), None);
    }
    assert_eq!(fail(&throttle, 0, &ada), Some(1_000));
    assert_eq!(fail(&throttle, 0, &Key::devices("phone", &email("ada"))), None, "another one has its own");
    assert_eq!(fail(&throttle, 0, &Key::devices("desk", &email("grace"))), None, "and so has somebody else there");
    throttle.begin(at(1_000), &ada).unwrap().succeeded();
    assert_eq!(fail(&throttle, 1_000, &ada), None);
}

/// Whoever had a password for a while signed in with it in as many browsers as they liked.
#[test]
fn however_many_browsers_there_are_guesses_have_a_bound() {
    let (throttle, thief) = (Throttle::new(SETTINGS), |number: u32| Key::devices(&number.to_string(), &email("ada")));
    for number in 0..6 {
        assert_eq!(fail(&throttle, 0, &thief(number)), None);
    }
    assert_eq!(fail(&throttle, 0, &thief(6)), Some(1_000));
    throttle.begin(at(1_000), &thief(7)).unwrap().succeeded();
    assert_eq!(fail(&throttle, 1_000, &thief(8)), None);
    assert_eq!(fail(&throttle, 1_000, &thief(9)), Some(2_000), "no success forgets those of others");
    assert_eq!(fail(&throttle, 1_000, &Key::devices("desk", &email("grace"))), None);
}

/// Whoever is slow holds up nobody who comes later, but keeps counting until the end.
#[test]
fn what_is_under_way_counts_when_it_has_failed() {
    let (throttle, ada, home) = (Throttle::new(SETTINGS), account("ada"), network("192.0.2.1"));
    let slow: Vec<_> = (0..3).map(|_| throttle.begin(at(0), &[ada, home]).unwrap()).collect();
    assert_eq!(fail(&throttle, 0, &[ada]), Some(1_000));
    assert_eq!(fail(&throttle, 0, &[home]), None);
    drop(slow);
    assert_eq!(fail(&throttle, 500, &[ada]), Some(500));
    // One and three have failed at this network: two more are free.
    assert_eq!(fail(&throttle, 500, &[home]), None);
    assert_eq!(fail(&throttle, 500, &[home]), None);
    assert_eq!(fail(&throttle, 500, &[home]), Some(1_000));
}

/// A right password frees the account of what failed before, and of nothing that is still being looked at.
#[test]
fn a_success_frees_no_guess_that_is_under_way() {
    let (throttle, ada) = (Throttle::new(SETTINGS), account("ada"));
    let right = throttle.begin(at(0), &[ada]).unwrap();
    let guesses = [throttle.begin(at(0), &[ada]).unwrap(), throttle.begin(at(0), &[ada]).unwrap()];
    right.succeeded();
    assert_eq!(fail(&throttle, 0, &[ada]), None);
    assert_eq!(fail(&throttle, 0, &[ada]), Some(1_000));
    drop(guesses);
    assert_eq!(fail(&throttle, 0, &[ada]), Some(1_000));
}

#[test]
fn what_failed_for_another_reason_does_not_count() {
    let (throttle, keys) = (Throttle::new(SETTINGS), [account("ada"), network("192.0.2.1")]);
    for _ in 0..50 {
        throttle.begin(at(0), &keys).unwrap().withdraw();
    }
    assert!(throttle.lock().is_empty());
    assert_eq!(fail(&throttle, 0, &keys), None);
    throttle.begin(at(0), &keys).unwrap().withdraw();
    assert_eq!(fail(&throttle, 0, &keys), None);
    assert_eq!(fail(&throttle, 0, &keys), None);
    assert_eq!(fail(&throttle, 0, &keys), Some(1_000));
}

/// Where one key is refused, nothing is counted for the other.
#[test]
fn keys_are_counted_together_or_not_at_all() {
    let (throttle, home, ada) = (Throttle::new(SETTINGS), network("192.0.2.1"), account("ada"));
    for _ in 0..3 {
        assert_eq!(fail(&throttle, 0, &[ada]), None);
    }
    for _ in 0..50 {
        assert_eq!(fail(&throttle, 0, &[home, ada]), Some(1_000));
    }
    for _ in 0..6 {
        assert_eq!(fail(&throttle, 0, &[home]), None);
    }
    assert_eq!(fail(&throttle, 0, &[home]), Some(1_000));
}

#[test]
fn keys_are_those_of_one_account_and_one_network() {
    assert_eq!(Key::account(&Email::new("ADA@Example.com").unwrap()), account("ada"));
    assert_ne!(account("ada"), account("eve"));
    assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    assert!(!format!("{:?}", account("ada")).contains("ada@"));
}

#[test]
fn a_clock_that_is_set_back_keeps_nobody_out_for_long() {
    let (throttle, ada) = (Throttle::new(SETTINGS), account("ada"));
    for _ in 0..3 {
        assert_eq!(fail(&throttle, 86_400_000, &[ada]), None);
    }
    assert_eq!(fail(&throttle, 0, &[ada]), Some(1_000));
    assert_eq!(fail(&throttle, 1_000, &[ada]), None);
}

/// A flood of keys neither takes all memory nor frees who is waiting.
#[test]
fn a_flood_forgets_who_waits_last() {
    let (throttle, ada) = (Throttle::new(SETTINGS), account("ada"));
    let mut now = 0;
    for wait in [0, 0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000] {
        now += wait;
        assert_eq!(fail(&throttle, now, &[ada]), None);
    }
    for number in 0..10_000 {
        assert_eq!(fail(&throttle, now + number, &[account(&format!("flood{number}"))]), None);
        assert!(throttle.lock().len() <= SETTINGS.capacity);
    }
    assert_eq!(fail(&throttle, now + 10_000, &[ada]), Some(118_000));
    // Even if all of the flood waits too, only less long.
    for number in 0..1_000 {
        for _ in 0..3 {
            assert_eq!(fail(&throttle, now + 10_000, &[account(&format!("more{number}"))]), None);
        }
        assert!(throttle.lock().len() <= SETTINGS.capacity);
    }
    assert_eq!(fail(&throttle, now + 10_000, &[ada]), Some(118_000));
}

proptest! {
    /// However the attempts are placed, no more pass within a time than the doubling delays leave room for.
    #[test]
    fn nobody_guesses_faster_than_the_delays(gaps in prop::collection::vec(0_i64..120_000, 1..400)) {
        let (throttle, ada) = (Throttle::new(SETTINGS), account("ada"));
        let (mut now, mut passed) = (0, 0_u32);
        for gap in gaps {
            now += gap;
            passed += u32::from(fail(&throttle, now, &[ada]).is_none());
        }
        // Three are free, and so is each one that was forgotten; the n-th one after that waited 2^n seconds in all.
        let forgotten = u32::try_from(now / 900_000).unwrap();
        let doubled = (1 + now / 1_000).ilog2() + 1;
        prop_assert!(passed <= 3 + 2 * forgotten + doubled, "{} passed in {} ms", passed, now);
    }

    #[test]
    fn it_stays_within_its_bounds(steps in prop::collection::vec((0_u8..20, 0_u8..4, -10_000_i64..100_000), 0..300), capacity in 0_usize..8) {
        let throttle = Throttle::new(Settings { capacity, ..SETTINGS });
        let mut now = 0;
        for (who, fate, gap) in steps {
            now += gap;
            match throttle.begin(at(now), &[account(&format!("p{who}"))]) {
                Ok(attempt) if fate == 0 => attempt.succeeded(),
                Ok(attempt) if fate == 1 => attempt.withdraw(),
                Ok(_) => {}
                Err(error) => prop_assert!(error.retry_after().unwrap() <= LIMIT.longest),
            }
            prop_assert!(throttle.lock().len() <= capacity.max(1));
        }
    }
}

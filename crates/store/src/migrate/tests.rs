//! A database of release 0.1 with conversations in it goes up, down and up again; so does one that others came to meanwhile.

mod fill;
mod people;
mod raw;
mod sharing;

use jiff::Timestamp;
use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::run::Status;
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::text::Search;
use retinue_model::thread::Thread;
use retinue_model::user::User;
use retinue_model::{AgentId, Principal, ThreadId, UserId};
use rusqlite::Connection;
use uuid::Uuid;

use self::raw::{Contents, Raw};
use super::{down, merged_by_down, up, up_to};
use crate::{Batch, Location, Scope, Store, Tenant, scratch, search, thread, user};

const MINE: Scope = Scope::of(Principal::local_user());

/// Rows of each table of release 0.1: conversations, runs, messages, events.
const ROWS: [usize; 4] = [5_003, 50_000, 100_000, 145_000];

fn assert_same(now: &Contents, before: &Contents, when: &str) {
    for ((now, before), table) in now.iter().zip(before).zip(raw::TABLES) {
        // A whole table is too much to be looked at.
        let differing = now.iter().zip(before).find(|(now, before)| now != before);
        assert_eq!(differing, None, "{table}, {when}");
        assert_eq!(now.len(), before.len(), "{table}, {when}");
    }
}

/// A column of which all rows say the same would show no loss.
fn is_varied(contents: &Contents) {
    assert_eq!(contents.each_ref().map(Vec::len), ROWS);
    for status in Status::ALL {
        assert!(contents[1].iter().any(|run| run.contains(status.as_str())), "{status:?}");
    }
}

/// The titles of the local user's conversations that are found by a word; one without a title is empty.
async fn titles(store: &Store, word: &str) -> Vec<String> {
    let found = search::threads(&MINE, store, &Search::new(word).unwrap(), None, 10).await.unwrap();
    found.into_iter().map(|hit| hit.thread.title.unwrap_or_default()).collect()
}

/// How many conversations the local user has.
async fn count(store: &Store) -> usize {
    thread::list(&MINE, store, None, 10_000).await.unwrap().len()
}

async fn keeps_everything(store: &Store, raw: &Raw) {
    assert_eq!(up_to(store, 1).await.unwrap(), [1]);
    raw.fill().await;
    let (schema, columns) = (raw.schema().await, raw.columns().await);
    let before = raw.contents(&columns).await;
    is_varied(&before);

    assert_eq!(up(store).await.unwrap(), [2, 3]);
    assert_same(&raw.contents(&columns).await, &before, "up");
    assert_eq!((count(store).await, titles(store, "word77777").await), (5_003, vec!["Conversation 3889".to_owned()]));

    for number in [2, 3] {
        people::come(store, number).await;
    }
    for table in people::TABLES.iter().chain(&sharing::TABLES) {
        assert!(raw.count(table).await > 0, "{table}");
    }
    assert_eq!((count(store).await, titles(store, "plans2").await), (5_003, vec![]), "they are another's");
    let with_others = raw.contents(&columns).await;
    assert_eq!(with_others.each_ref().map(Vec::len), [ROWS[0] + 2, ROWS[1] + 2, ROWS[2] + 2, ROWS[3] + 2]);

    assert_eq!(down(store).await.unwrap(), Some(3));
    assert_eq!(down(store).await.unwrap(), Some(2));
    assert_eq!(raw.schema().await, schema);
    assert_same(&raw.contents(&columns).await, &with_others, "down");
    is_searched_by_0_1(raw).await;

    let talked_on = raw.contents(&columns).await;
    assert_eq!(up(store).await.unwrap(), [2, 3]);
    assert_same(&raw.contents(&columns).await, &talked_on, "up again");
    raw.check_search().await;
    assert_eq!(count(store).await, 5_005, "whose the others were, nobody knows any more");
    for (word, title) in [
        ("word77777", "Conversation 3889"),
        ("plans2", "Private title2"),
        ("title3", "Private title3"),
        ("late", ""),
        ("renamed", "Renamed"),
    ] {
        assert_eq!(titles(store, word).await, [title], "{word}");
    }
    for word in ["5001", "word100000"] {
        assert_eq!(titles(store, word).await, [""; 0], "{word}");
    }
    deletion_takes_along_what_is_below(store, raw).await;
}

/// The search of release 0.1 finds what is there, and what is said, renamed and deleted from then on.
async fn is_searched_by_0_1(raw: &Raw) {
    raw.check_search().await;
    assert_eq!(raw.found("word77777").await, ["word77777 ärger 世界 'quoted', \"twice\",\nin two lines"]);
    assert_eq!(raw.found("3889").await, ["Conversation 3889"]);
    assert_eq!(
        (raw.found("plans2").await, raw.found("title3").await),
        (vec!["Private plans2".to_owned()], vec!["Private title3".to_owned()])
    );
    raw.run(&format!(
        "INSERT INTO messages (id, thread_id, role, content, position, created_at)
            SELECT {}, id, 'user', 'said late', 21, created_at FROM threads WHERE title IS NULL ORDER BY created_at LIMIT 1;
        UPDATE threads SET title = 'Renamed' WHERE title = 'Conversation 5001';
        DELETE FROM messages WHERE content LIKE 'word100000 %'",
        raw.random_id()
    ))
    .await;
    raw.check_search().await;
    assert_eq!(raw.found("late").await, ["said late"]);
    assert_eq!(raw.found("renamed").await, ["Renamed"]);
    for word in ["5001", "word100000"] {
        assert_eq!(raw.found(word).await, [""; 0], "{word}");
    }
}

async fn deletion_takes_along_what_is_below(store: &Store, raw: &Raw) {
    let mut before = Vec::new();
    for table in raw::TABLES {
        before.push(raw.count(table).await);
    }
    let words = Search::new("word77777").unwrap();
    let found = search::threads(&MINE, store, &words, None, 10).await.unwrap();
    let mut batch = Batch::default();
    thread::delete_with(&MINE, &mut batch, found[0].thread.id);
    store.write(batch).await.unwrap();
    assert_eq!(titles(store, "word77777").await, [""; 0]);
    // Each run has three events, for none of them is under way.
    for ((table, before), less) in raw::TABLES.into_iter().zip(before).zip([1, 10, 20, 30]) {
        assert_eq!(raw.count(table).await, before - less, "{table}");
    }
}

#[tokio::test]
async fn a_database_of_0_1_keeps_everything_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retinue.db");
    let store = Store::open(&Location::Sqlite(path.clone())).await.unwrap();
    keeps_everything(&store, &Raw::Sqlite(Connection::open(path).unwrap())).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_database_of_0_1_keeps_everything_on_postgres() {
    let url = scratch::empty_postgres().await;
    let store = Store::open(&scratch::location(&url)).await.unwrap();
    keeps_everything(&store, &Raw::postgres(&url).await).await;
}

/// FNV-1a: the texts of migrations that were released. A database that went through them is as they say, so they stay.
const RELEASED: [(i64, [u64; 4]); 2] = [
    (1, [0x56b8_8638_e798_4ae8, 0xaf9d_ed8d_48a1_43dc, 0xe23f_3fde_92d5_29f0, 0x0ed0_d963_6886_fabb]),
    (2, [0x277c_f7fe_c2d7_85fd, 0x257a_9acf_f277_9a35, 0xc32d_3f6e_5f9a_5ed5, 0x4cc7_3581_1e3c_8b06]),
];

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn what_was_released_does_not_change() {
    for (migration, (version, hashes)) in super::MIGRATIONS.iter().zip(RELEASED) {
        let (sqlite, postgres) = (&migration.sqlite, &migration.postgres);
        let found = [sqlite.up, sqlite.down, postgres.up, postgres.down].map(fnv);
        assert_eq!((migration.version, found), (version, hashes));
    }
}

/// Before there is anything, with what the local user has, and with what somebody else has.
async fn what_would_be_merged_is_counted(store: &Store) {
    assert_eq!(merged_by_down(store).await.unwrap(), 0);
    up(store).await.unwrap();
    assert_eq!(merged_by_down(store).await.unwrap(), 0);
    let (us, now) = (Tenant::default_organization(), Timestamp::UNIX_EPOCH);
    let bob = User {
        id: UserId::new(Uuid::from_u128(12)),
        organization_id: DEFAULT_ORGANIZATION,
        name: "bob".to_owned(),
        email: None,
        email_verified: false,
        organization_admin: false,
        disabled_at: None,
        created_at: now,
    };
    let conversation = |number| Thread {
        id: ThreadId::new(Uuid::from_u128(number)),
        team_id: DEFAULT_TEAM,
        title: None,
        agent_id: AgentId::new(Uuid::from_u128(7)),
        model: None,
        created_at: now,
        updated_at: now,
    };
    let mut batch = Batch::default();
    thread::insert_with(&MINE, &mut batch, &conversation(1));
    store.write(batch).await.unwrap();
    assert_eq!(merged_by_down(store).await.unwrap(), 0);
    let mut batch = Batch::default();
    user::insert_with(&us, &mut batch, &bob, None);
    thread::insert_with(&Scope::of_row(DEFAULT_ORGANIZATION, bob.id), &mut batch, &conversation(2));
    store.write(batch).await.unwrap();
    assert_eq!(merged_by_down(store).await.unwrap(), 1);
    assert_eq!(down(store).await.unwrap(), Some(3));
    assert_eq!(merged_by_down(store).await.unwrap(), 0, "that takes teams away, and no owners");
    assert_eq!(down(store).await.unwrap(), Some(2));
    assert_eq!(merged_by_down(store).await.unwrap(), 0, "there are no owners any more");
}

#[tokio::test]
async fn what_would_be_merged_is_counted_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Location::Sqlite(folder.path().join("retinue.db"))).await.unwrap();
    what_would_be_merged_is_counted(&store).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn what_would_be_merged_is_counted_on_postgres() {
    let url = scratch::empty_postgres().await;
    what_would_be_merged_is_counted(&Store::open(&scratch::location(&url)).await.unwrap()).await;
}

//! `retinue doctor` and `retinue key rotate`, as they are typed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use retinue_app::Clock;
use retinue_testkit::{FakeClock, IdentityProvider, LetterBox, Program};
use serde_json::json;

/// Exit code, and everything that was said.
fn retinue(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retinue"));
    command.args(arguments).current_dir(folder).env_clear().envs(environment.iter().copied());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn settings(issuer: &str) -> [(&str, &str); 3] {
    [("AUTH_MODE", "oidc"), ("OIDC_ISSUER_URL", issuer), ("OIDC_CLIENT_ID", "retinue")]
}

#[tokio::test(flavor = "multi_thread")]
async fn it_finds_what_keeps_people_from_signing_in() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let provider = IdentityProvider::start(Arc::clone(&clock) as Arc<dyn Clock>).await;
    let ask = |issuer: String| {
        let folder = folder.path().to_owned();
        tokio::task::spawn_blocking(move || retinue(&folder, &["doctor"], &settings(&issuer)))
    };
    // The provider's clock is the test's own, which is years behind.
    let (code, said) = ask(provider.issuer().to_owned()).await.unwrap();
    assert_eq!(code, Some(1), "{said}");
    for line in
        ["ok       discovery: ", "ok       issuer: ", "PROBLEM  clock: ", "1 problem keeps people from signing in."]
    {
        assert!(said.contains(line), "{line} is not in:\n{said}");
    }
    let (_, said) = ask(format!("{}/", provider.issuer())).await.unwrap();
    assert!(said.contains("PROBLEM  issuer: ") && said.contains("slash at the end"), "{said}");
    provider.set(|script| script.metadata = json!({"jwks_uri": "http://127.0.0.1:1/keys"}));
    let (_, said) = ask(provider.issuer().to_owned()).await.unwrap();
    assert!(said.contains("PROBLEM  keys: "), "{said}");
    provider.stop().await;
    let (_, said) = ask(provider.issuer().to_owned()).await.unwrap();
    assert!(said.contains("PROBLEM  discovery: The provider can't be reached"), "{said}");
    assert!(!folder.path().join("data").exists(), "looking changes nothing");
}

#[test]
fn it_knows_administrators_whom_nobody_could_vouch_for() {
    let folder = tempfile::tempdir().unwrap();
    let admins = "[auth]\nadmins = [\"https://idp.example/|alice\"]\n";
    fs::write(folder.path().join("retinue.toml"), admins).unwrap();
    let (code, said) = retinue(folder.path(), &["doctor"], &settings("http://127.0.0.1:1"));
    assert_eq!(code, Some(1));
    assert!(said.contains("PROBLEM  administrators: https://idp.example/|alice can never be anybody"), "{said}");
}

/// The lines that doctor says about one thing where people sign in with an address, and its exit code.
fn says_of(folder: &Path, about: &str, environment: &[(&str, &str)]) -> (Option<i32>, Vec<String>) {
    let environment = [&[("AUTH_MODE", "local")], environment].concat();
    let (code, said) = retinue(folder, &["doctor"], &environment);
    let lines = said.lines().filter(|line| line.contains(&format!(" {about}: ")));
    (code, lines.map(|line| line.trim().to_owned()).collect())
}

#[test]
fn it_says_who_can_reach_the_public_url() {
    let folder = tempfile::tempdir().unwrap();
    let near = "leads to this machine: only people who sit at it can sign in. Set RETINUE_PUBLIC_URL to the https address for others.";
    let cases: [(&[(&str, &str)], String); 3] = [
        (&[], format!("note     public URL: http://127.0.0.1:8080 {near}")),
        // As in a container, whose port is published to the machine it runs on.
        (
            &[("RETINUE_LISTEN", "0.0.0.0:8080"), ("RETINUE_PUBLIC_URL", "http://localhost:8080")],
            format!("note     public URL: http://localhost:8080 {near}"),
        ),
        (
            &[("RETINUE_LISTEN", "0.0.0.0:8080"), ("RETINUE_PUBLIC_URL", "https://retinue.example.com/")],
            "ok       public URL: People come to https://retinue.example.com; cookies are sent over https only, and to this host only."
                .to_owned(),
        ),
    ];
    for (environment, line) in cases {
        assert_eq!(says_of(folder.path(), "public URL", environment), (Some(0), vec![line]));
    }
}

#[test]
fn it_says_whether_the_instance_s_keys_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data/instance.key");
    let said = || says_of(folder.path(), "keys", &[]);
    let line = |text: &str| vec![text.to_owned()];
    assert_eq!(said(), (Some(0), line("note     keys: The instance has none yet. The first start makes one.")));
    assert!(!file.exists(), "looking makes none");
    assert_eq!(retinue(folder.path(), &["key", "rotate"], &[]).0, Some(0));
    assert_eq!(said(), (Some(0), line("ok       keys: The instance has 2; the newest signs.")));
    let keys = fs::read_to_string(&file).unwrap();
    fs::write(&file, "nonsense\n").unwrap();
    let (code, lines) = said();
    assert!(code == Some(1) && lines.len() == 1, "{lines:?}");
    assert!(
        lines[0].starts_with("PROBLEM  keys: The file of the instance's keys is not one. Put it back"),
        "{lines:?}"
    );
    fs::write(&file, keys).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let (code, lines) = said();
    assert!(code == Some(1) && lines.len() == 1, "{lines:?}");
    assert!(lines[0].starts_with("PROBLEM  keys: ") && lines[0].contains("Run `chmod 600 "), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_lets_clocks_differ_as_far_as_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let provider = IdentityProvider::start(Arc::new(FakeClock::running())).await;
    let clock = async |ahead: i64, leeway: &str| {
        provider.set(|script| script.clock_ahead = ahead);
        let (folder, issuer, leeway) = (folder.path().to_owned(), provider.issuer().to_owned(), leeway.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let leeway = [("RETINUE__AUTH__OIDC__LEEWAY_SECONDS", leeway.as_str())];
            retinue(&folder, &["doctor"], &[&settings(&issuer)[..], &leeway].concat())
        });
        let (_, said) = asked.await.unwrap();
        said.lines().find(|line| line.contains(" clock: ")).unwrap().trim().to_owned()
    };
    assert!(clock(-90, "60").await.starts_with("PROBLEM  clock: "));
    assert!(clock(-90, "120").await.starts_with("note     clock: "));
    assert!(clock(40, "60").await.starts_with("note     clock: "));
    let strict = clock(40, "10").await;
    assert!(strict.starts_with("PROBLEM  clock: ") && strict.contains("and 10 s are allowed"), "{strict}");
}

/// Somebody may have been made one on the command line, which it does not look at.
#[test]
fn it_does_not_say_that_nobody_is_an_administrator() {
    let folder = tempfile::tempdir().unwrap();
    let (_, said) = retinue(folder.path(), &["doctor"], &settings("http://127.0.0.1:1"));
    let line = "note     administrators: auth.admins is empty: only whom `retinue user grant-admin` made runs";
    assert!(said.contains(line), "{said}");
}

/// All people seem to come from one place.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_forgets_the_reverse_proxy_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = async |proxies: &str, mode: &str| {
        let file = format!("[server]\npublic_url = \"https://retinue.example.com\"\ntrusted_proxies = {proxies}\n");
        fs::write(folder.path().join("retinue.toml"), file).unwrap();
        let environment = [("AUTH_MODE", mode)];
        let (_, checked) = retinue(folder.path(), &["config", "check"], &environment);
        let (_, found) = retinue(folder.path(), &["doctor"], &environment);
        let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path()).environment("AUTH_MODE", mode);
        let server = program.start().await;
        server.signal("TERM").await;
        let (_, log) = server.ended().await;
        [checked, found, log].map(|said| said.contains("server.trusted_proxies is empty"))
    };
    assert_eq!(told("[]", "local").await, [true; 3]);
    assert_eq!(told("[\"10.0.0.1\"]", "local").await, [false; 3]);
    assert_eq!(told("[]", "single_user").await, [false; 3]);
}

#[test]
fn keys_are_private_and_are_rotated_with_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data/instance.key");
    let keys = || fs::read_to_string(&file).unwrap().lines().filter(|line| line.starts_with("rtk1 ")).count();
    let rotate = |arguments: &[&str]| retinue(folder.path(), &[&["key", "rotate"], arguments].concat(), &[]);
    assert_eq!(rotate(&[]).0, Some(0));
    assert_eq!((keys(), fs::metadata(&file).unwrap().permissions().mode() & 0o777), (2, 0o600));
    assert!(rotate(&["--forget"]).1.contains("everybody signs in again"));
    assert_eq!(keys(), 1);
    // None that was made at the same time is lost.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(rotate(&[]).0, Some(0)));
        }
    });
    assert_eq!(keys(), 7);
    let left = fs::read_dir(folder.path().join("data"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with(".instance.key"));
    assert_eq!(left.count(), 0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = rotate(&[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("chmod 600") && said.contains("sign in as anybody"), "{said}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "nonsense\n").unwrap();
    assert!(rotate(&[]).1.contains("Put it back from a backup"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "nonsense\n", "nothing is thrown away");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_whether_mail_can_be_sent() {
    let folder = tempfile::tempdir().unwrap();
    let ask = async |environment: Vec<(&'static str, String)>| {
        let folder = folder.path().to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, &**value)).collect();
            says_of(&folder, "mail", &environment)
        });
        asked.await.unwrap()
    };
    let (code, lines) = ask(Vec::new()).await;
    assert!(code == Some(0) && lines[0].starts_with("note     mail: None is sent"), "{lines:?}");
    let at = |port: u16| {
        let settings = [("HOST", "127.0.0.1".to_owned()), ("PORT", port.to_string()), ("TLS", "none".to_owned())];
        let from = ("RETINUE__MAIL__FROM", "no-reply@example.com".to_owned());
        let names = ["RETINUE__MAIL__HOST", "RETINUE__MAIL__PORT", "RETINUE__MAIL__TLS"];
        let set = names.into_iter().zip(settings.map(|(_, value)| value));
        set.chain([from]).collect::<Vec<_>>()
    };
    let letters = LetterBox::open().await;
    let expected = format!("ok       mail: 127.0.0.1:{} takes it.", letters.port());
    assert_eq!(ask(at(letters.port())).await, (Some(0), vec![expected]));
    let (code, lines) = ask(at(1)).await;
    assert!(code == Some(1) && lines[0].starts_with("PROBLEM  mail: 127.0.0.1:1: No mail can be sent: "), "{lines:?}");
}

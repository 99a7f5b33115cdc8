//! `retinue user offboard`, as it is typed, beside a running server.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{Database, Person, on_both_databases, until};
use serde_json::{Value, json};

use crate::team::typed::{told, typed};

on_both_databases! {
    whoever_leaves_is_offboarded_beside_a_running_server,
}

const PASSWORD: &str = "correct horse battery staple";

async fn whoever_leaves_is_offboarded_beside_a_running_server(database: Database) {
    let typed = typed(&database);
    let settings = "[auth]\nmode = \"local\"\n[offboarding]\nthreads = \"transfer\"\n";
    std::fs::write(typed.folder.path().join("retinue.toml"), settings).unwrap();
    typed.said(&["user", "add", "boss@example.com", "--admin"], PASSWORD);
    for name in ["ada", "grace"] {
        typed.said(&["user", "add", &format!("{name}@example.com")], PASSWORD);
    }
    let server = typed.serve("local").await;
    let [boss, ada, grace] = [(); 3].map(|()| Person::at(format!("http://{}", server.address())));
    for (person, name) in [(&boss, "boss"), (&ada, "ada"), (&grace, "grace")] {
        assert_eq!(person.sign_in_with(&format!("{name}@example.com"), PASSWORD).await.status(), 303);
    }
    let thread = ada.thread().await;
    ada.thread().await;
    typed.said(&["team", "create", "Ops"], "");
    typed.said(&["member", "add", "ada@example.com", "--team", "ops", "--role", "admin"], "");

    let offboard = |more: &[&'static str]| [&["user", "offboard", "ada@example.com"][..], more].concat();
    for (more, word) in [
        (&[][..], "--to USER"),
        (&["--to", "ada@example.com"], "no other user"),
        (&["--to", "nobody@example.com"], "no such user"),
        (&["--threads", "keep", "--to", "grace@example.com"], "means nothing"),
        (&["--to", "grace@example.com", "--agents", "transfer"], "does not let that be handed over"),
        (&["--to", "grace@example.com"], "Nobody else is an admin of these teams: ops"),
        (&["--threads", "keep", "--teams-to", "grace@example.com", "--report", "none/report"], "nothing was done"),
    ] {
        let complaint = typed.complaint(&offboard(more), "");
        assert!(complaint.contains(word), "{more:?}: {complaint}");
    }
    let planned = typed.said(&offboard(&["--to", "grace@example.com", "--dry-run"]), "");
    assert!(planned.contains("Nothing was done.") && planned.contains("2: handed over to usr_"), "{planned}");
    assert!(planned.contains("nobody else is an admin of ops: --teams-to USER"), "{planned}");
    let planned = typed.json(&offboard(&["--threads", "delete", "--dry-run"]), "");
    assert_eq!((&planned["contents"]["threads"], &planned["policy"]["threads"]), (&json!(2), &json!("delete")));
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200, "nothing was done");

    let done = offboard(&["--to", "grace@example.com", "--teams-to", "boss@example.com", "--report", "report.txt"]);
    let said = typed.said(&done, "");
    assert!(said.starts_with("ada (ada@example.com, usr_") && said.contains("is offboarded."), "{said}");
    assert!(said.contains("2 conversations and 0 agents to usr_") && said.contains("1 team to usr_"), "{said}");
    assert_eq!(std::fs::read_to_string(typed.folder.path().join("report.txt")).unwrap(), said);
    until("the server hears of it", Duration::from_secs(20), async || {
        (ada.status(Method::GET, "/auth/me").await == 401).then_some(())
    })
    .await;
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 401);
    assert_eq!(grace.status(Method::GET, &format!("/api/threads/{thread}")).await, 200);
    assert_eq!(boss.status(Method::GET, &format!("/api/threads/{thread}")).await, 404);
    let roles = boss.get("/api/teams").await;
    assert!(
        roles["data"].as_array().unwrap().iter().any(|team| team["slug"] == "ops" && team["role"] == "admin"),
        "{roles}"
    );
    let again: Value = typed.json(&done, "");
    assert_eq!((&again["transferred"]["threads"], &again["resumed"]), (&json!(2), &json!(0)), "it is told once more");
    let written = std::fs::read_to_string(typed.folder.path().join("report.txt")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), again);
    let told = told(&boss).await;
    assert_eq!(told[0], "user.offboarded", "{told:?}");
    assert!(
        ["threads.transferred", "membership.added", "user.disabled"]
            .iter()
            .all(|one| told.contains(&(*one).to_owned()))
    );
    let last = ["user", "offboard", "boss@example.com", "--threads", "keep", "--teams-to", "grace@example.com"];
    let complaint = typed.complaint(&last, "");
    assert!(complaint.contains("Nobody else runs the installation"), "{complaint}");
    assert_eq!(boss.status(Method::GET, "/auth/me").await, 200, "nothing was done");
    assert!(server.stop().await.success());
}

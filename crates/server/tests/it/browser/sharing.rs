//! What people share and see of each other: teams, agents, keys, invitations, the trail and usage, with content as it is in
//! real life and as somebody hostile would have it.

use reqwest::Method;
use retinue_testkit::{Browser, IdentityProvider, Person, Scheme, TestApp};
use serde_json::{Value, json};

use super::local::{send, show};
use super::people;
use crate::team::{join, team};

const MARKUP: &str = "<script>window.ran = 1</script><img src=x onerror=\"window.ran=1\"><b>bold</b>";
const WORD: &str = "Donaudampfschifffahrtselektrizitaetenwerk";

/// Shows each page that there is because there are others.
pub(super) async fn tour(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let (app, provider, browser) = people::start().await;
    people::sign_in(&browser, &provider, "admin").await;
    let admin = Person::signed_in(&app, &provider, "admin").await;
    empty(&browser, look).await;
    let cast = Cast::assemble(&app, &provider, admin).await;
    teams(&cast, &browser, look).await;
    members(&app, &cast, &browser, look).await;
    agents(&cast, &browser, look).await;
    keys(&browser, look).await;
    usage(&app, &cast, &browser, look).await;
    installation(&cast, &browser, look).await;
    invitations(&cast, (&provider, &browser), look).await;
    assert_eq!(browser.evaluate("window.ran ?? null").await, json!(null));
}

/// Who there is, and what they have.
struct Cast {
    admin: Person,
    ada: Person,
    ops: String,
    long: String,
    agent: String,
}

impl Cast {
    async fn assemble(app: &TestApp, provider: &IdentityProvider, admin: Person) -> Self {
        let ada = Person::signed_in(app, provider, "ada").await;
        let grace = Person::signed_in(app, provider, "grace").await;
        let ops = team(&admin, "Operations").await;
        let long = team(&admin, &name()).await;
        team(&admin, "فريق البحث").await;
        join(&admin, &ops, &ada, "editor").await;
        join(&admin, &ops, &grace, "viewer").await;
        join(&admin, &long, &ada, "viewer").await;
        let new = json!({
            "team_id": ops, "name": "Code review", "description": "Reads a diff and says what would break.",
            "instructions": "You review code.\n\nSay what would break first, then what could be simpler.", "sharing": "team",
        });
        let agent = id(&admin.send_json(Method::POST, "/api/agents", &new, 201).await);
        let better = json!({ "instructions": "You review code.\n\nSay what would break first." });
        ada.send_json(Method::PATCH, &format!("/api/agents/{agent}"), &better, 200).await;
        for (team, name) in [(&ops, "Nightly report".to_owned()), (&long, name())] {
            ada.send_json(Method::POST, "/api/api-keys", &json!({ "team_id": team, "name": name }), 201).await;
        }
        let new = json!({ "team_id": long, "name": name(), "description": WORD.repeat(10), "instructions": WORD.repeat(40), "sharing": "team" });
        admin.send_json(Method::POST, "/api/agents", &new, 201).await;
        for new in [json!({ "role": "editor" }), json!({ "role": "viewer", "email": "someone-new@example.com" })] {
            admin.send_json(Method::POST, &format!("/api/teams/{ops}/invitations"), &new, 201).await;
        }
        Self { admin, ada, ops, long, agent }
    }
}

/// 200 characters, with words that nobody can break, markup, and text that runs the other way.
fn name() -> String {
    let name = format!("{MARKUP} مرحبا 🛶 {WORD} ");
    name.chars().chain(WORD.chars().cycle()).take(200).collect()
}

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

async fn empty(browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    for page in
        [("teams-one", "/teams"), ("keys-empty", "/api-keys"), ("usage-empty", "/usage"), ("audit-first", "/audit")]
    {
        show(browser, page, look).await;
    }
    show(browser, ("audit-empty", "/audit?of=all&action=team.deleted"), look).await;
}

async fn teams(cast: &Cast, browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    show(browser, ("teams", "/teams"), look).await;
    browser.view(1280, Scheme::Light).await;
    send(browser, &[("#name", "operations")]).await;
    browser.sees("#name-error, form .field-error", "").await;
    look(browser, "teams-error").await;
    let path = format!("/teams/{}", cast.ops);
    show(browser, ("team", &path), look).await;
    browser.view(1280, Scheme::Light).await;
    browser.open(&path).await;
    browser.click("summary[aria-label='Change or remove ada']").await;
    look(browser, "team-member-open").await;
    browser.view(1280, Scheme::Light).await;
    send(browser, &[("#user", "nobody@example.com")]).await;
    browser.sees("#user-error", "There is no such user").await;
    look(browser, "team-member-error").await;
    browser.view(1280, Scheme::Light).await;
    browser.open(&path).await;
    browser.click(&format!("form[action='{path}/invitations'] button[type=submit]")).await;
    browser.sees(".callout", "not shown again").await;
    look(browser, "team-invited").await;
    browser.view(1280, Scheme::Light).await;
    browser.open(&path).await;
    browser.click("summary[aria-label='Revoke Nightly report of ada']").await;
    browser.sees("[aria-labelledby=keys]", "Of ada").await;
    look(browser, "team-key-open").await;
    browser.view(1280, Scheme::Light).await;
    browser.open(&path).await;
    browser.click("summary[aria-label='Change or remove grace']").await;
    browser.click("[action$='/remove'] button").await;
    browser.sees(".undo", "grace, who was viewer").await;
    look(browser, "team-undo").await;
    show(browser, ("team-long", &format!("/teams/{}", cast.long)), look).await;
    show(browser, ("team-delete", &format!("{path}/delete")), look).await;
    show(browser, ("team-delete-long", &format!("/teams/{}/delete", cast.long)), look).await;
}

/// More people than one page shows.
async fn members(app: &TestApp, cast: &Cast, browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    let crowd = team(&cast.admin, "Crowd").await;
    let number = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 300)";
    for statement in [
        format!(
            "{number} INSERT INTO users (id, organization_id, name, email, email_key, email_verified, organization_admin, \
             created_at, updated_at) SELECT randomblob(16), (SELECT id FROM organizations), 'Member ' || n, \
             'member' || n || '@example.com', 'member' || n || '@example.com', 1, 0, 1795266000000000 + n, 1795266000000000 + n FROM number"
        ),
        "INSERT INTO memberships (team_id, user_id, organization_id, role, origin, created_at, updated_at) \
         SELECT t.id, u.id, u.organization_id, 'viewer', 'person', u.created_at, u.created_at FROM users u, teams t \
         WHERE u.name LIKE 'Member %' AND t.name = 'Crowd'"
            .to_owned(),
    ] {
        app.database.ask(&statement).await;
    }
    let path = format!("/teams/{crowd}");
    show(browser, ("team-crowd", &path), look).await;
    browser.view(1280, Scheme::Light).await;
    browser.open(&path).await;
    for page in 1..=3 {
        browser.click("main .more a").await;
        browser.sees("main .list", &format!("Member {page}00\n")).await;
    }
    assert_eq!(browser.count("main .more").await, 0);
}

async fn agents(cast: &Cast, browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    show(browser, ("agents-shared", "/agents"), look).await;
    show(browser, ("agent-new", "/agents/new"), look).await;
    browser.view(1280, Scheme::Light).await;
    send(browser, &[("#name", "Reviewer"), ("#slug", "Not a slug")]).await;
    browser.sees("#slug-error", "A short name has").await;
    assert_eq!(browser.value("#name").await, "Reviewer");
    look(browser, "agent-new-error").await;
    show(browser, ("agent", &format!("/agents/{}", cast.agent)), look).await;
    browser.view(1280, Scheme::Light).await;
    browser.open(&format!("/agents/{}", cast.agent)).await;
    browser.evaluate("document.querySelector('.confirm summary').scrollIntoView()").await;
    browser.click(".confirm summary").await;
    look(browser, "agent-delete").await;
    browser.view(1280, Scheme::Light).await;
    browser.open(&format!("/agents/{}", cast.agent)).await;
    browser.evaluate("document.querySelector('#versions').scrollIntoView()").await;
    browser.click("[aria-label='What it was: version 1']").await;
    look(browser, "agent-version").await;
    browser.view(1280, Scheme::Light).await;
    browser.open(&format!("/agents/{}", cast.agent)).await;
    let meanwhile = json!({ "description": "Reads a diff." });
    cast.ada.send_json(Method::PATCH, &format!("/api/agents/{}", cast.agent), &meanwhile, 200).await;
    send(browser, &[("#name", "Critic")]).await;
    browser.sees("[role=alert]", "See it below").await;
    browser.until("document.activeElement.matches('[role=alert]')").await;
    look(browser, "agent-changed-error").await;
}

async fn keys(browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    browser.view(1280, Scheme::Light).await;
    browser.open("/api-keys").await;
    browser.click("#name").await;
    browser.paste(&name()).await;
    browser.click("form.fields button[type=submit]").await;
    browser.sees(".callout", "not shown again").await;
    assert_eq!(browser.count(".copy").await, 2, "both can be copied");
    look(browser, "keys-made").await;
    browser.view(1280, Scheme::Light).await;
    browser.open("/api-keys").await;
    for _ in 0..4 {
        browser.evaluate("document.querySelector('.check input:checked').click()").await;
    }
    send(browser, &[("#name", "Nightly report")]).await;
    browser.sees(".field-error", "").await;
    assert_eq!(browser.value("#name").await, "Nightly report");
    look(browser, "keys-error").await;
    browser.view(1280, Scheme::Light).await;
    browser.open("/api-keys").await;
    browser.click("[aria-label^=Revoke]").await;
    look(browser, "keys-revoke").await;
    browser.view(1280, Scheme::Light).await;
    browser.click("[action$='/revoke'] button").await;
    browser.sees("main .list .state", "revoked").await;
    show(browser, ("keys", "/api-keys"), look).await;
}

async fn usage(app: &TestApp, cast: &Cast, browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    for (person, (input, output)) in [(&cast.admin, (12_345_678, 1_234)), (&cast.ada, (900, 60))] {
        let new = json!({ "agent_id": cast.agent, "team_id": cast.ops });
        let thread = person.send_json(Method::POST, "/api/threads", &new, 201).await;
        let run = person.say(&id(&thread), "Look at this").await;
        let answer = app.model.next().await.begin();
        answer.say("Fine.").await;
        answer.finish_counting(input, output).await;
        person.follow(&run).await.rest().await;
        if input == 12_345_678 {
            show(browser, ("thread-of-team", &format!("/threads/{}", id(&thread))), look).await;
        }
    }
    let budget = async |path: String, tokens: i64| {
        cast.admin.send_json(Method::PUT, &path, &json!({ "tokens_per_month": tokens }), 200).await;
    };
    budget(format!("/api/users/{}/budget", cast.admin.id().await), 13_000_000).await;
    budget(format!("/api/teams/{}/budget", cast.ops), 50_000_000).await;
    show(browser, ("usage", "/usage"), look).await;
    show(browser, ("home-little-left", "/"), look).await;
    budget(format!("/api/users/{}/budget", cast.admin.id().await), 12_000_000).await;
    show(browser, ("home-nothing-left", "/"), look).await;
    show(browser, ("usage-team", &format!("/usage?of={}", cast.ops)), look).await;
    show(browser, ("usage-all", "/usage?of=all&by=user"), look).await;
    show(browser, ("usage-agents", "/usage?of=all&by=agent"), look).await;
    show(browser, ("budget-team", &format!("/teams/{}/budget", cast.ops)), look).await;
    show(browser, ("budget", &format!("/admin/users/{}/budget", cast.ada.id().await)), look).await;
    browser.view(1280, Scheme::Light).await;
    browser.click("[value=tokens]").await;
    send(browser, &[("#tokens", "a million")]).await;
    browser.sees("#tokens-error", "whole number").await;
    assert_eq!(browser.value("#tokens").await, "a million");
    look(browser, "budget-error").await;
}

async fn installation(cast: &Cast, browser: &Browser, look: &mut impl AsyncFnMut(&Browser, &str)) {
    show(browser, ("admin", "/admin"), look).await;
    browser.view(1280, Scheme::Light).await;
    browser.open("/admin").await;
    browser.click("summary[aria-label='Change ada']").await;
    look(browser, "admin-open").await;
    show(browser, ("admin-found", "/admin?q=gr"), look).await;
    show(browser, ("admin-nobody", "/admin?q=nobody%40example.com"), look).await;
    let ada = cast.ada.id().await;
    show(browser, ("offboard", &format!("/admin/users/{ada}/offboard")), look).await;
    show(browser, ("audit", "/audit"), look).await;
    browser.view(1280, Scheme::Light).await;
    browser.open("/audit").await;
    browser.click("main .list summary").await;
    look(browser, "audit-open").await;
    show(browser, ("audit-of-one", &format!("/audit?target={}", cast.ops)), look).await;
    browser.view(1280, Scheme::Light).await;
    browser.open("/audit?target=x&who=ada@example.com").await;
    browser.until("document.activeElement.matches('[role=alert]')").await;
    look(browser, "audit-error").await;
    show(browser, ("access", "/admin/access"), look).await;
    let asked = format!("/admin/access?user={ada}&action=agent.change&resource={}", cast.agent);
    show(browser, ("access-yes", &asked), look).await;
    show(browser, ("access-no", &format!("/admin/access?user={ada}&action=team.delete&resource={}", cast.ops)), look)
        .await;
    show(browser, ("access-error", "/admin/access?user=ada&action=team.read"), look).await;
}

/// As whoever is invited sees it.
async fn invitations(
    cast: &Cast,
    (provider, browser): (&IdentityProvider, &Browser),
    look: &mut impl AsyncFnMut(&Browser, &str),
) {
    let invite = async |team: &str, new: Value| {
        let made = cast.admin.send_json(Method::POST, &format!("/api/teams/{team}/invitations"), &new, 201).await;
        let link = made["link"].as_str().unwrap().to_owned();
        link[link.find("/invitations/").unwrap()..].to_owned()
    };
    let (good, long) =
        (invite(&cast.ops, json!({"role": "editor"})).await, invite(&cast.long, json!({"role": "admin"})).await);
    let another = invite(&cast.ops, json!({ "role": "viewer", "email": "someone@example.com" })).await;
    people::sign_in(browser, provider, "ada").await;
    show(browser, ("team-viewer", &format!("/teams/{}", cast.long)), look).await;
    show(browser, ("agent-reader", &format!("/agents/{}", agent_of(&cast.ada, &cast.long).await)), look).await;
    show(browser, ("audit-mine", "/audit"), look).await;
    show(browser, ("invitation-long", &long), look).await;
    show(browser, ("invitation-member-already", &good), look).await;
    browser.view(1280, Scheme::Light).await;
    browser.open(&another).await;
    browser.click("form button[type=submit]").await;
    browser.sees("[role=alert]", "for an address").await;
    look(browser, "invitation-another-error").await;
    show(browser, ("invitation-spent", "/invitations/accept?token=spent"), look).await;
    browser.view(1280, Scheme::Light).await;
    browser.open("/account").await;
    browser.click("[action='/auth/logout'] button").await;
    browser.sees("h1", "You are signed out").await;
    // What the provider's pages ask for is not ours.
    browser.requests().await;
    show(browser, ("invitation", &good), look).await;
}

async fn agent_of(person: &Person, team: &str) -> String {
    let agents = person.get("/api/agents?limit=200").await;
    id(agents["data"].as_array().unwrap().iter().find(|agent| agent["team_id"] == json!(team)).unwrap())
}

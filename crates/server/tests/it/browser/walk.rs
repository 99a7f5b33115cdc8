//! From an empty server to people who share agents and nothing else: three people with three roles in two teams, an agent of
//! one team, a key that runs it, and a trail that shows all of it. All by clicking, from the first sign-in on.

use std::process::{Output, Stdio};

use retinue_testkit::{Browser, Key, TestApp};
use tokio::process::Command;

use super::say;

const SUBMIT: &str = "button[type=submit]";

/// The three of them, each with a browser of their own. Ada runs the installation.
struct Cast {
    ada: Browser,
    grace: Browser,
    hedy: Browser,
}

/// `enter` signs somebody in on the provider's pages.
pub(super) async fn walk(app: &TestApp, enter: impl AsyncFn(&Browser, &str)) {
    let browser = async || Browser::start(&app.url("")).await;
    let cast = Cast { ada: browser().await, grace: browser().await, hedy: browser().await };
    cast.ada.open("/").await;
    sign_in(&cast.ada, "ada", &enter).await;
    cast.ada.sees(".rail .person", "Ada Lovelace").await;
    let ops = make_team(&cast.ada, "Ops").await;
    let research = make_team(&cast.ada, "Research").await;
    let link = invite(&cast.ada, &ops, 'e').await;
    accept(&cast.grace, ("grace", &link), &enter).await;
    cast.grace.sees(".lead", "you are editor").await;
    let link = invite(&cast.ada, &research, 'v').await;
    accept(&cast.hedy, ("hedy", &link), &enter).await;
    cast.hedy.sees(".lead", "you are viewer").await;

    let agent = make_agent(&cast.grace).await;
    other_team_does_not_know(&cast.hedy, &agent).await;
    take_in(&cast.ada, &ops).await;
    let thread = use_agent(app, &cast.hedy).await;
    cast.ada.open(&thread).await;
    cast.ada.sees("h1", "Nothing is here").await;
    let (key, command) = make_key(&cast.hedy).await;
    run(app, &command).await;
    cast.hedy.open("/").await;
    cast.hedy.sees(".rail .threads", "Say hello.").await;
    stops_and_goes_on(app, &cast.ada, (&ops, &key)).await;
    shows_all(&cast.ada, &ops).await;
    for browser in [&cast.ada, &cast.grace, &cast.hedy] {
        let mut complaints = browser.complaints().await;
        // What is not there was asked for.
        complaints.retain(|complaint| !complaint.contains("status of 404"));
        assert_eq!(complaints, [""; 0]);
    }
}

async fn sign_in(browser: &Browser, login: &str, enter: &impl AsyncFn(&Browser, &str)) {
    browser.sees("h1", "Sign in").await;
    browser.click("a.button").await;
    enter(browser, login).await;
}

/// Goes to one of the places in the rail.
async fn go(browser: &Browser, place: &str, heading: &str) {
    browser.click(&format!(".rail a[href='{place}']")).await;
    browser.sees("h1", heading).await;
}

async fn write(browser: &Browser, field: &str, text: &str) {
    browser.click(field).await;
    browser.write(text).await;
}

/// Chooses what begins with a letter, by the keyboard.
async fn choose(browser: &Browser, select: &str, letter: char) {
    browser.until(&format!("document.querySelector(\"{select}\")")).await;
    browser.evaluate(&format!("document.querySelector(\"{select}\").focus()")).await;
    browser.press(Key::Character(letter)).await;
    let chosen = format!("document.querySelector(\"{select}\").selectedOptions[0].label.trim().toLowerCase()");
    browser.until(&format!("{chosen}.startsWith('{}')", letter.to_ascii_lowercase())).await;
}

/// Makes a team; where it is.
async fn make_team(browser: &Browser, name: &str) -> String {
    go(browser, "/teams", "Teams").await;
    write(browser, "#name", name).await;
    browser.press(Key::Enter).await;
    browser.sees("h1", name).await;
    browser.path().await
}

/// Invites somebody as what begins with a letter; the link.
async fn invite(browser: &Browser, team: &str, role: char) -> String {
    browser.open(team).await;
    choose(browser, "#invite-role", role).await;
    browser.click(&format!("form[action='{team}/invitations'] {SUBMIT}")).await;
    browser.sees(".callout", "not shown again").await;
    browser.text(".callout .code code").await
}

async fn accept(browser: &Browser, (login, link): (&str, &str), enter: &impl AsyncFn(&Browser, &str)) {
    browser.open(link).await;
    browser.sees("main", "Ada Lovelace invites you").await;
    browser.click("a.button").await;
    sign_in(browser, login, enter).await;
    browser.sees("main", "You are signed in here as").await;
    browser.click(&format!("form[action='/invitations/accept'] {SUBMIT}")).await;
    browser.sees("h2", "Members").await;
}

/// Grace makes an agent and shares it with her team; where it is.
async fn make_agent(grace: &Browser) -> String {
    go(grace, "/agents", "Agents").await;
    grace.click("a[href='/agents/new']").await;
    grace.sees("h1", "New agent").await;
    choose(grace, "#team", 'O').await;
    write(grace, "#name", "Reviewer").await;
    write(grace, "#description", "Reviews what you paste").await;
    write(grace, "#instructions", "Review it.").await;
    grace.click(&format!("form.fields {SUBMIT}")).await;
    grace.sees("h1", "Reviewer").await;
    grace.path().await
}

async fn other_team_does_not_know(hedy: &Browser, agent: &str) {
    go(hedy, "/agents", "Agents").await;
    let seen = hedy.text("main").await;
    assert!(seen.contains("Assistant") && !seen.contains("Reviewer"), "{seen}");
    hedy.open(agent).await;
    hedy.sees("h1", "Nothing is here").await;
}

/// Ada takes Hedy into the team, whom the server knows by now.
async fn take_in(ada: &Browser, team: &str) {
    ada.open(team).await;
    write(ada, "#user", "hedy@example.com").await;
    choose(ada, "#role", 'v').await;
    ada.click(&format!("form[action='{team}/members'] {SUBMIT}")).await;
    ada.sees("[aria-labelledby=members]", "Hedy Lamarr").await;
}

/// Hedy, who is a viewer, uses the agent, and can't change it; where she talked with it.
async fn use_agent(app: &TestApp, hedy: &Browser) -> String {
    hedy.open("/agents/new").await;
    hedy.sees("main", "You are no editor of any team").await;
    go(hedy, "/agents", "Agents").await;
    hedy.sees("main", "Reviews what you paste").await;
    hedy.click("main .list a[href^='/agents/']:not([href='/agents/new'])").await;
    hedy.sees("h1", "").await;
    go(hedy, "/", "What do you need?").await;
    choose(hedy, "[name=agent_id]", 'R').await;
    say(hedy, "Look at this").await;
    let asked = app.model.next().await;
    assert!(asked.messages()[0].1.contains("Review it."), "{:?}", asked.messages());
    asked.answer("It looks fine.").await;
    hedy.sees(".answer", "It looks fine.").await;
    hedy.path().await
}

/// Hedy makes a key; the key, and the commands that the page shows to try it.
async fn make_key(hedy: &Browser) -> (String, String) {
    go(hedy, "/api-keys", "API keys").await;
    write(hedy, "#name", "script").await;
    choose(hedy, "#team", 'O').await;
    hedy.click(&format!("form.fields {SUBMIT}")).await;
    hedy.sees(".callout", "not shown again").await;
    let code = |at: u8| format!("document.querySelectorAll('.callout .code code')[{at}].innerText");
    (hedy.text_of(&code(0)).await, hedy.text_of(&code(1)).await)
}

/// What a shell says to some commands.
async fn shell(commands: &str) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", commands]).env("NO_PROXY", "*").stdin(Stdio::null()).kill_on_drop(true);
    shell.output().await.unwrap()
}

/// Types the commands, word for word; the agent answers.
async fn run(app: &TestApp, commands: &str) {
    let answers = async {
        let asked = app.model.next().await;
        assert!(asked.messages()[0].1.contains("Review it."), "{:?}", asked.messages());
        asked.answer("Hello, shell.").await;
    };
    let (output, ()) = tokio::join!(shell(commands), answers);
    let (said, complaint) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{complaint}");
    assert!(said.contains("event: run.completed") && said.contains("Hello, shell."), "{said}");
}

/// Ada removes Hedy, and takes that back: the key stops, and goes on.
async fn stops_and_goes_on(app: &TestApp, ada: &Browser, (team, key): (&str, &str)) {
    let command = format!("curl -fsS {} -H 'Authorization: Bearer {key}'", app.url("/auth/me"));
    assert!(shell(&command).await.status.success());
    ada.open(team).await;
    ada.click("summary[aria-label='Change or remove Hedy Lamarr']").await;
    ada.click("[action$='/remove'] button").await;
    ada.sees(".undo", "Hedy Lamarr, who was viewer, was removed by you").await;
    assert!(!shell(&command).await.status.success(), "at once");
    ada.click(".undo button").await;
    ada.sees("[aria-labelledby=members]", "Hedy Lamarr").await;
    assert!(!shell(&command).await.status.success(), "a key does not come back");
}

/// Ada sees who did what, and how much was used.
async fn shows_all(ada: &Browser, team: &str) {
    go(ada, "/audit", "Audit").await;
    let all = ada.text("main .list").await;
    for told in [
        "Team created",
        "Invitation created",
        "Invitation accepted",
        "Membership added",
        "Membership removed",
        "Agent created",
        "API key created",
        "Ada Lovelace",
        "Grace Hopper",
        "Hedy Lamarr",
    ] {
        assert!(all.contains(told), "{told} is not in\n{all}");
    }
    choose(ada, "#of", 'O').await;
    ada.click(&format!("main form {SUBMIT}")).await;
    ada.until("location.search.includes('of=team_')").await;
    let part = ada.text("main .list").await;
    assert!(part.contains("Agent created") && part.contains("API key created"), "{part}");
    ada.open(&format!("/usage?of={}", team.trim_start_matches("/teams/"))).await;
    ada.sees(".table", "Hedy Lamarr").await;
    ada.sees(".table", "Reviewer").await;
}

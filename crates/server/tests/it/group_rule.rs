//! Roles in teams by groups at a provider: what is given, what is taken back, and what stays.

mod configured;
mod late;
mod own;
mod refreshed;
mod strange;

use reqwest::Method;
use retinue_app::group_rule::GroupRule;
use retinue_model::Slug;
use retinue_model::membership::Role;
use retinue_oidc::{Config, Provider};
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, on_both_databases};
use serde_json::{Value, json};

use crate::invitation::role;
use crate::linking::comes;
use crate::team::{join, team};

on_both_databases! {
    groups_give_raise_lower_and_take_back,
    a_person_s_word_stays,
    each_provider_speaks_for_itself,
    the_last_admin_stays_until_there_is_another_one,
    a_rule_for_a_team_that_there_is_not_gives_nothing_until_somebody_makes_it,
    whoever_comes_for_the_first_time_is_given_what_rules_say,
    what_a_rule_gave_goes_when_there_is_no_rule_any_more,
    what_an_identity_gave_goes_with_it,
}

/// Which provider, if only one; which group; which team; which role.
pub(crate) type Rule = (Option<&'static str>, &'static str, &'static str, &'static str);

const RULES: &[Rule] =
    &[(None, "engineers", "ops", "editor"), (None, "leads", "ops", "admin"), (None, "guests", "ops", "viewer")];

/// A server with rules, and its providers.
pub(crate) async fn start<const N: usize>(
    database: Database,
    rules: &'static [Rule],
) -> (TestApp, [IdentityProvider; N]) {
    TestApp::with_providers_and_auth(database, move |auth| {
        auth.group_rules = rules.iter().map(rule).collect();
        for configured in &mut auth.providers {
            let mut config: Config = configured.provider.config().clone();
            config.claims.groups = Some("groups".to_owned());
            configured.provider = Provider::new(config).unwrap();
        }
    })
    .await
}

fn rule((provider, group, team, role): &Rule) -> GroupRule {
    GroupRule {
        provider: provider.map(str::to_owned),
        group: (*group).to_owned(),
        team: Slug::new(team).unwrap(),
        role: Role::named(role).unwrap(),
    }
}

/// What a provider says of somebody who is in these groups.
pub(crate) fn in_groups(name: &str, groups: &Value) -> Value {
    let email = format!("{name}@example.com");
    json!({ "name": name, "email": email, "email_verified": true, "groups": groups })
}

/// Somebody who comes in, and is in these groups.
pub(crate) async fn comes_in(app: &TestApp, provider: &IdentityProvider, name: &str, groups: Value) -> Person {
    comes(app, ("sso", provider), name, in_groups(name, &groups)).await
}

/// Who runs the installation, and the team that the rules name.
pub(crate) async fn ops(app: &TestApp, provider: &IdentityProvider) -> (Person, String) {
    let admin = comes_in(app, provider, "admin", json!([])).await;
    let ops = team(&admin, "Ops").await;
    (admin, ops)
}

/// What is known of somebody's membership.
pub(crate) async fn membership(admin: &Person, team: &str, person: &Person) -> Value {
    let members = admin.get(&format!("/api/teams/{team}/members?limit=200")).await;
    let id = person.id().await;
    let found = members["data"].as_array().unwrap().iter().find(|member| member["user_id"] == json!(id));
    found.cloned().unwrap_or_default()
}

/// What the trail says of a team, the newest first: what, how it went, and why.
pub(crate) async fn told(admin: &Person, team: &str, action: &str) -> Vec<Value> {
    let found = admin.get(&format!("/api/audit?team_id={team}&action={action}")).await;
    found["data"].as_array().unwrap().clone()
}

async fn groups_give_raise_lower_and_take_back(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (admin, ops) = ops(&app, &sso).await;
    for (groups, expected) in [
        (json!(["others"]), None),
        (json!(["guests"]), Some("viewer")),
        (json!(["guests", "engineers", "others"]), Some("editor")),
        (json!(["leads", "engineers"]), Some("admin")),
        (json!(["Leads", "engineers "]), None),
        (json!(["engineers"]), Some("editor")),
        (json!(["guests"]), Some("viewer")),
        (json!([]), None),
    ] {
        let ada = comes_in(&app, &sso, "ada", groups.clone()).await;
        assert_eq!(role(&ada, &ops).await.as_deref(), expected, "{groups}");
        let found = membership(&admin, &ops, &ada).await;
        if expected.is_some() {
            assert_eq!((&found["origin"], &found["evidence"]["provider"]), (&json!("rule"), &json!("sso")));
            assert!(groups.as_array().unwrap().contains(&found["evidence"]["group"]), "{found}");
        }
        app.clock.advance(std::time::Duration::from_secs(1));
    }
    let added = told(&admin, &ops, "membership.added").await;
    assert_eq!(added.len(), 2);
    let first = added.last().unwrap();
    assert_eq!(
        (&first["actor"]["kind"], &first["actor"]["via"]),
        (&json!("provider"), &json!("group_rule")),
        "{first}"
    );
    assert_eq!(first["details"], json!({ "role": "viewer", "group": "guests", "provider": "sso" }));
    let changed = told(&admin, &ops, "membership.changed").await;
    let roles: Vec<_> = changed.iter().map(|event| event["details"]["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["viewer", "admin", "editor"]);
    assert_eq!(told(&admin, &ops, "membership.removed").await.len(), 2);
}

async fn a_person_s_word_stays(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (admin, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!([])).await;
    join(&admin, &ops, &ada, "viewer").await;
    for groups in [json!(["leads"]), json!(["guests"]), json!([])] {
        let ada = comes_in(&app, &sso, "ada", groups.clone()).await;
        assert_eq!(role(&ada, &ops).await.as_deref(), Some("viewer"), "{groups}");
        assert_eq!(membership(&admin, &ops, &ada).await["origin"], "person");
    }
    // What a rule gave becomes a person's word when somebody changes it.
    let grace = comes_in(&app, &sso, "grace", json!(["engineers"])).await;
    let path = format!("/api/teams/{ops}/members/{}", grace.id().await);
    admin.send_json(Method::PATCH, &path, &json!({ "role": "viewer" }), 200).await;
    for groups in [json!(["leads"]), json!([])] {
        let grace = comes_in(&app, &sso, "grace", groups.clone()).await;
        assert_eq!(role(&grace, &ops).await.as_deref(), Some("viewer"), "{groups}");
    }
    // Taken out by hand, a rule gives it again: so says the configuration.
    let lina = comes_in(&app, &sso, "lina", json!(["engineers"])).await;
    assert_eq!(admin.status(Method::DELETE, &format!("/api/teams/{ops}/members/{}", lina.id().await)).await, 204);
    assert_eq!(role(&lina, &ops).await, None);
    let lina = comes_in(&app, &sso, "lina", json!(["engineers"])).await;
    assert_eq!(role(&lina, &ops).await.as_deref(), Some("editor"));
}

async fn each_provider_speaks_for_itself(database: Database) {
    const BY_PROVIDER: &[Rule] = &[
        (Some("sso"), "engineers", "ops", "viewer"),
        (Some("other"), "engineers", "ops", "admin"),
        (Some("other"), "engineers", "second", "editor"),
    ];
    let (app, [sso, other]) = start(database, BY_PROVIDER).await;
    let (admin, ops) = ops(&app, &sso).await;
    let second = team(&admin, "Second").await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("viewer"));
    assert_eq!(role(&ada, &second).await, None, "that is said elsewhere");
    other.introduce("ada there", in_groups("ada", &json!(["engineers"])));
    assert_eq!(ada.add_identity("other", &other).await.status(), 303);
    let there = comes(&app, ("other", &other), "ada there", in_groups("ada", &json!(["engineers"]))).await;
    assert_eq!(there.id().await, ada.id().await);
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("viewer"), "what the other one gave is not its to raise");
    assert_eq!(role(&ada, &second).await.as_deref(), Some("editor"));
    let ada = comes_in(&app, &sso, "ada", json!([])).await;
    assert_eq!(role(&ada, &ops).await, None);
    assert_eq!(role(&ada, &second).await.as_deref(), Some("editor"), "nor what another one gave to take back");
    let ada = comes(&app, ("other", &other), "ada there", in_groups("ada", &json!([]))).await;
    assert_eq!(role(&ada, &second).await, None);
}

async fn the_last_admin_stays_until_there_is_another_one(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    let (admin, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["leads"])).await;
    let own = format!("/api/teams/{ops}/members/{}", admin.id().await);
    assert_eq!(admin.status(Method::DELETE, &own).await, 204);
    for groups in [json!([]), json!(["engineers"]), json!([])] {
        app.clock.advance(std::time::Duration::from_secs(1));
        let ada = comes_in(&app, &sso, "ada", groups.clone()).await;
        assert_eq!(role(&ada, &ops).await.as_deref(), Some("admin"), "{groups}");
    }
    let kept = told(&admin, &ops, "membership.removed").await;
    let refused: Vec<_> = kept.iter().filter(|event| event["outcome"] == "refused").collect();
    assert_eq!(refused.len(), 1, "it is told once: {kept:?}");
    assert_eq!((&refused[0]["reason"], &refused[0]["user_id"]), (&json!("last_admin"), &json!(ada.id().await)));
    let found = membership(&admin, &ops, &ada).await;
    assert_eq!(found["evidence"]["group"], "leads", "what was said of them last");
    let grace = comes_in(&app, &sso, "grace", json!(["leads"])).await;
    let ada = comes_in(&app, &sso, "ada", json!([])).await;
    assert_eq!((role(&ada, &ops).await, role(&grace, &ops).await.as_deref()), (None, Some("admin")));
}

async fn a_rule_for_a_team_that_there_is_not_gives_nothing_until_somebody_makes_it(database: Database) {
    let (app, [sso]) = start(database, RULES).await;
    comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    let (admin, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));
    // Rules go by the short name: that of another team is another team.
    admin.send_json(Method::PATCH, &format!("/api/teams/{ops}"), &json!({ "slug": "renamed" }), 200).await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    assert_eq!(role(&ada, &ops).await, None);
}

async fn whoever_comes_for_the_first_time_is_given_what_rules_say(database: Database) {
    const WITH_DEFAULT: &[Rule] = &[(None, "engineers", "ops", "editor"), (None, "engineers", "default", "admin")];
    let (app, [sso]) = start(database, WITH_DEFAULT).await;
    let (admin, ops) = ops(&app, &sso).await;
    let default = admin.get("/api/teams").await["data"][0]["id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let new = comes_in(&app, &sso, "new", json!(["engineers"])).await;
        assert_eq!(role(&new, &ops).await.as_deref(), Some("editor"));
        assert_eq!(
            role(&new, &default).await.as_deref(),
            Some("viewer"),
            "everybody belongs to that one without a rule"
        );
    }
    // Many who are the same person at once.
    sso.introduce("many", in_groups("many", &json!(["engineers"])));
    let people: Vec<_> = (0..5).map(|_| Person::stranger(&app)).collect();
    let all = futures_util::future::join_all(people.iter().map(|person| person.sign_in_at("sso", &sso))).await;
    assert!(all.iter().all(|back| back.status() == 303), "{all:?}");
    assert_eq!(role(&people[0], &ops).await.as_deref(), Some("editor"));
}

async fn what_a_rule_gave_goes_when_there_is_no_rule_any_more(database: Database) {
    let (app, [sso]) = start::<1>(database, RULES).await;
    let (_, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));
    let issuer = sso.issuer().to_owned();
    let make = move |public_url: &str| {
        let issuer = retinue_oidc::Issuer::new(&issuer).unwrap();
        let config = Config::new("sso", issuer, "retinue", &format!("{public_url}/auth/callback"));
        retinue_testkit::auth_at(config, public_url)
    };
    let app = app.restart_letting_in(std::sync::Arc::new(make)).await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    assert_eq!(role(&ada, &ops).await, None);
}

async fn what_an_identity_gave_goes_with_it(database: Database) {
    let (app, [sso, other]) = start(database, RULES).await;
    let (_, ops) = ops(&app, &sso).await;
    let ada = comes_in(&app, &sso, "ada", json!(["engineers"])).await;
    other.introduce("ada there", in_groups("ada", &json!([])));
    assert_eq!(ada.add_identity("other", &other).await.status(), 303);
    let there = comes(&app, ("other", &other), "ada there", in_groups("ada", &json!([]))).await;
    assert_eq!(role(&there, &ops).await.as_deref(), Some("editor"));
    let identities = there.get("/api/identities").await;
    let first = identities["data"][0]["id"].as_str().unwrap();
    assert_eq!(there.status(Method::DELETE, &format!("/api/identities/{first}")).await, 204);
    assert_eq!(role(&there, &ops).await, None, "nobody says any more that they are in that group");
}

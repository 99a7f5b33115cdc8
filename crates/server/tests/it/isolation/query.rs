//! What each route is asked with besides its path.

use super::route::Route;

/// The queries to ask a route with besides none; `{token}` is what opens it.
pub(super) fn queries(route: &Route) -> &'static [&'static str] {
    let known = [
        "limit",
        "cursor",
        "q",
        "provider",
        "return_to",
        "again",
        "rendered",
        "last_event_id",
        "agents",
        "move_to",
        "all",
        "before",
        "mine",
        "team_id",
        "actor",
        "target",
        "action",
        "outcome",
        "since",
        "until",
        "by",
        "month",
        "user",
        "resource",
        "threads",
        "teams_to",
    ];
    for name in &route.query {
        assert!(
            known.contains(&name.as_str()),
            "{} takes `{name}`, which is new: if it can find things, ask for some of the owner's in `queries` \
             (tests/it/isolation/query.rs); if not, add it to the names that are known there",
            route.name()
        );
    }
    match (route.method.as_str(), route.path.as_str()) {
        ("GET", "/api/access/explain") => &["?user={owner}&action=team.read&resource={team}"],
        ("GET", "/api/audit" | "/api/audit/export") => &["", "?mine=true", "?team_id={team}"],
        ("GET", "/usage") => &["", "?of={team}", "?of=all"],
        ("GET", "/api/usage/organization") => &["", "?by=agent"],
        ("DELETE", "/api/teams/{id}") => &["?agents=delete"],
        ("GET", "/invitations/accept") => &["", "?token={invitation}"],
        ("GET", "/api/threads" | "/") => &["", "?q=plans", "?q=figures"],
        ("GET", path) if purpose(path).is_some() => &["", "?token={token}"],
        _ => &[""],
    }
}

/// What the token is for that opens a door.
pub(super) fn purpose(path: &str) -> Option<&'static str> {
    match path {
        "/auth/magic-link/verify" => Some("magic_link"),
        "/auth/password-reset/verify" => Some("password_reset"),
        "/auth/email-change/verify" => Some("email_change"),
        "/auth/register" => Some("invitation"),
        _ => None,
    }
}

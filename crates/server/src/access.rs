//! `retinue access explain`: why somebody may do something, or may not. A server may be running beside it.

use std::fmt::Write as _;

use retinue_app::explain::{self, Explanation, Resource};
use retinue_app::policy::{Action, Who};
use serde_json::json;

use crate::cli::AccessCommand;
use crate::config::{Config, Environment};
use crate::{operator, wiring};

/// Does it, and says what was found.
pub(crate) async fn run(config: &Config, environment: &Environment, command: AccessCommand) -> anyhow::Result<String> {
    let AccessCommand::Explain { user, action, resource, json } = command;
    let action = Action::named(&action).ok_or_else(|| {
        let known: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        anyhow::anyhow!("An action is one of these: {}.", known.join(", "))
    })?;
    let resource = Resource::parse(&resource)?;
    let store = operator::open_store(config).await?;
    let found = operator::administration(config, store.clone())?.find_any(&user).await?;
    let app = wiring::app(config, environment, store, config.server.listen.0)?;
    let explanation = explain::for_operator(&app, found.id, action, resource).await?;
    Ok(if json { as_json(&explanation) } else { as_text(&explanation) })
}

fn words(who: &[Who]) -> Vec<String> {
    who.iter().map(ToString::to_string).collect()
}

fn as_json(explanation: &Explanation) -> String {
    let Explanation { user, identities, membership, organization_admin, facts, decision } = explanation;
    let view = json!({
        "allowed": decision.is_allowed(),
        "visible": decision.is_visible,
        "sentence": explanation.sentence(),
        "user": {
            "id": user.id, "name": user.name, "disabled": facts.disabled, "organization_admin": organization_admin,
        },
        "identities": identities.iter().map(|identity| json!({
            "provider": identity.provider, "issuer": identity.issuer, "subject": identity.subject,
        })).collect::<Vec<_>>(),
        "membership": membership.as_ref().map(|membership| json!({
            "team_id": membership.team_id, "role": membership.role, "origin": membership.origin,
            "evidence": membership.evidence, "since": membership.created_at,
        })),
        "oneself": facts.oneself,
        "maker": facts.maker,
        "policy": {
            "action": decision.row.action.as_str(),
            "allowed": words(decision.row.allowed),
            "visible": words(decision.row.visible),
            "by": decision.by.map(|who| who.to_string()),
        },
    });
    format!("{view}\n")
}

fn as_text(explanation: &Explanation) -> String {
    let Explanation { identities, membership, organization_admin, decision, .. } = explanation;
    let mut text = format!("{}\n\n", explanation.sentence());
    for identity in identities {
        let _ = writeln!(text, "  identity    {}: {}|{}", identity.provider, identity.issuer, identity.subject);
    }
    if let Some(membership) = membership {
        if let Some(evidence) = &membership.evidence {
            let _ =
                writeln!(text, "  rule        group {} of {}, at {}", evidence.group, evidence.provider, evidence.at);
        }
        let (role, origin) = (membership.role.as_str(), membership.origin.as_str());
        let _ = writeln!(text, "  membership  {role} of {} ({origin})", membership.team_id);
    }
    if *organization_admin {
        let _ = writeln!(text, "  admin       runs the installation");
    }
    let row = decision.row;
    let _ = writeln!(text, "  policy      {}: {}", row.action.as_str(), words(row.allowed).join(" | "));
    text
}

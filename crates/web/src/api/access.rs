//! `/api/access/explain`: why somebody may do something, or may not.

use jiff::Timestamp;
use retinue_app::explain::{self, Explanation, Resource};
use retinue_app::policy::{Action, Who};
use retinue_model::membership::{Evidence, Membership, Origin, Role};
use retinue_model::{Error, Result, TeamId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::{Ctx, Params};
use crate::json::Json;
use crate::problem::{Answer, InRequest, Problem};

/// What is asked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Question {
    /// Who.
    #[param(value_type = UserId)]
    user: String,
    /// What they would do: an action of the policy table, such as `agent.use`.
    action: String,
    /// With what: `organization`, or the id of a team, an agent, a thread, an API key or a user.
    resource: Option<String>,
}

impl Question {
    pub(crate) fn new(user: &str, action: &str, resource: &str) -> Self {
        Self { user: user.trim().to_owned(), action: action.to_owned(), resource: Some(resource.trim().to_owned()) }
    }

    pub(crate) fn check(&self) -> Result<(UserId, Action, Resource)> {
        let unknown = || {
            let known: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
            Error::invalid("invalid_action", format!("An action is one of these: {}.", known.join(", ")))
        };
        let resource = self.resource.as_deref().filter(|text| !text.is_empty()).unwrap_or("organization");
        Ok((self.user.parse()?, Action::named(&self.action).ok_or_else(unknown)?, Resource::parse(resource)?))
    }
}

/// Who was asked about.
#[derive(Debug, Serialize, ToSchema)]
struct Asked {
    id: UserId,
    name: String,
    /// Whether they may not come in any more; then nothing else counts.
    disabled: bool,
    /// Whether they run the installation.
    organization_admin: bool,
}

/// By which identity they may come in.
#[derive(Debug, Serialize, ToSchema)]
struct WayIn {
    provider: String,
    issuer: String,
    subject: String,
}

/// What they are in the team that the resource belongs to.
#[derive(Debug, Serialize, ToSchema)]
struct Standing {
    team_id: TeamId,
    role: Role,
    /// Where it comes from.
    origin: Origin,
    /// By which group, and when the provider last said so; null but for what a rule made.
    #[schema(required)]
    evidence: Option<Evidence>,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

impl From<Membership> for Standing {
    fn from(membership: Membership) -> Self {
        let Membership { team_id, role, origin, evidence, created_at: since, .. } = membership;
        Self { team_id, role, origin, evidence, since }
    }
}

/// The line of the policy table.
#[derive(Debug, Serialize, ToSchema)]
struct Line {
    action: &'static str,
    /// Who may.
    allowed: Vec<String>,
    /// Who may know that it is there, though they may not do it.
    visible: Vec<String>,
    /// By virtue of what they may; null if they may not.
    #[schema(required)]
    by: Option<String>,
}

/// Why somebody may do something, or may not: who they are, what they are in its team, and what the table says.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and all combinations occur")]
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplanationView {
    /// Whether they may.
    allowed: bool,
    /// Whether they may know that it is there.
    visible: bool,
    /// The same in a sentence.
    sentence: String,
    user: Asked,
    identities: Vec<WayIn>,
    #[schema(required)]
    membership: Option<Standing>,
    /// It is theirs, or they are it.
    oneself: bool,
    /// They made it.
    maker: bool,
    policy: Line,
}

impl From<Explanation> for ExplanationView {
    fn from(explanation: Explanation) -> Self {
        let sentence = explanation.sentence();
        let Explanation { user, identities, membership, organization_admin, facts, decision } = explanation;
        let words = |all: &[Who]| all.iter().map(ToString::to_string).collect();
        Self {
            allowed: decision.is_allowed(),
            visible: decision.is_visible,
            sentence,
            user: Asked { id: user.id, name: user.name, disabled: user.disabled_at.is_some(), organization_admin },
            identities: identities
                .into_iter()
                .map(|identity| WayIn {
                    provider: identity.provider,
                    issuer: identity.issuer,
                    subject: identity.subject,
                })
                .collect(),
            membership: membership.map(Standing::from),
            oneself: facts.oneself,
            maker: facts.maker,
            policy: Line {
                action: decision.row.action.as_str(),
                allowed: words(decision.row.allowed),
                visible: words(decision.row.visible),
                by: decision.by.map(|who| who.to_string()),
            },
        }
    }
}

/// Why somebody may do something at this moment, or may not. For organization admins. It is asked of the same function that
/// decides when they do it.
#[utoipa::path(get, path = "/api/access/explain", tag = "access", params(Question), responses(
    (status = 200, body = ExplanationView),
    (status = 400, body = Problem, description = "`invalid_action`, `invalid_resource`, `invalid_id`, `invalid_query`"),
    (status = 403, body = Problem, description = "`forbidden`"),
    (status = 404, body = Problem, description = "`not_found`: there is no such user, or no such resource"),
))]
pub(crate) async fn explain(Ctx(ctx): Ctx, Params(question): Params<Question>) -> Answer<Json<ExplanationView>> {
    let (user, action, resource) = question.check().in_request(&ctx)?;
    let explanation = explain::explain(&ctx, user, action, resource).await.in_request(&ctx)?;
    Ok(Json(explanation.into()))
}

//! `/admin/access`: why somebody may do something, or may not.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use retinue_app::explain::{self, Explanation};
use retinue_app::policy::{Action, Who};
use retinue_app::{Context, people};
use retinue_model::{Error, Result};
use serde::Deserialize;

use super::rail::{Rail, View};
use super::{OnPage, Page, VERSION, html, refused};
use crate::api::access::Question;
use crate::extract::{Ctx, Params};
use crate::problem;
use crate::when::When;

#[derive(Template)]
#[template(path = "access.html")]
struct AccessPage {
    title: &'static str,
    assets: &'static str,
    version: &'static str,
    refresh: bool,
    rail: Rail,
    asked: Asked,
    actions: Vec<&'static str>,
    answer: Option<Answer>,
    wrong: Option<String>,
}

/// What stands in the form.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    user: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    resource: String,
}

/// The chain, link by link.
struct Answer {
    allowed: bool,
    sentence: String,
    identities: Vec<String>,
    rule: Option<String>,
    membership: Option<String>,
    admin: bool,
    policy: String,
}

impl Answer {
    fn of(explanation: &Explanation, ctx: &Context) -> Self {
        let Explanation { identities, membership, organization_admin, decision, .. } = explanation;
        let evidence = membership.as_ref().and_then(|membership| membership.evidence.as_ref());
        let words = |all: &[Who]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", or ");
        Self {
            allowed: decision.is_allowed(),
            sentence: explanation.sentence(),
            identities: identities
                .iter()
                .map(|identity| format!("{}: {} | {}", identity.provider, identity.issuer, identity.subject))
                .collect(),
            rule: evidence.map(|evidence| {
                let seen = When::new(evidence.at, ctx.now()).relative;
                format!("group {} of {}, last seen {seen}", evidence.group, evidence.provider)
            }),
            membership: membership
                .as_ref()
                .map(|membership| format!("{} of {}", membership.role.as_str(), membership.team_id)),
            admin: *organization_admin,
            policy: format!("{}: {}", decision.row.action.as_str(), words(decision.row.allowed)),
        }
    }
}

/// `GET /admin/access`
pub(crate) async fn show(Ctx(ctx): Ctx, Params(asked): Params<Asked>) -> Page {
    if asked.user.is_empty() || asked.action.is_empty() {
        return render(&ctx, StatusCode::OK, asked, Ok(None)).await.on_page(&ctx);
    }
    let found = async {
        let (user, action, resource) = Question::new(&asked.user, &asked.action, &asked.resource).check()?;
        explain::explain(&ctx, user, action, resource).await
    };
    match found.await {
        Ok(explanation) => {
            let answer = Answer::of(&explanation, &ctx);
            render(&ctx, StatusCode::OK, asked, Ok(Some(answer))).await.on_page(&ctx)
        }
        Err(error) => {
            let page = render(&ctx, problem::status(&error), asked, Err(&error)).await;
            refused(&ctx, &error, page)
        }
    }
}

async fn render(
    ctx: &Context,
    status: StatusCode,
    asked: Asked,
    answer: std::result::Result<Option<Answer>, &Error>,
) -> Result<Response> {
    // The form is for nobody else either.
    people::list(ctx, None, None, 1).await?;
    let (answer, wrong) = match answer {
        Ok(answer) => (answer, None),
        Err(error) => (None, Some(error.detail().to_owned())),
    };
    let page = AccessPage {
        title: "Explain access",
        assets: crate::assets::BASE,
        version: VERSION,
        refresh: false,
        rail: Rail::load(ctx, View::of("admin")).await?,
        asked,
        actions: Action::ALL.iter().map(|action| action.as_str()).collect(),
        answer,
        wrong,
    };
    html(status, &page)
}

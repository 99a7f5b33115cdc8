//! `/api/audit`: who did what.

use std::pin::Pin;

use axum::http::Method;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::{self, Either};
use futures_util::stream;
use jiff::Timestamp;
use retinue_app::trail::{self, Export, Wanted};
use retinue_model::audit::{Action, Outcome, Recorded};
use retinue_model::{AuditEventId, Error, Result, TeamId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::list::{self, List};
use crate::extract::{Keyed, Params, scope};
use crate::json::Json;
use crate::json_lines;
use crate::problem::{Answer, InRequest, Problem};

macro_rules! events {
    ($(#[$doc:meta])* $name:ident { $($(#[$more:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(crate) struct $name {
            $($(#[$more])* $field: $kind,)*
            /// Only what you did, and what was done to you. Everybody may ask for that.
            #[serde(default)]
            #[param(default = false)]
            mine: bool,
            /// Only what is a team's business; for its admins.
            #[param(value_type = Option<TeamId>)]
            team_id: Option<String>,
            /// Only what this user did.
            #[param(value_type = Option<UserId>)]
            actor: Option<String>,
            /// Only what was done to the thing of this id.
            target: Option<String>,
            /// Only what is of this kind.
            #[param(value_type = Option<Action>)]
            action: Option<String>,
            /// Only what went so.
            #[param(value_type = Option<Outcome>)]
            outcome: Option<String>,
            /// Not before this.
            #[param(value_type = Option<String>, format = DateTime)]
            since: Option<String>,
            /// Before this.
            #[param(value_type = Option<String>, format = DateTime)]
            until: Option<String>,
        }

        impl $name {
            fn check(&self) -> Result<Wanted> {
                let unknown = |what: &str| Error::invalid("invalid_query", format!("There is no such {what}."));
                Ok(Wanted {
                    team: self.team_id.as_deref().map(str::parse).transpose()?,
                    mine: self.mine,
                    actor: self.actor.as_deref().map(str::parse).transpose()?,
                    target: self.target.clone(),
                    action: self.action.as_deref().map(str::parse).transpose().map_err(|_| unknown("action"))?,
                    outcome: self.outcome.as_deref().map(str::parse).transpose().map_err(|_| unknown("outcome"))?,
                    since: time(self.since.as_ref())?,
                    until: time(self.until.as_ref())?,
                })
            }
        }
    };
}

events! {
    /// Which events.
    ListEvents {
        /// How many at most: 1 to 200, otherwise 20.
        #[param(minimum = 1, maximum = 200, default = 20)]
        limit: Option<usize>,
        /// Where the list goes on: the `next_cursor` of the answer before.
        cursor: Option<String>,
    }
}

events! {
    /// Which events.
    ExportEvents {}
}

fn time(text: Option<&String>) -> Result<Option<Timestamp>> {
    let invalid = |_| Error::invalid("invalid_time", "A time is written like 2027-01-31T12:00:00Z.");
    text.map(|text| text.parse().map_err(invalid)).transpose()
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActorView {
    /// `user`, `operator` (whoever has the machine), `system`, `provider` (an identity provider) or `stranger`.
    kind: &'static str,
    /// The user, if it is one.
    #[schema(required)]
    user_id: Option<UserId>,
    /// By what they were known: `session`, `api_key`, `single_user`, `console`…
    via: String,
    /// Which of those, if it has an id.
    #[schema(required)]
    via_id: Option<String>,
}

/// To what it was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TargetView {
    /// The noun.
    kind: String,
    /// The id, or a name where there is none.
    id: String,
}

/// Who did what to what.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditItem {
    id: AuditEventId,
    /// Its number in the trail.
    seq: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    actor: ActorView,
    action: Action,
    #[schema(required)]
    target: Option<TargetView>,
    /// Whom it concerns.
    #[schema(required)]
    user_id: Option<UserId>,
    /// Whose team's business it is.
    #[schema(required)]
    team_id: Option<TeamId>,
    outcome: Outcome,
    /// Why it was refused.
    #[schema(required)]
    reason: Option<String>,
    /// What changed.
    #[schema(required, value_type = Option<Object>)]
    details: Option<Value>,
    /// What the log calls the request.
    #[schema(required)]
    request_id: Option<String>,
    /// Where it came from.
    #[schema(required)]
    address: Option<String>,
    /// The SHA-256 of this event and of the hash before it, in hexadecimal.
    hash: String,
}

impl From<Recorded> for AuditItem {
    fn from(recorded: Recorded) -> Self {
        let event = recorded.event;
        Self {
            id: event.id,
            seq: recorded.seq,
            at: event.at,
            actor: ActorView {
                kind: event.actor.kind(),
                user_id: event.actor.user_id(),
                via: event.via,
                via_id: event.via_id,
            },
            action: event.action,
            target: event.target.map(|target| TargetView { kind: target.kind, id: target.id }),
            user_id: event.user_id,
            team_id: event.team_id,
            outcome: event.outcome,
            reason: event.reason,
            details: event.details.and_then(|details| serde_json::from_str(&details).ok()),
            request_id: event.request_id,
            address: event.address,
            hash: retinue_app::trail::hex(&recorded.hash),
        }
    }
}

/// Who did what, the newest first. All of it is for organization admins, a team's part for its admins, and one's own part
/// for everybody.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(ListEvents), responses(
    (status = 200, body = List<AuditItem>),
    (status = 400, body = Problem, description = "`invalid_query`, `invalid_cursor`, `invalid_limit`, `invalid_id`, `invalid_time`"),
    (status = 403, body = Problem, description = "`forbidden`, `role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`: you do not see that team"),
))]
pub(crate) async fn list(
    Keyed(ctx, _): Keyed<scope::AuditRead>,
    Params(query): Params<ListEvents>,
) -> Answer<Json<List<AuditItem>>> {
    let limit = list::limit(query.limit).in_request(&ctx)?;
    let wanted = query.check().in_request(&ctx)?;
    let page = trail::list(&ctx, &wanted, query.cursor.as_deref(), limit).await.in_request(&ctx)?;
    Ok(Json(List { data: page.events.into_iter().map(AuditItem::from).collect(), next_cursor: page.next_cursor }))
}

/// An event as it stands on a line of an export.
///
/// # Errors
/// If it can't be written.
pub fn line(recorded: Recorded) -> Result<String> {
    json_lines::line(&AuditItem::from(recorded))
}

/// The same as a file, the newest first: each line is an object as the list has it, and ends with a line feed. It is told in
/// the trail. If it breaks off, as when the session ends or the right to it, the connection closes before the body's end.
#[utoipa::path(get, path = "/api/audit/export", tag = "audit", params(ExportEvents), responses(
    (status = 200, content_type = "application/x-ndjson", body = String),
    (status = 400, body = Problem, description = "`invalid_query`, `invalid_id`, `invalid_time`"),
    (status = 403, body = Problem, description = "`forbidden`, `role_too_low`"),
    (status = 404, body = Problem, description = "`not_found`: you do not see that team"),
))]
pub(crate) async fn export(
    method: Method,
    Keyed(ctx, _): Keyed<scope::AuditRead>,
    Params(query): Params<ExportEvents>,
) -> Answer<Response> {
    let wanted = query.check().in_request(&ctx)?;
    if method == Method::HEAD {
        trail::may_export(&ctx, &wanted).await.in_request(&ctx)?;
        return json_lines::file("retinue-audit", ctx.now(), stream::empty()).in_request(&ctx);
    }
    let export = trail::export(&ctx, wanted).await.in_request(&ctx)?;
    let out = Out { ended: Box::pin(export.ended()), export, is_over: false };
    let lines = stream::unfold(out, |mut out| async move { out.next().await.map(|lines| (lines, out)) });
    json_lines::file("retinue-audit", ctx.now(), lines).in_request(&ctx)
}

/// An export on its way to whoever reads it.
struct Out {
    export: Export,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_over: bool,
}

impl Out {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        if self.is_over {
            return None;
        }
        let part = match future::select(&mut self.ended, Box::pin(self.export.next())).await {
            Either::Left(_) => Err(Error::internal("the session of whoever reads it has ended")),
            Either::Right((part, _)) => part,
        };
        let lines = part.transpose()?.and_then(|part| part.into_iter().map(line).collect::<Result<String>>());
        if let Err(error) = &lines {
            tracing::warn!(?error, "can_fail(audit): an export broke off");
            self.is_over = true;
        }
        Some(lines.map(Bytes::from))
    }
}

//! That somebody who is known tried what they may not do, told in the audit trail: once the answer is ready, and within the
//! bound of what is told of refusals ([`crate::refused`]).

use std::error::Error as _;
use std::fmt;

use retinue_model::audit::Action as Told;
use retinue_model::error::Kind;
use retinue_model::id::noun_of;
use retinue_model::{Error, TeamId};

use crate::Context;
use crate::policy::Action;

/// What was not allowed: the cause of an error of [`crate::access`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried {
    pub(crate) action: Action,
    /// To what of a team of which they may know, if it was something of a team.
    pub(crate) team: Option<TeamId>,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not allowed", self.action.as_str())
    }
}

impl std::error::Error for Tried {}

/// That somebody who is known was refused.
#[derive(Clone, Debug)]
pub struct Denial {
    ctx: Context,
    code: &'static str,
    tried: Option<Tried>,
}

/// Whether an error says that somebody may not, or did not show what it takes. What only asks for more refuses nobody, nor is
/// it told what does not exist for them.
fn is_refusal(error: &Error) -> bool {
    let shown = ["invitation_spent", "invitation_of_another", "wrong_password"];
    error.kind() == Kind::Forbidden && error.code() != "sign_in_again" || shown.contains(&error.code())
}

/// What a path names last, as the trail calls it, with its id.
fn named_last(path: &str) -> Option<(String, &str)> {
    let name = |part| noun_of(part).map(|noun| (noun.to_lowercase().replace([' ', '-'], "_"), part));
    path.split('/').filter_map(name).next_back()
}

impl Denial {
    /// What this error denies to whoever asks, if it does.
    #[must_use]
    pub fn of(ctx: &Context, error: &Error) -> Option<Self> {
        let tried = error.source().and_then(|cause| cause.downcast_ref()).copied();
        is_refusal(error).then(|| Self { ctx: ctx.clone(), code: error.code(), tried })
    }

    /// Tells it, with the door at which they were refused and what its path names, though they hang up.
    pub async fn tell(&self, door: String, path: &str) {
        let visit = self.ctx.as_visit();
        let Some(left_out) = visit.admits(self.code) else { return };
        let note = self.ctx.note(Told::AccessRefused).refused(self.code).with("door", door);
        let note = match self.tried {
            Some(Tried { action, team: Some(team) }) => {
                note.with("action", action.as_str()).on("team", team).of_team(team)
            }
            Some(Tried { action, team: None }) => note.with("action", action.as_str()),
            None => note,
        };
        let note = match named_last(path) {
            Some((noun, id)) => note.on(&noun, id),
            None => note,
        };
        let told = self.ctx.detached(|_| async move {
            visit.tell_refused(note, left_out).await;
            Ok(())
        });
        if let Err(error) = told.await {
            tracing::warn!(?error, "can_fail(denial): that somebody was refused was not told in the audit trail");
        }
    }
}

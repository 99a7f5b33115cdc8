//! One turn of a conversation, as part of its page and alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use retinue_app::{Context, agent, run, turn};
use retinue_model::run::{Run, Status, Usage};
use retinue_model::{AgentId, Error, MessageId, Result, RunId, ThreadId};

use super::{OnPage, Page, html};
use crate::code::escaped;
use crate::extract::{Ctx, Param};
use crate::when::When;
use crate::{kept, markdown};

/// What a person said, and the answers.
pub(crate) struct Turn {
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) input_html: String,
    pub(crate) when: When,
    pub(crate) attempts: Vec<Attempt>,
}

/// One answer.
pub(crate) struct Attempt {
    pub(crate) run_id: String,
    pub(crate) status: &'static str,
    pub(crate) live: bool,
    pub(crate) events_href: String,
    pub(crate) html: Arc<str>,
    pub(crate) text: String,
    pub(crate) notice: Option<String>,
    pub(crate) error_code: Option<String>,
    pub(crate) retry_action: Option<String>,
    pub(crate) latest: bool,
    pub(crate) model: String,
    pub(crate) agent: String,
    pub(crate) agent_version: Option<i64>,
    pub(crate) usage: Option<String>,
    pub(crate) when: When,
}

#[derive(Template)]
#[template(path = "turn.html")]
struct TurnFragment {
    assets: &'static str,
    turn: Turn,
}

/// `GET /threads/{id}/turns/{message_id}`: one turn's HTML, for the page's scripts.
pub(crate) async fn show(Ctx(ctx): Ctx, Param((thread, message)): Param<(ThreadId, MessageId)>) -> Page {
    fragment(&ctx, thread, message).await.and_then(|fragment| html(StatusCode::OK, &fragment)).on_page(&ctx)
}

async fn fragment(ctx: &Context, thread: ThreadId, message: MessageId) -> Result<TurnFragment> {
    let found = turn::get(ctx, thread, message).await?;
    let is_last = turn::is_last(ctx, &found).await?;
    let mut turns = render(ctx, vec![found], is_last).await?;
    let turn = turns.pop().ok_or_else(|| Error::not_found("message"))?;
    Ok(TurnFragment { assets: crate::assets::BASE, turn })
}

/// Turns with their text as HTML. The newest answer of the last one can be tried again if `can_retry`.
pub(crate) async fn render(ctx: &Context, turns: Vec<turn::Turn>, can_retry: bool) -> Result<Vec<Turn>> {
    let mut htmls = htmls(&turns).await?.into_iter();
    let names = agent_names(ctx, &turns).await?;
    let last = turns.len().saturating_sub(1);
    let one = |(index, turn)| one_turn(ctx, turn, (can_retry && index == last, &names), &mut htmls);
    Ok(turns.into_iter().enumerate().map(one).collect())
}

/// What the agents are called that answered.
type Names = HashMap<AgentId, String>;

async fn agent_names(ctx: &Context, turns: &[turn::Turn]) -> Result<Names> {
    let mut names = Names::new();
    for attempt in turns.iter().flat_map(|turn| &turn.attempts) {
        if let Entry::Vacant(place) = names.entry(attempt.run.agent_id) {
            let name = agent::name_of(ctx, attempt.run.agent_id).await?;
            place.insert(name.unwrap_or_else(|| "An agent that is no longer set up".to_owned()));
        }
    }
    Ok(names)
}

/// The HTML of all answers, in their order.
async fn htmls(turns: &[turn::Turn]) -> Result<Vec<Arc<str>>> {
    let attempts = turns.iter().flat_map(|turn| &turn.attempts);
    let known: Vec<_> = attempts.map(|attempt| kept::known(&attempt.text).ok_or_else(|| unknown(attempt))).collect();
    if known.iter().all(std::result::Result::is_ok) {
        return Ok(known.into_iter().flatten().collect());
    }
    // Long answers with much code take milliseconds, which the other requests should not wait for.
    let made = move || known.into_iter().map(|found| found.unwrap_or_else(|make| make())).collect();
    tokio::task::spawn_blocking(made).await.map_err(Error::internal)
}

/// Makes the HTML of an attempt. What is still growing is not kept: nobody asks for it again.
fn unknown(attempt: &turn::Attempt) -> impl FnOnce() -> Arc<str> + Send + use<> {
    let (text, grows) = (attempt.text.clone(), attempt.run.status.is_active());
    move || if grows { markdown::to_html(&text).into() } else { kept::html(text) }
}

fn one_turn(
    ctx: &Context,
    turn: turn::Turn,
    (can_retry, names): (bool, &Names),
    htmls: &mut impl Iterator<Item = Arc<str>>,
) -> Turn {
    let newest = turn.attempts.last().map(|attempt| attempt.run.id);
    let attempts = turn.attempts.into_iter().map(|attempt| {
        let is_newest = Some(attempt.run.id) == newest;
        let mut shown = one_attempt(ctx, attempt, names, htmls.next().unwrap_or_default());
        shown.latest = is_newest;
        shown.retry_action = shown.retry_action.filter(|_| is_newest && can_retry);
        if shown.retry_action.is_some() {
            shown.notice = shown.notice.map(beside_button);
        }
        shown
    });
    Turn {
        id: turn.input.id.to_string(),
        href: format!("/threads/{}/turns/{}", turn.input.thread_id, turn.input.id),
        input_html: escaped(&turn.input.content).replace('\n', "<br>"),
        when: When::new(turn.input.created_at, ctx.now()),
        attempts: attempts.collect(),
    }
}

fn one_attempt(ctx: &Context, attempt: turn::Attempt, names: &Names, html: Arc<str>) -> Attempt {
    let run = attempt.run;
    Attempt {
        run_id: run.id.to_string(),
        status: run.status.as_str(),
        live: run.status.is_active(),
        events_href: format!("/api/runs/{}/events?rendered=true", run.id),
        html,
        notice: notice(&run, &attempt.text),
        text: attempt.text,
        error_code: run.error.as_ref().map(|error| error.code.clone()),
        retry_action: (!run.status.is_active()).then(|| format!("/runs/{}/retry", run.id)),
        latest: false,
        model: run.model.clone(),
        agent: names.get(&run.agent_id).cloned().unwrap_or_default(),
        agent_version: run.agent_version,
        usage: run.usage.map(tokens),
        when: When::new(run.finished_at.unwrap_or(run.created_at), ctx.now()),
    }
}

fn notice(run: &Run, text: &str) -> Option<String> {
    match run.status {
        Status::Completed if text.trim().is_empty() => {
            Some("The model gave an empty answer. Try again, or say it in other words.".to_owned())
        }
        Status::Failed => Some(
            run.error
                .as_ref()
                .map_or_else(|| "The answer failed. Try again.".to_owned(), |error| error.message.clone()),
        ),
        Status::Cancelled => Some("You stopped this answer. What was written is kept.".to_owned()),
        Status::Interrupted => {
            Some("The server stopped while this was being written. Try again for a whole answer.".to_owned())
        }
        Status::Queued | Status::Running | Status::Completed => None,
    }
}

/// The words beside a button that says “Try again” do not say it too.
fn beside_button(notice: String) -> String {
    match notice.strip_suffix(" Try again.") {
        Some(rest) => rest.to_owned(),
        None => notice,
    }
}

fn tokens(usage: Usage) -> String {
    format!("{} tokens in, {} out", grouped(usage.input_tokens), grouped(usage.output_tokens))
}

/// 1204 as 1,204.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `POST /runs/{id}/cancel`
pub(crate) async fn cancel(Ctx(ctx): Ctx, Param(id): Param<RunId>) -> Page {
    let run = run::cancel(&ctx, id).await.on_page(&ctx)?;
    Ok(Redirect::to(&format!("/threads/{}", run.thread_id)).into_response())
}

/// `POST /runs/{id}/retry`
pub(crate) async fn retry(Ctx(ctx): Ctx, Param(id): Param<RunId>) -> Page {
    let run = run::retry(&ctx, id).await.on_page(&ctx)?;
    Ok(Redirect::to(&format!("/threads/{}", run.thread_id)).into_response())
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_204, 1_000_000].map(super::grouped), ["0", "999", "1,204", "1,000,000"]);
    }
}

//! `retinue user offboard`: whoever leaves is shut out, and what is theirs is handed over or deleted; with one report of it. A
//! server may be running beside it.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use retinue_app::administration::Administration;
use retinue_app::offboarding::{self, Choice, Plan};
use retinue_model::offboarding::{Contents, Deleted, Ended, Fate, Left, Policy, Report, Transferred};
use retinue_model::user::User;
use retinue_model::{Result, UserId};
use serde_json::json;

use crate::config::{Config, Environment};
use crate::operator::{self, called};
use crate::terminal::{facts, safe, said};
use crate::wiring;

/// Who leaves, and what becomes of what is theirs.
#[derive(Args, Clone, Debug)]
pub(crate) struct Offboard {
    /// Their address or id
    user: String,
    /// What becomes of their conversations: `keep`, `delete` or `transfer`; as the configuration says if left out
    #[arg(long, value_parser = fate)]
    threads: Option<Fate>,
    /// The same of the agents that are theirs alone
    #[arg(long, value_parser = fate)]
    agents: Option<Fate>,
    /// Who gets what is handed over, and reads it from then on
    #[arg(long, value_name = "USER")]
    to: Option<String>,
    /// Who becomes an admin of the teams that they are the only one of
    #[arg(long, value_name = "USER")]
    teams_to: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the report to this file too
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    report: Option<PathBuf>,
}

fn fate(text: &str) -> Result<Fate, String> {
    Fate::named(text).map_err(|error| error.detail().to_owned())
}

async fn id(people: &Administration, named: Option<&str>) -> Result<Option<UserId>> {
    match named {
        None => Ok(None),
        Some(named) => Ok(Some(people.find(named).await?.id)),
    }
}

/// Does it, and says what was done.
pub(crate) async fn run(
    config: &Config,
    environment: &Environment,
    command: Offboard,
    as_json: bool,
) -> anyhow::Result<String> {
    let store = operator::open_store(config).await?;
    let people = operator::administration(config, store.clone())?;
    let user = people.find_any(&command.user).await?;
    let choice = Choice {
        threads: command.threads,
        agents: command.agents,
        to: id(&people, command.to.as_deref()).await?,
        teams_to: id(&people, command.teams_to.as_deref()).await?,
    };
    let app = wiring::app(config, environment, store, config.server.listen.0)?;
    if command.dry_run {
        let plan = offboarding::plan_for_operator(&app, user.id, choice).await?;
        return Ok(planned(&plan, as_json));
    }
    // A report that can't be written is known before anything is done.
    let file = command.report.as_deref().map(open).transpose()?;
    let report = offboarding::for_operator(&app, user.id, choice).await?;
    let text = said(as_json, &json!(report), done(&user, &report));
    if let Some((mut file, path)) = file.zip(command.report) {
        write(&mut file, &safe(&text)).with_context(|| {
            format!("It is done, but the report can't be written to {}. Here it is:\n{text}", path.display())
        })?;
    }
    Ok(text)
}

fn open(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).with_context(|| {
        format!("The report can't be written to {}, so nothing was done. Name another file.", path.display())
    })
}

fn write(file: &mut File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn count(count: i64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn under_way(runs: i64) -> String {
    format!("{runs} answer{} under way", if runs == 1 { "" } else { "s" })
}

fn policy(chosen: Policy, declared: Policy) -> String {
    let other = |chosen: Fate, declared: Fate| {
        if chosen == declared { String::new() } else { format!(" (the configuration says {})", declared.as_str()) }
    };
    format!(
        "conversations: {}{}; private agents: {}{}",
        chosen.threads.as_str(),
        other(chosen.threads, declared.threads),
        chosen.agents.as_str(),
        other(chosen.agents, declared.agents)
    )
}

fn planned(plan: &Plan, as_json: bool) -> String {
    let Plan { user, policy: chosen, contents, alone_in, to, teams_to, before } = plan;
    let for_programs = json!({
        "user_id": user.id, "name": user.name, "policy": chosen, "to": to, "teams_to": teams_to, "contents": contents,
        "alone_in": alone_in, "before": before,
    });
    let Contents { threads, private_agents, shared_agents, sessions, api_keys, memberships, invitations, runs } =
        contents;
    let ends = [
        count(*sessions, "session"),
        under_way(*runs),
        count(*api_keys, "API key"),
        count(*invitations, "invitation"),
        count(*memberships, "membership"),
    ];
    let part = |fate: Fate, text: String| match (fate, to) {
        (Fate::Keep, _) => format!("{text}: kept, for nobody to read or use"),
        (Fate::Delete, _) => format!("{text}: deleted"),
        (Fate::Transfer, to) => format!("{text}: handed over to {}", to.map(|id| id.to_string()).unwrap_or_default()),
    };
    let teams: Vec<_> = alone_in.iter().map(|team| team.slug.as_str()).collect();
    let teams = match (teams.is_empty(), teams_to) {
        (true, _) => String::new(),
        (false, Some(heir)) => format!("{heir} becomes an admin of {}", teams.join(", ")),
        (false, None) => format!("nobody else is an admin of {}: --teams-to USER is needed", teams.join(", ")),
    };
    let known = [
        ("ends", ends.join(", ")),
        ("conversations", part(chosen.threads, threads.to_string())),
        ("private agents", part(chosen.agents, private_agents.to_string())),
        ("shared agents", format!("{shared_agents}: their teams’, and stay")),
        ("teams", teams),
    ];
    let broken_off = before.as_ref().is_some_and(|before| before.finished_at.is_none());
    let note = if broken_off { "It was begun and broke off; it would go on from there.\n" } else { "" };
    let for_people =
        format!("{} would be shut out at once. Nothing was done.\n{note}\n{}", called(user), facts(&known));
    said(as_json, &for_programs, for_people)
}

fn by(user: Option<UserId>) -> String {
    user.map_or_else(|| "whoever has the machine".to_owned(), |id| id.to_string())
}

fn done(user: &User, report: &Report) -> String {
    let Ended { sessions, runs, api_keys, invitations, memberships, organization_admin } = report.ended;
    let mut ended = vec![
        count(sessions, "session"),
        under_way(runs),
        count(api_keys, "API key"),
        count(invitations, "invitation"),
        count(memberships, "membership"),
    ];
    if organization_admin {
        ended.push("running the installation".to_owned());
    }
    let Transferred { threads, agents, teams } = report.transferred;
    let mut got = Vec::new();
    if let Some(heir) = report.to {
        got.push(format!("{} and {} to {heir}", count(threads, "conversation"), count(agents, "agent")));
    }
    if let Some(heir) = report.teams_to.filter(|_| teams > 0) {
        got.push(format!("{} to {heir}", count(teams, "team")));
    }
    let Deleted { threads, agents } = report.deleted;
    let deleted = format!("{}, {}", count(threads, "conversation"), count(agents, "private agent"));
    let Left { threads, agents, shared_agents } = report.kept;
    let kept = format!(
        "{} that nobody reads, {} that nobody uses, {} of their teams, the user and their identities, what they used, the audit trail",
        count(threads, "conversation"),
        count(agents, "private agent"),
        count(shared_agents, "shared agent")
    );
    let resumed = if report.resumed > 0 {
        format!("{}, after it had broken off", count(report.resumed, "time"))
    } else {
        String::new()
    };
    let finished = report.finished_at.map(|at| format!("{at}, by {}", by(report.finished_by))).unwrap_or_default();
    let known = [
        ("policy", policy(report.policy, report.declared)),
        ("begun", format!("{}, by {}", report.begun_at, by(report.begun_by))),
        ("taken up again", resumed),
        ("finished", finished),
        ("ended", ended.join(", ")),
        ("handed over", got.join("; ")),
        ("deleted", deleted),
        ("kept", kept),
    ];
    format!("{} is offboarded.\n\n{}", called(user), facts(&known))
}

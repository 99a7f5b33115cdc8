//! `retinue doctor`: looks at the whole sign-in set-up, at the real providers, and says in one line each what is so and how
//! to mend it.

use std::fmt::Write as _;

use retinue_app::admin::Declared;
use retinue_app::auth::Auth;
use retinue_app::group_rule::GroupRule;
use retinue_app::mail::Mailer;
use retinue_app::{Clock as _, Rng as _};
use retinue_model::team::Team;
use retinue_oidc::{Finding, Level, Moment};
use retinue_store::{Store, migrate};

use crate::auth::Mode;
use crate::config::Config;
use crate::system::{SystemClock, SystemRng};
use crate::{key, operator, wiring};

/// Something has to be mended.
#[derive(Clone, Debug)]
pub(crate) struct Unwell(pub(crate) String);

impl std::fmt::Display for Unwell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unwell {}

/// What was found, a line each.
///
/// # Errors
/// [`Unwell`], with the same lines, if something keeps people from signing in.
pub(crate) async fn run(config: &Config) -> anyhow::Result<String> {
    let auth = config.auth.build(config, config.server.listen.0)?;
    let mut server = of_server(config, &auth);
    if config.takes_addresses() {
        server.push(mail(config, config.mailer(&auth.public_url)?).await);
    }
    server.extend(group_rules(config, &auth).await);
    let mut findings = vec![(String::new(), server)];
    for configured in &auth.providers {
        let rng = SystemRng::new();
        let random = |bytes: &mut [u8]| rng.fill(bytes);
        let moment = Moment { now: SystemClock.now(), random: &random };
        let found = configured.provider.diagnose(moment).await;
        findings.push((configured.name().to_owned(), found));
    }
    let text = text(&findings);
    let problems = findings.iter().flat_map(|(_, found)| found).filter(|found| found.level == Level::Problem).count();
    match problems {
        0 => Ok(text),
        1 => Err(Unwell(format!("{text}\n1 problem keeps people from signing in.")).into()),
        count => Err(Unwell(format!("{text}\n{count} problems keep people from signing in.")).into()),
    }
}

fn text(findings: &[(String, Vec<Finding>)]) -> String {
    let mut text = String::new();
    for (name, found) in findings {
        if !name.is_empty() {
            let _ = writeln!(text, "\n{name}");
        }
        for finding in found {
            let level = match finding.level {
                Level::Good => "ok",
                Level::Note => "note",
                Level::Problem => "PROBLEM",
            };
            let _ = writeln!(text, "  {level:<8} {}: {}", finding.about, finding.text);
        }
    }
    text.trim_start_matches('\n').to_owned()
}

fn finding(level: Level, about: &'static str, text: impl Into<String>) -> Finding {
    Finding { level, about, text: text.into() }
}

/// What can be told without asking anybody.
fn of_server(config: &Config, auth: &Auth) -> Vec<Finding> {
    if config.auth.mode == Mode::SingleUser {
        return vec![finding(
            Level::Good,
            "mode",
            "Nobody signs in: everybody who reaches the server is the local user. Set AUTH_MODE=oidc or AUTH_MODE=local to let people sign in.",
        )];
    }
    let mut findings = vec![public_url(auth), keys(config)];
    findings.extend(config.warning().map(|text| finding(Level::Note, "reverse proxy", text)));
    findings.extend(auth.admins.iter().filter_map(|declared| admin(auth, declared)));
    if auth.admins.is_empty() {
        let text = if config.takes_addresses() {
            "auth.admins is empty: whoever opened the set-up link runs the installation, and whom `retinue user grant-admin` made. `retinue user list` shows them."
        } else {
            "auth.admins is empty: only whom `retinue user grant-admin` made runs the installation. `retinue user list` shows them. Or name somebody by issuer|subject; /account shows both to whoever has signed in."
        };
        findings.push(finding(Level::Note, "administrators", text));
    }
    findings
}

fn public_url(auth: &Auth) -> Finding {
    let url = &auth.public_url;
    if url.starts_with("https://") {
        let text = format!("People come to {url}; cookies are sent over https only, and to this host only.");
        return finding(Level::Good, "public URL", text);
    }
    // What is not https is on this machine: the configuration was checked.
    finding(
        Level::Note,
        "public URL",
        format!(
            "{url} leads to this machine: only people who sit at it can sign in. Set RETINUE_PUBLIC_URL to the https address for others."
        ),
    )
}

/// Whether mail can be sent to those who sign in by address.
async fn mail(config: &Config, mailer: Option<Mailer>) -> Finding {
    let Some(mailer) = mailer else {
        let text = "None is sent: nobody signs in with a link, and nobody sets a forgotten password anew. Set mail.host and mail.from to send some.";
        return finding(Level::Note, "mail", text);
    };
    let (host, port) = (&config.mail.host, config.mail.port);
    match mailer.probe().await {
        Ok(()) => finding(Level::Good, "mail", format!("{host}:{port} takes it.")),
        Err(error) => finding(Level::Problem, "mail", format!("{host}:{port}: {}", error.detail())),
    }
}

/// Whether the teams are there that rules for groups name, as far as the database can be looked at.
async fn group_rules(config: &Config, auth: &Auth) -> Vec<Finding> {
    const ABOUT: &str = "group rules";
    if auth.group_rules.is_empty() {
        return Vec::new();
    }
    let known = match teams(config).await {
        Ok(Some(known)) => known,
        Ok(None) => {
            let text = "There is no database yet, and so no team that they could name. The first start makes it; then make the teams: `retinue team create`.";
            return vec![finding(Level::Note, ABOUT, text)];
        }
        Err(error) => {
            let text = format!("Whether the teams are there that they name can't be looked at. Cause: {error:#}");
            return vec![finding(Level::Note, ABOUT, text)];
        }
    };
    let is_missing = |rule: &GroupRule| known.iter().all(|team| team.slug != rule.team);
    let missing: Vec<_> = auth.group_rules.iter().enumerate().filter(|(_, rule)| is_missing(rule)).collect();
    if missing.is_empty() {
        return vec![finding(Level::Good, ABOUT, "All teams are there that they name.")];
    }
    let lines = missing.into_iter().map(|(index, GroupRule { group, team, .. })| {
        let team = team.as_str();
        let text = format!(
            "auth.group_rules[{index}] lets the group {group} into no team: none has the short name {team}. Make it: `retinue team create NAME --slug {team}`."
        );
        finding(Level::Note, ABOUT, text)
    });
    lines.collect()
}

/// All teams; none if there is no database yet. Changes nothing.
async fn teams(config: &Config) -> anyhow::Result<Option<Vec<Team>>> {
    let location = wiring::location(config);
    if migrate::current(&location).await? == 0 {
        return Ok(None);
    }
    let store = Store::open_beside(&location).await?;
    migrate::check(&store).await?;
    Ok(Some(operator::administration(config, store)?.teams().await?))
}

fn keys(config: &Config) -> Finding {
    match key::look(config) {
        Ok(Some(count)) => finding(Level::Good, "keys", format!("The instance has {count}; the newest signs.")),
        Ok(None) => finding(Level::Note, "keys", "The instance has none yet. The first start makes one."),
        Err(error) => finding(Level::Problem, "keys", error.detail()),
    }
}

/// An administrator whom no provider could vouch for.
fn admin(auth: &Auth, declared: &Declared) -> Option<Finding> {
    let Declared::Identity { issuer, subject } = declared else { return None };
    let is_known = auth.providers.iter().any(|known| known.provider.config().issuer.as_str() == issuer);
    (!is_known).then(|| {
        finding(
            Level::Problem,
            "administrators",
            format!("{issuer}|{subject} can never be anybody: no provider has this issuer. Spell it as auth.oidc.issuer is spelled."),
        )
    })
}

//! `[budgets]`, and `retinue budget …`: how much may be used, for whoever has the machine. A server may be running beside it.

use clap::{Subcommand, ValueEnum};
use retinue_app::administration::Administration;
use retinue_app::budget::Defaults;
use retinue_model::budget::{Budget, MOST_TOKENS, Standing, Subject};
use serde_json::json;

use crate::config::{Config, ConfigError};
use crate::operator::open;
use crate::terminal::said;

/// Whose budget.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// A user's, named by address or id
    User,
    /// A team's, named by its short name or id
    Team,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BudgetCommand {
    /// Say how a budget stands
    Show {
        /// Whose budget
        kind: Kind,
        /// A user's address or id (`local` where nobody signs in), or a team's short name or id
        name: String,
    },
    /// Give somebody a budget of their own
    Set {
        /// Whose budget
        kind: Kind,
        /// A user's address or id (`local` where nobody signs in), or a team's short name or id
        name: String,
        /// How many tokens, in and out, they may use in a month; or `unlimited`
        #[arg(value_parser = parse_budget)]
        tokens: Budget,
    },
    /// Let the budget of the configuration count for somebody again
    Clear {
        /// Whose budget
        kind: Kind,
        /// A user's address or id (`local` where nobody signs in), or a team's short name or id
        name: String,
    },
}

/// A number of tokens, with or without marks between the thousands, or `unlimited`.
fn parse_budget(text: &str) -> Result<Budget, String> {
    if text == "unlimited" {
        return Ok(Budget::Unlimited);
    }
    let tokens = text.replace([',', '_', '’'], "").parse().map_err(|_| "a number of tokens, or `unlimited`".to_owned());
    Budget::new(Some(tokens?)).map_err(|error| error.detail().to_owned())
}

impl Config {
    /// The budgets of those who have none of their own.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn budgets(&self) -> Result<Defaults, ConfigError> {
        let budget = |key: &str, tokens: i64| match tokens {
            0 => Ok(Budget::Unlimited),
            tokens => Budget::new(Some(tokens)).map_err(|_| {
                ConfigError::new(key, format!("is {tokens}; it must be from 1 to {MOST_TOKENS}, or 0 for no bound."))
            }),
        };
        Ok(Defaults {
            user: budget("budgets.user_tokens_per_month", self.budgets.user_tokens_per_month)?,
            team: budget("budgets.team_tokens_per_month", self.budgets.team_tokens_per_month)?,
            answer_tokens: self.budgets.answer_tokens,
        })
    }
}

/// `retinue budget …`
pub(crate) async fn run(config: &Config, command: BudgetCommand, as_json: bool) -> anyhow::Result<String> {
    let administration = open(config).await?;
    let (kind, name, change) = match command {
        BudgetCommand::Show { kind, name } => (kind, name, None),
        BudgetCommand::Set { kind, name, tokens } => (kind, name, Some(Some(tokens))),
        BudgetCommand::Clear { kind, name } => (kind, name, Some(None)),
    };
    let (subject, called) = find(&administration, kind, &name).await?;
    if let Some(budget) = change {
        administration.set_budget(subject, budget).await?;
    }
    let standing = administration.budget(subject, &config.budgets()?).await?;
    let for_programs = json!({
        "of": subject.kind(),
        "name": called,
        "tokens_per_month": standing.tokens,
        "used": standing.used,
        "held": standing.reserved,
        "left": standing.left(),
    });
    Ok(said(as_json, &for_programs, sentence(&called, standing)))
}

fn sentence(called: &str, standing: Standing) -> String {
    let Standing { tokens, used, reserved } = standing;
    match tokens {
        None => format!("{called} may use as many tokens as they want. In this month it were {used}.\n"),
        Some(tokens) => {
            let left = standing.left().unwrap_or_default();
            format!(
                "{called} may use {tokens} tokens in a month. In this one {used} are used, {reserved} are held for answers under way, and {left} are left.\n"
            )
        }
    }
}

async fn find(administration: &Administration, kind: Kind, name: &str) -> anyhow::Result<(Subject, String)> {
    Ok(match kind {
        Kind::User => {
            let user = administration.find_any(name).await?;
            (Subject::User(user.id), user.name)
        }
        Kind::Team => {
            let team = administration.find_team(name).await?;
            (Subject::Team(team.id), team.name)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_typed_in_more_ways_than_one() {
        for text in ["1000000", "1,000,000", "1_000_000"] {
            assert_eq!(parse_budget(text), Ok(Budget::Tokens(1_000_000)), "{text}");
        }
        assert_eq!(parse_budget("unlimited"), Ok(Budget::Unlimited));
        for bad in ["", "-1", "many", "1.5", "9999999999999999"] {
            assert!(parse_budget(bad).is_err(), "{bad}");
        }
    }
}

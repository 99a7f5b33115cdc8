//! The pages around links that come by mail. Looking at one uses nothing up: mail scanners open every link.

use retinue_app::link::Seen;
use retinue_app::own_credential::{self, Change};
use retinue_app::{Context, link, registration};
use retinue_model::Result;
use retinue_model::one_time_token::Purpose;
use serde::Deserialize;

use super::Page;
use super::gate_form::{Field, GateForm};
use super::set_up::TokenQuery;
use crate::errand::Errand;
use crate::extract::{Ctx, Params, Perhaps, Visitor};

/// Asks for the address that a link to sign in goes to.
pub(crate) fn ask_form(email: &str, errand: &Errand) -> GateForm {
    GateForm::new("Sign in with a link", "/auth/magic-link", "Send me a link")
        .carrying(errand)
        .lead("It comes by mail, with a short code that you can type instead.")
        .field(Field::email(email))
        .more("/sign-in", "Back to sign-in")
}

/// Why a mail with a code was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Asked {
    #[default]
    ToSignIn,
    ToRegister,
}

/// Says that a mail may be on its way, and takes its code. Whoever registers gets one in any case.
pub(crate) fn sent_form((email, asked): (&str, Asked), errand: &Errand, current: Option<&Context>) -> GateForm {
    let form = GateForm::new("Look at your mail", "/auth/magic-link/verify", "Sign in").carrying(errand);
    let (form, sent, more) = match asked {
        Asked::ToSignIn => (form, "If this address may sign in, a mail is on its way.", "/auth/magic-link"),
        Asked::ToRegister => (form.hidden("asked", "to_register"), "A mail is on its way.", "/auth/register"),
    };
    let lead = format!("{sent} Open the link in it, or type its code here. Both are good for 15 minutes.");
    in_place_of(form, current, &lead).hidden("email", email).field(Field::code()).more(more, "Ask for another one")
}

/// Says who is signed in, where a form may put somebody else in their place; sending it agrees to that.
fn in_place_of(form: GateForm, current: Option<&Context>, lead: &str) -> GateForm {
    match current.and_then(Context::known_user) {
        Some(known) => form
            .lead(format!(
                "{lead} You are signed in here as {}. If the mail was for somebody else, the button below signs you out and them in.",
                known.name
            ))
            .hidden("instead_of", &known.id.to_string()),
        None => form.lead(lead),
    }
}

/// What a link leads to takes from whoever had the account, if it does.
fn with_losses(lead: &str, seen: &Result<Seen>) -> String {
    match seen {
        Ok(Seen { address, shuts_out: true }) => format!(
            "{lead} With it you show that {address} is yours. Then the account is yours alone: its password and its identities of \
            before count no more."
        ),
        _ => lead.to_owned(),
    }
}

/// One button, which uses the link up.
pub(crate) fn verify_form(
    (token, seen): (&str, &Result<Seen>),
    errand: &Errand,
    current: Option<&Context>,
) -> GateForm {
    let form = GateForm::new("Sign in", "/auth/magic-link/verify", "Sign in").carrying(errand);
    let lead = "The link in your mail led here. It is good once, for this browser.";
    in_place_of(form, current, &with_losses(lead, seen))
        .hidden("token", token)
        .more("/auth/magic-link", "Ask for another link")
}

/// Asks for the address of whoever forgot the password.
pub(crate) fn ask_to_reset_form(email: &str, errand: &Errand) -> GateForm {
    GateForm::new("Set another password", "/auth/password-reset", "Send me a link")
        .carrying(errand)
        .lead("A link to do so comes by mail.")
        .field(Field::email(email))
        .more("/sign-in", "Back to sign-in")
}

/// Says that a mail may be on its way.
pub(crate) fn reset_sent_form(email: &str, errand: &Errand) -> GateForm {
    GateForm::new("Look at your mail", "/auth/password-reset", "Send it again")
        .carrying(errand)
        .lead("If this address may sign in, a mail is on its way. Its link is good for 15 minutes.")
        .hidden("email", email)
        .more("/sign-in", "Back to sign-in")
}

/// Takes another password for an address.
pub(crate) fn reset_form((token, seen): (&str, &Result<Seen>), errand: &Errand, current: Option<&Context>) -> GateForm {
    let form = GateForm::new("Set another password", "/auth/password-reset/verify", "Set it and sign in");
    let form = form.carrying(errand);
    in_place_of(form, current, &with_losses("Everywhere else you are signed out.", seen))
        .hidden("token", token)
        .hidden("username", shown(seen))
        .field(Field::new_password())
        .more("/auth/password-reset", "Ask for another link")
}

/// One button, which changes the address; a form of a dead link is not shown.
pub(crate) fn change_address_form(token: &str, change: Option<Change>) -> GateForm {
    let lead = change.map(|Change { name, from, to }| {
        format!(
            "{name}, who signs in as {from}, does so as {to} from now on. Is this not your account? Then leave it: nothing is changed."
        )
    });
    GateForm::new("Confirm your new address", "/auth/email-change/verify", "Use this address")
        .lead(lead.unwrap_or_default())
        .hidden("token", token)
        .more("/account", "Go to your account")
}

/// Asks for the address of whoever wants an account.
pub(crate) fn register_form(email: &str, errand: &Errand) -> GateForm {
    GateForm::new("Make an account", "/auth/register", "Send me a link")
        .carrying(errand)
        .lead("A link comes by mail. Your account is made when you open it.")
        .field(Field::email(email))
        .more("/sign-in", "Back to sign-in")
}

/// Takes name and password of whoever was invited with this address.
pub(crate) fn invited_form((token, address): (&str, &str), name: &str, current: Option<&Context>) -> GateForm {
    let form = GateForm::new("Make your account", "/auth/register", "Make this account");
    let lead = format!("You will sign in as {address}, with this password.");
    in_place_of(form, current, &lead)
        .hidden("token", token)
        .hidden("username", address)
        .field(Field::name(name))
        .field(Field::new_password())
}

/// The address for password managers; a form of a dead link is not shown.
pub(crate) fn shown(seen: &Result<Seen>) -> &str {
    seen.as_ref().map_or("", |seen| seen.address.as_str())
}

/// `GET /auth/magic-link`
pub(crate) async fn ask(Visitor(visit): Visitor, Params(errand): Params<Errand>) -> Page {
    ask_form("", &errand).show_if(&visit, link::may_ask(&visit))
}

/// `GET /auth/magic-link/verify`
pub(crate) async fn verify(
    Visitor(visit): Visitor,
    Perhaps(current): Perhaps,
    Params(TokenQuery { token }): Params<TokenQuery>,
    Params(errand): Params<Errand>,
) -> Page {
    let seen = link::look(&visit, Purpose::MagicLink, &token).await;
    verify_form((&token, &seen), &errand, current.as_ref()).show_if(&visit, seen.map(drop))
}

/// `GET /auth/password-reset`
pub(crate) async fn ask_to_reset(Visitor(visit): Visitor, Params(errand): Params<Errand>) -> Page {
    ask_to_reset_form("", &errand).show_if(&visit, link::may_ask(&visit))
}

/// `GET /auth/password-reset/verify`
pub(crate) async fn reset(
    Visitor(visit): Visitor,
    Perhaps(current): Perhaps,
    Params(TokenQuery { token }): Params<TokenQuery>,
    Params(errand): Params<Errand>,
) -> Page {
    let seen = link::look(&visit, Purpose::PasswordReset, &token).await;
    reset_form((&token, &seen), &errand, current.as_ref()).show_if(&visit, seen.map(drop))
}

/// `GET /auth/email-change/verify`
pub(crate) async fn change_address(Ctx(ctx): Ctx, Params(TokenQuery { token }): Params<TokenQuery>) -> Page {
    let (change, may) = match own_credential::look_at_change(&ctx, &token).await {
        Ok(change) => (Some(change), Ok(())),
        Err(error) => (None, Err(error)),
    };
    change_address_form(&token, change).show_if(&ctx.as_visit(), may)
}

/// `GET /auth/register`: with the token of an invitation, or without where everybody may.
pub(crate) async fn register(
    Visitor(visit): Visitor,
    Perhaps(current): Perhaps,
    Params(TokenQuery { token }): Params<TokenQuery>,
    Params(errand): Params<Errand>,
) -> Page {
    if token.is_empty() {
        return register_form("", &errand).show_if(&visit, registration::may_register(&visit));
    }
    let seen = match registration::may_accept(&visit) {
        Ok(()) => link::look(&visit, Purpose::Invitation, &token).await,
        Err(error) => Err(error),
    };
    invited_form((&token, shown(&seen)), "", current.as_ref()).show_if(&visit, seen.map(drop))
}

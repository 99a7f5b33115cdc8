//! What mails say. Short and plain: what happened, the link on a line of its own, and what to do if it was not you.

use std::fmt;
use std::time::Duration;

use retinue_model::one_time_token::Purpose;
use retinue_model::{Email, Slug};

use crate::notice::Change;
use crate::secret::ShortCode;

/// What a mail is about. Links are whole URLs.
#[derive(Clone)]
pub enum Letter {
    /// A link to sign in or to register, and a short code to type instead.
    MagicLink {
        /// The link.
        link: String,
        /// The code.
        code: ShortCode,
        /// How long both are good.
        good_for: Duration,
    },
    /// A link to set another password.
    PasswordReset {
        /// The link.
        link: String,
        /// How long it is good.
        good_for: Duration,
    },
    /// To a new address: a link that shows that it is one's own.
    EmailChange {
        /// The link.
        link: String,
        /// Whose address it would be, by name.
        name: String,
        /// The address that they have now.
        from: Email,
        /// How long it is good.
        good_for: Duration,
    },
    /// To the old address: another one took its place.
    EmailChanged {
        /// The new address, which is shown in part.
        to: Email,
    },
    /// Another way to sign in is there, or one is not any more.
    WaysChanged {
        /// Which.
        change: Change,
    },
    /// Whoever runs the installation asks one to come in.
    Invitation {
        /// The link.
        link: String,
        /// How long the link is good.
        good_for: Duration,
    },
    /// Somebody asks one to come into a team.
    TeamInvitation {
        /// The link.
        link: String,
        /// Into which: its name, and its short one.
        team: (String, Slug),
        /// Who asks, by name; none if whoever runs the installation does.
        by: Option<String>,
        /// How long the link is good.
        good_for: Duration,
    },
    /// Somebody tried to register with an address that has an account.
    AlreadyRegistered {
        /// Where to sign in.
        link: String,
    },
}

/// Links open accounts: only the purpose is shown.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({})", self.purpose())
    }
}

impl Letter {
    /// A stable name for the log.
    #[must_use]
    pub const fn purpose(&self) -> &'static str {
        match self {
            Self::MagicLink { .. } => Purpose::MagicLink.as_str(),
            Self::PasswordReset { .. } => Purpose::PasswordReset.as_str(),
            Self::EmailChange { .. } => Purpose::EmailChange.as_str(),
            Self::EmailChanged { .. } => "email_changed",
            Self::WaysChanged { .. } => "ways_changed",
            Self::Invitation { .. } => Purpose::Invitation.as_str(),
            Self::TeamInvitation { .. } => "team_invitation",
            Self::AlreadyRegistered { .. } => "already_registered",
        }
    }

    /// The link, if there is one.
    pub(super) fn link(&self) -> Option<&str> {
        match self {
            Self::MagicLink { link, .. }
            | Self::PasswordReset { link, .. }
            | Self::EmailChange { link, .. }
            | Self::Invitation { link, .. }
            | Self::TeamInvitation { link, .. }
            | Self::AlreadyRegistered { link } => Some(link),
            Self::EmailChanged { .. } | Self::WaysChanged { .. } => None,
        }
    }

    /// Always the same for a purpose: nothing that anybody typed stands in a header.
    pub(super) const fn subject(&self) -> &'static str {
        match self {
            Self::MagicLink { .. } => "Sign in to Retinue",
            Self::PasswordReset { .. } => "Set another password for Retinue",
            Self::EmailChange { .. } => "Confirm your new address for Retinue",
            Self::EmailChanged { .. } => "Your address for Retinue was changed",
            Self::WaysChanged { .. } => "How you sign in to Retinue was changed",
            Self::Invitation { .. } => "You are invited to Retinue",
            Self::TeamInvitation { .. } => "You are invited to a team at Retinue",
            Self::AlreadyRegistered { .. } => "You have an account at Retinue already",
        }
    }

    /// The text, for people at `site`.
    pub(super) fn text(&self, site: &str) -> String {
        match self {
            Self::MagicLink { link, code, good_for } => magic_link((link, &code.expose()), *good_for, site),
            Self::PasswordReset { link, good_for } => password_reset(link, *good_for, site),
            Self::EmailChange { link, name, from, good_for } => email_change(link, (name, from), *good_for, site),
            Self::EmailChanged { to } => email_changed(to, site),
            Self::WaysChanged { change } => ways_changed(change, site),
            Self::Invitation { link, good_for } => invitation(link, *good_for, site),
            Self::TeamInvitation { link, team, by, good_for } => {
                team_invitation(link, (&team.0, &team.1, by.as_deref()), *good_for, site)
            }
            Self::AlreadyRegistered { link } => already_registered(link, site),
        }
    }
}

fn magic_link((link, code): (&str, &str), good_for: Duration, site: &str) -> String {
    let time = span(good_for);
    format!(
        "Open this link to sign in to Retinue at {site}:\n\n\
        {link}\n\n\
        Or type this code where you asked for it: {code}\n\n\
        They are good for {time}, and once.\n\
        Did you not ask for this? Then leave it: without this mail nobody gets in.\n\
        Give the code to nobody who asks you for it.\n"
    )
}

fn password_reset(link: &str, good_for: Duration, site: &str) -> String {
    let time = span(good_for);
    format!(
        "Open this link to set another password for Retinue at {site}:\n\n\
        {link}\n\n\
        It is good for {time}, and once.\n\
        Did you not ask for this? Then leave it: your password stays what it is.\n"
    )
}

fn email_change(link: &str, (whose, from): (&str, &Email), good_for: Duration, site: &str) -> String {
    let (whose, time) = (name(whose), span(good_for));
    format!(
        "{whose}, who signs in to Retinue at {site} as {from}, wants to do so with this address. \
        Is that you? Then open this link where you are signed in:\n\n\
        {link}\n\n\
        It is good for {time}, and once.\n\
        Is this not your account, or did you not ask for this? Then leave it: nothing is changed, and nobody gets in.\n"
    )
}

fn email_changed(to: &Email, site: &str) -> String {
    format!(
        "The address of your Retinue account at {site} was changed to {}.\n\
        Mails to you go there from now on, and not to this address any more.\n\n\
        Was it not you? Then somebody else has your account: tell whoever runs {site} at once.\n",
        to.masked()
    )
}

fn ways_changed(change: &Change, site: &str) -> String {
    let what = match change {
        Change::PasswordSet => "A password was set for your Retinue account".to_owned(),
        Change::IdentityAdded(label) => {
            format!("One can sign in to your Retinue account with an identity of {} now", name(label))
        }
        Change::IdentityRemoved(label) => {
            format!("An identity of {} was removed from your Retinue account", name(label))
        }
        Change::OthersShutOut => return others_shut_out(site),
    };
    format!(
        "{what}, at {site}.\n\n\
        Was it you? Then all is well.\n\
        Was it not? Then somebody else has been in your account: tell whoever runs {site} at once.\n"
    )
}

fn others_shut_out(site: &str) -> String {
    format!(
        "You opened the first mail that came to you from Retinue at {site}, and so showed that this address is yours.\n\n\
        From now on your account there is yours alone: whatever had opened it before, a password or an identity at a provider, \
        counts no more, and other browsers are signed out. If you had a password, set another one:\n\
        ask for a link where it says \"Forgot your password?\" on the page to sign in.\n\n\
        Was it not you? Then somebody reads your mail: tell whoever runs {site} at once.\n"
    )
}

fn invitation(link: &str, good_for: Duration, site: &str) -> String {
    let time = span(good_for);
    format!(
        "You are invited to Retinue at {site}. Open this link to make your account:\n\n\
        {link}\n\n\
        It is good for {time}, and once.\n\
        Do you know nobody there? Then leave it: nothing happens.\n"
    )
}

fn team_invitation(
    link: &str,
    (team, slug, by): (&str, &Slug, Option<&str>),
    good_for: Duration,
    site: &str,
) -> String {
    let (team, slug, time) = (name(team), slug.as_str(), span(good_for));
    let who = by.map_or_else(|| "Whoever runs the server".to_owned(), name);
    format!(
        "{who} invites you to the team {team} ({slug}), at Retinue on {site}. Open this link to see what that is, and to accept:\n\n\
        {link}\n\n\
        It is good for {time}, and once, for whoever has this address.\n\
        Do you know nobody there? Then leave it: nothing happens.\n"
    )
}

fn already_registered(link: &str, site: &str) -> String {
    format!(
        "Somebody, perhaps you, tried to register with this address for Retinue at {site}. \
        There is an account with it already.\n\n\
        Was it you? Then sign in:\n\n\
        {link}\n\n\
        Was it not? Then leave it: nothing is changed.\n"
    )
}

/// The longest name that is shown.
const MAX_NAME_CHARS: usize = 60;

/// What somebody calls themselves, so that it can't pass for more: one line, not long, and nothing that a mail program
/// would make a link of.
fn name(text: &str) -> String {
    let is_plain = |c: &char| c.is_alphanumeric() || " .,'’-_&()".contains(*c);
    let words = text.replace(|c: char| c.is_whitespace(), " ");
    let mut plain = String::new();
    for c in words.chars().filter(is_plain).take(MAX_NAME_CHARS) {
        if plain.ends_with('.') && c != ' ' {
            plain.push(' ');
        }
        plain.push(c);
    }
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain.is_empty() { "Somebody".to_owned() } else { format!("“{plain}”") }
}

/// A time in words; a whole number of minutes, hours or days.
fn span(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60);
    let (count, unit) = match minutes {
        _ if minutes > 0 && minutes.is_multiple_of(24 * 60) => (minutes / (24 * 60), "day"),
        _ if minutes > 0 && minutes.is_multiple_of(60) => (minutes / 60, "hour"),
        _ => (minutes, "minute"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_can_t_pass_for_more_than_a_name() {
        for (given, shown) in [
            ("Ada Lovelace", "“Ada Lovelace”"),
            ("J.R. Smith", "“J. R. Smith”"),
            ("Zoë  O'Brien-字", "“Zoë O'Brien-字”"),
            ("https://evil.example/x", "“httpsevil. examplex”"),
            ("evil.example", "“evil. example”"),
            ("a@evil.example", "“aevil. example”"),
            ("a\r\nBcc: eve@example.com", "“a Bcc eveexample. com”"),
            ("a\n\nYour account is locked: call 1", "“a Your account is locked call 1”"),
            ("\u{202e}txet", "“txet”"),
            ("", "Somebody"),
            ("<>\n", "Somebody"),
        ] {
            assert_eq!(name(given), shown, "{given:?}");
        }
        assert!(name(&"x".repeat(10_000)).chars().count() < 70);
    }

    #[test]
    fn a_time_is_said_in_words() {
        let of = |minutes| span(Duration::from_mins(minutes));
        assert_eq!([of(1), of(15), of(60), of(90)], ["1 minute", "15 minutes", "1 hour", "90 minutes"]);
        assert_eq!([of(24 * 60), of(7 * 24 * 60), of(0)], ["1 day", "7 days", "0 minutes"]);
    }

    proptest! {
        #[test]
        fn no_name_makes_a_line_or_a_link(text in ".{0,80}|[a-z.:/@\r\n ]{0,40}") {
            let name = name(&text);
            prop_assert!(!name.contains(['\r', '\n', ':', '/', '@']), "{name}");
            prop_assert!(!name.chars().any(char::is_control));
            let dots = name.trim_end_matches('”').trim_end_matches('.');
            prop_assert!(dots.split('.').skip(1).all(|rest| rest.is_empty() || rest.starts_with(' ')), "{name}");
        }
    }
}

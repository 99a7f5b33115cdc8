//! What a provider is to ask somebody (the parameter `prompt` of OpenID Connect Core 1.0, section 3.1.2.1).

use crate::config::Config;
use crate::metadata::Metadata;
use crate::vendor;

const LOGIN: &str = "login";
const SELECT_ACCOUNT: &str = "select_account";

/// What the provider should ask the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// To sign in, even if they are signed in there.
    Login,
    /// Which of their accounts.
    SelectAccount,
}

impl Prompt {
    /// The value by which this provider is asked; None if there is none that it takes. Many refuse a sign-in with a value that
    /// they do not know. Of the two the other one asks as well, if less exactly.
    pub(crate) fn value(self, config: &Config, metadata: &Metadata) -> Option<&'static str> {
        let wanted = match self {
            Self::Login => [LOGIN, SELECT_ACCOUNT],
            Self::SelectAccount => [SELECT_ACCOUNT, LOGIN],
        };
        wanted.into_iter().find(|value| match &metadata.prompts {
            Some(announced) => announced.iter().any(|known| known == value),
            // Its documentation has `none`, `consent` and `select_account`.
            None if vendor::is_google(&config.issuer) => *value == SELECT_ACCOUNT,
            // Of those who announce nothing nearly all take this one.
            None => *value == LOGIN,
        })
    }
}

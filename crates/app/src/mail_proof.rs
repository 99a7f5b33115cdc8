//! What somebody shows to have got a mail.

use std::fmt;

use retinue_model::Email;

/// What somebody shows to have got a mail.
pub enum Proof {
    /// What stands in the link.
    Token(String),
    /// The short code, for whoever typed this address.
    Code(Email, String),
}

impl Proof {
    /// The address that they typed.
    pub(crate) const fn address(&self) -> Option<&Email> {
        match self {
            Self::Token(_) => None,
            Self::Code(address, _) => Some(address),
        }
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::Code(..) => "Code(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_not_shown_to_whoever_debugs() {
        let code = Proof::Code(Email::new("ada@example.com").unwrap(), "7KQ2-M9XD".to_owned());
        assert_eq!(format!("{:?} {code:?}", Proof::Token("secret".to_owned())), "Token(…) Code(…)");
    }
}

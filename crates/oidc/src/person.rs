//! Who somebody is, in the provider's words.

use std::fmt;

use serde_json::Value;

use crate::config::ClaimNames;
use crate::json::Object;

/// The longest name that is taken over, in characters; more is cut off.
const MAX_NAME: usize = 200;
/// The longest address (RFC 5321, section 4.5.3.1.3).
const MAX_EMAIL: usize = 254;

/// A person, as a provider describes them. Only the subject says who they are; the rest may change, and may be wrong.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// `sub`: never changes, and is given to nobody else at this issuer.
    pub subject: String,
    /// What people call them: one line, 200 characters at most.
    pub name: Option<String>,
    /// An address with one `@`, and without blanks and control characters.
    pub email: Option<String>,
    /// Whether the provider says that the address is theirs; it says so in the same place where it gives the address.
    pub email_verified: bool,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("email_verified", &self.email_verified).finish_non_exhaustive()
    }
}

impl Person {
    /// What these claims say.
    pub(crate) fn of(subject: String, claims: &Object, names: &ClaimNames) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let email = text(&names.email).map(str::trim).filter(|email| is_email(email)).map(str::to_owned);
        // Some providers write it as text.
        let is_true = |value: &Value| value == &Value::Bool(true) || value.as_str() == Some("true");
        let email_verified = email.is_some() && claims.get(&names.email_verified).is_some_and(is_true);
        Self { subject, name: text(&names.name).and_then(one_line), email, email_verified }
    }

    /// Whether something is missing that UserInfo may tell.
    pub(crate) fn lacks_something(&self) -> bool {
        self.name.is_none() || self.email.is_none()
    }

    /// Takes over what is missing; the address only together with whether it was verified.
    pub(crate) fn complete(&mut self, more: Self) {
        self.name = self.name.take().or(more.name);
        if self.email.is_none() {
            (self.email, self.email_verified) = (more.email, more.email_verified);
        }
    }
}

fn one_line(text: &str) -> Option<String> {
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line: String = words.join(" ").chars().take(MAX_NAME).collect();
    (!line.is_empty()).then_some(line)
}

fn is_email(text: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    let parts: Vec<_> = text.split('@').collect();
    text.len() <= MAX_EMAIL && !text.contains(is_odd) && parts.len() == 2 && parts.iter().all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person(claims: &Value) -> Person {
        Person::of("1".into(), claims.as_object().unwrap(), &ClaimNames::default())
    }

    #[test]
    fn what_can_not_be_is_left_out() {
        for email in ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\r\nBcc: c@d", &format!("{}@b", "a".repeat(254))]
        {
            let person = person(&json!({"email": email, "email_verified": true}));
            assert_eq!((person.email, person.email_verified), (None, false), "{email}");
        }
        assert_eq!(person(&json!({"name": " Ada\r\n\tLovelace\u{0}"})).name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(person(&json!({"name": "\n"})).name, None);
        assert_eq!(person(&json!({"name": 1, "email": 2})), person(&json!({})));
    }

    #[test]
    fn an_address_is_verified_only_where_it_was_given() {
        for (claim, verified) in [(json!(true), true), (json!("true"), true), (json!(1), false), (json!("yes"), false)]
        {
            assert_eq!(person(&json!({"email": "a@b", "email_verified": claim})).email_verified, verified);
        }
        let mut first = person(&json!({"email_verified": true}));
        first.complete(person(&json!({"email": "a@b"})));
        assert!(!first.email_verified);
        let mut first = person(&json!({"email": "a@b"}));
        first.complete(person(&json!({"email": "a@b", "email_verified": true})));
        assert!(!first.email_verified);
    }
}

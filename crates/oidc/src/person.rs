//! Who somebody is, in the provider's words.

use std::fmt;

use retinue_model::Name;
use serde_json::Value;

use crate::config::ClaimNames;
use crate::groups::Groups;
use crate::json::Object;

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
    /// In which groups they are; unknown too where that was not asked.
    pub groups: Groups,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("email_verified", &self.email_verified).finish_non_exhaustive()
    }
}

/// What one place says about a person: the ID token, or UserInfo.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Description {
    name: Option<String>,
    email: Option<String>,
    /// None if it does not say.
    email_verified: Option<bool>,
    /// None if nobody wants to know.
    groups: Option<Groups>,
}

impl Description {
    /// What these claims say.
    pub(crate) fn of(claims: &Object, names: &ClaimNames) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let email = text(&names.email).map(str::trim).filter(|email| is_email(email)).map(str::to_owned);
        // Some providers write it as text.
        let is_true = |value: &Value| value == &Value::Bool(true) || value.as_str() == Some("true");
        let flag = claims.get(&names.email_verified).filter(|value| !value.is_null()).map(is_true);
        let email_verified = email.as_ref().and(flag);
        let groups = names.groups.as_deref().map(|name| Groups::of(claims, name));
        Self { name: text(&names.name).and_then(Name::found_in).map(String::from), email, email_verified, groups }
    }

    /// Whether something is missing that UserInfo may tell.
    pub(crate) fn lacks_something(&self) -> bool {
        self.name.is_none() || self.email.is_none() || self.email_verified.is_none()
    }

    /// Whether it is wanted to be known in which groups the person is, and is not.
    pub(crate) fn lacks_groups(&self) -> bool {
        self.groups.as_ref().is_some_and(Groups::is_unknown)
    }

    /// Whether the other one does not say the address that this one has.
    pub(crate) fn has_another_address(&self, other: &Self) -> bool {
        self.email.is_some() && self.email != other.email
    }

    /// Takes over what is missing. Whether an address was verified counts only together with this very address.
    pub(crate) fn complete(&mut self, more: Self) {
        if self.email_verified.is_none() && !self.has_another_address(&more) {
            (self.email, self.email_verified) = (more.email, more.email_verified);
        }
        self.name = self.name.take().or(more.name);
        if self.lacks_groups() {
            self.groups = more.groups;
        }
    }

    /// Without an address of which it is not said whether it is verified: too little to go by where one is known already.
    pub(crate) fn without_doubt(mut self) -> Self {
        self.email = self.email.filter(|_| self.email_verified.is_some());
        self
    }

    /// The person. An address of which nothing was said is not verified.
    pub(crate) fn into_person(self, subject: String) -> Person {
        let email_verified = self.email_verified == Some(true);
        let groups = self.groups.unwrap_or_default();
        Person { subject, name: self.name, email: self.email, email_verified, groups }
    }
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

    fn description(claims: &Value) -> Description {
        Description::of(claims.as_object().unwrap(), &ClaimNames::default())
    }

    fn person(claims: &Value) -> Person {
        description(claims).into_person("1".into())
    }

    #[test]
    fn what_can_not_be_is_left_out() {
        for email in ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\r\nBcc: c@d", &format!("{}@b", "a".repeat(254))]
        {
            let person = person(&json!({"email": email, "email_verified": true}));
            assert_eq!((person.email, person.email_verified), (None, false), "{email}");
        }
        assert_eq!(person(&json!({"name": " Ada\r\n\tLovelace\u{0}"})).name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(person(&json!({"name": "\u{200b}\u{3164}\n"})).name, None);
        assert_eq!(person(&json!({"name": 1, "email": 2})), person(&json!({})));
    }

    #[test]
    fn an_address_is_verified_if_the_provider_says_so() {
        for (claim, verified) in [(json!(true), true), (json!("true"), true), (json!(1), false), (json!("yes"), false)]
        {
            assert_eq!(person(&json!({"email": "a@b", "email_verified": claim})).email_verified, verified);
        }
    }

    #[test]
    fn an_address_is_verified_only_where_it_was_given() {
        let cases = [
            (json!({"email_verified": true}), json!({"email": "a@b"}), false),
            (json!({"email_verified": true}), json!({"email": "a@b", "email_verified": true}), true),
            (json!({"email": "a@b"}), json!({"email": "a@b", "email_verified": true}), true),
            (json!({"email": "a@b", "email_verified": null}), json!({"email": "a@b", "email_verified": true}), true),
            (json!({"email": "a@b"}), json!({"email": "a@b", "email_verified": false}), false),
            (json!({"email": "a@b"}), json!({"email": "A@b", "email_verified": true}), false),
            (json!({"email": "a@b"}), json!({"email": "c@d", "email_verified": true}), false),
            (json!({"email": "a@b"}), json!({"email_verified": true}), false),
            (json!({"email": "a@b", "email_verified": false}), json!({"email": "a@b", "email_verified": true}), false),
            (json!({"email": "a@b", "email_verified": 1}), json!({"email": "a@b", "email_verified": true}), false),
            (json!({"email": "a@b", "email_verified": true}), json!({"email": "a@b", "email_verified": false}), true),
        ];
        for (first, more, verified) in cases {
            let mut completed = description(&first);
            completed.complete(description(&more));
            let person = completed.into_person("1".into());
            assert_eq!((person.email.as_deref(), person.email_verified), (Some("a@b"), verified), "{first} {more}");
        }
    }

    #[test]
    fn an_address_in_doubt_is_left_out() {
        for (claim, email) in [(json!(true), Some("a@b")), (json!(false), Some("a@b")), (json!(null), None)] {
            let certain = description(&json!({"name": "Ada", "email": "a@b", "email_verified": claim})).without_doubt();
            let person = certain.into_person("1".into());
            assert_eq!((person.email.as_deref(), person.name.as_deref()), (email, Some("Ada")), "{claim}");
        }
    }

    #[test]
    fn groups_are_wanted_or_not() {
        let names = ClaimNames { groups: Some("groups".into()), ..ClaimNames::default() };
        let of = |claims: Value| Description::of(claims.as_object().unwrap(), &names);
        let known = |name: &str| Groups::Known(vec![name.to_owned()]);
        let mut signed = of(json!({"groups": ["a"]}));
        assert!(!signed.lacks_groups());
        signed.complete(of(json!({"groups": ["b"]})));
        assert_eq!(signed.into_person("1".into()).groups, known("a"), "what is signed counts");
        let mut lacking = of(json!({"groups": "a"}));
        assert!(lacking.lacks_groups());
        lacking.complete(of(json!({"groups": ["b"]})));
        assert_eq!(lacking.without_doubt().into_person("1".into()).groups, known("b"));
        let unasked = description(&json!({"groups": ["a"]}));
        assert!(!unasked.lacks_groups());
        assert_eq!(unasked.into_person("1".into()).groups, Groups::Unknown);
    }

    #[test]
    fn user_info_is_asked_for_what_is_not_said() {
        let whole = json!({"name": "Ada", "email": "a@b", "email_verified": false});
        assert!(!description(&whole).lacks_something());
        for name in ["name", "email", "email_verified"] {
            let mut claims = whole.clone();
            claims[name] = Value::Null;
            assert!(description(&claims).lacks_something(), "{name}");
        }
    }
}

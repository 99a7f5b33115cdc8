//! Who runs the installation: whoever the configuration declares, and whoever was made an administrator. Looked up with
//! each session, so that taking it back acts at the next start or change.

use retinue_model::user::User;
use retinue_model::{Error, Result, UserId};
use retinue_store::{Batch, Store, Tenant, identity, user as users};

use crate::{App, Auth, voucher};

/// One entry of `auth.admins`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// Whoever a provider knows as this subject.
    Identity {
        /// The issuer.
        issuer: String,
        /// The subject.
        subject: String,
    },
    /// Whoever has this address, verified; as it is compared.
    VerifiedEmail(String),
}

impl Declared {
    /// Reads `issuer|subject` or `verified:address`.
    ///
    /// # Errors
    /// `invalid_admin`
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || {
            Error::invalid(
                "invalid_admin",
                "must be `issuer|subject`, such as https://idp.example.com|8f1c, or `verified:` and an address.",
            )
        };
        if let Some(address) = text.strip_prefix("verified:") {
            let is_address = address.is_ascii() && address.split('@').filter(|part| !part.is_empty()).count() == 2;
            return if is_address { Ok(Self::VerifiedEmail(address.to_ascii_lowercase())) } else { Err(invalid()) };
        }
        match text.split_once('|') {
            Some((issuer, subject)) if issuer.contains("://") && !subject.is_empty() => {
                Ok(Self::Identity { issuer: issuer.to_owned(), subject: subject.to_owned() })
            }
            _ => Err(invalid()),
        }
    }
}

/// Whether the configuration says that somebody who comes with this identity, and this address as it is compared, runs the
/// installation.
pub(crate) fn declares(auth: &Auth, (issuer, subject): (&str, &str), key: Option<&str>) -> bool {
    auth.admins.iter().any(|declared| match declared {
        Declared::Identity { issuer: at, subject: who } => at == issuer && who == subject,
        Declared::VerifiedEmail(address) => key == Some(address.as_str()),
    })
}

/// Whether somebody runs the installation.
pub(crate) async fn is_admin(app: &App, user: &User) -> Result<bool> {
    Ok(user.organization_admin || is_declared((&app.auth, &app.store), user).await?)
}

/// Whether the configuration declares that somebody runs the installation.
pub(crate) async fn is_declared((auth, store): (&Auth, &Store), user: &User) -> Result<bool> {
    let declared = &auth.admins;
    let address = user.email.as_deref().filter(|_| user.email_verified).map(str::to_ascii_lowercase);
    if let Some(key) = address.filter(|key| declared.contains(&Declared::VerifiedEmail(key.clone())))
        && voucher::vouches_for((auth, store), user.id, &key).await?
    {
        return Ok(true);
    }
    if !declared.iter().any(|declared| matches!(declared, Declared::Identity { .. })) {
        return Ok(false);
    }
    let identities = identity::of_user(&Tenant::default_organization(), store, user.id).await?;
    Ok(identities
        .into_iter()
        .any(|identity| declared.contains(&Declared::Identity { issuer: identity.issuer, subject: identity.subject })))
}

/// Somebody else who may come in now and whom the configuration declares. An entry that leads to nobody counts for nothing.
async fn another_declared((auth, store): (&Auth, &Store), besides: UserId) -> Result<Option<UserId>> {
    for declared in &auth.admins {
        let found = match declared {
            Declared::Identity { issuer, subject } => by_identity((auth, store), issuer, subject).await?,
            Declared::VerifiedEmail(key) => by_address((auth, store), key).await?,
        };
        if let Some(user) = found.into_iter().find(|user| user.id != besides && user.disabled_at.is_none()) {
            return Ok(Some(user.id));
        }
    }
    Ok(None)
}

/// Who comes as a subject, by the providers of an issuer that there are now.
async fn by_identity((auth, store): (&Auth, &Store), issuer: &str, subject: &str) -> Result<Vec<User>> {
    let mut users = Vec::new();
    for known in auth.providers.iter().filter(|known| known.provider.config().issuer.as_str() == issuer) {
        let found = identity::find(&Tenant::default_organization(), store, known.name(), (issuer, subject)).await?;
        users.extend(found.map(|(_, user)| user));
    }
    Ok(users)
}

/// Who has an address, verified, by the word of somebody trusted.
async fn by_address((auth, store): (&Auth, &Store), key: &str) -> Result<Vec<User>> {
    users::by_vouched_email(&Tenant::default_organization(), store, key, &auth.trusted_with_addresses()).await
}

/// Refuses the batch if nobody but this user runs the installation who may come in: `last_admin`.
pub(crate) async fn keep_one_with((auth, store): (&Auth, &Store), batch: &mut Batch, besides: UserId) -> Result<()> {
    let tenant = Tenant::default_organization();
    match another_declared((auth, store), besides).await? {
        Some(other) => users::require_admin_to_come_with(&tenant, batch, other),
        None => users::require_other_admin_with(&tenant, batch, besides),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_forms_are_taken() {
        assert_eq!(
            Declared::parse("https://idp.example.com|a|b").unwrap(),
            Declared::Identity { issuer: "https://idp.example.com".into(), subject: "a|b".into() }
        );
        assert_eq!(
            Declared::parse("verified:Alice@Example.com").unwrap(),
            Declared::VerifiedEmail("alice@example.com".into())
        );
        for text in
            ["", "alice@example.com", "verified:", "verified:alice", "verified:älice@example.com", "https://a|", "|b"]
        {
            assert_eq!(Declared::parse(text).unwrap_err().code(), "invalid_admin", "{text}");
        }
    }
}

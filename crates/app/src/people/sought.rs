//! Whom a search looks for among all users.

use retinue_model::user::User;
use retinue_model::{Error, Result, UserId, email};
use retinue_store::{Store, Tenant, user as rows};

use crate::cursor;

/// No address is longer, and no name.
const LONGEST: usize = 254;

/// What the cursors among those of an address are told from others by.
const AT_ADDRESS: &str = "people of an address";

/// Whom a search looks for. Each way finds them by an index, however many users there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// The one of this id.
    Id(UserId),
    /// Those who are described with this address.
    Address(String),
    /// Those whose name begins so.
    Name(String),
}

impl Sought {
    /// Whom somebody looks for who typed this: an id, a whole address, or the beginning of a name; nobody if it is blank.
    ///
    /// # Errors
    /// `invalid_search`
    pub fn read(text: &str) -> Result<Option<Self>> {
        let text = text.trim();
        if text.chars().count() > LONGEST || text.contains('\0') {
            let said = "Search for an id, a whole address, or the beginning of a name, of 254 characters at most.";
            return Err(Error::invalid("invalid_search", said));
        }
        Ok(match (text.parse(), email::key(text).filter(|key| key.contains('@'))) {
            (Ok(id), _) => Some(Self::Id(id)),
            (Err(_), Some(key)) => Some(Self::Address(key)),
            (Err(_), None) => Some(text).filter(|text| !text.is_empty()).map(|text| Self::Name(text.to_owned())),
        })
    }

    /// Some of those after a place: by name if that is asked for, otherwise by id.
    pub(super) async fn find(
        &self,
        (tenant, store): (&Tenant, &Store),
        after: Option<&str>,
        most: i64,
    ) -> Result<Vec<User>> {
        match self {
            Self::Id(id) => Ok(rows::get(tenant, store, *id).await?.into_iter().collect()),
            Self::Address(key) => {
                let after = after.map(|text| cursor::to_entry(AT_ADDRESS, text)).transpose()?;
                rows::by_email(tenant, store, key, (after, most)).await
            }
            Self::Name(name) => {
                let after = after.map(cursor::to_person).transpose()?;
                rows::by_name(tenant, store, name, (after, most)).await
            }
        }
    }

    /// The place after one of them.
    pub(super) fn place(&self, last: &User) -> String {
        match self {
            Self::Name(_) => cursor::of_person((&last.name, last.id)),
            Self::Id(_) | Self::Address(_) => cursor::of_entry(AT_ADDRESS, last.id),
        }
    }

    /// All of them, for whoever has the machine.
    pub(crate) async fn all(&self, reach: (&Tenant, &Store), part: i64) -> Result<Vec<User>> {
        let mut all = self.find(reach, None, part).await?;
        let mut is_whole = matches!(self, Self::Id(_));
        while let Some(last) = all.last().filter(|_| !is_whole) {
            let more = self.find(reach, Some(&self.place(last)), part).await?;
            is_whole = more.is_empty();
            all.extend(more);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_an_id_an_address_or_how_a_name_begins() {
        let id = "usr_00000000000000000000000009";
        let read = |text: &str| Sought::read(text).unwrap();
        assert_eq!(read(&format!(" {id} ")), Some(Sought::Id(id.parse().unwrap())));
        assert_eq!(read("Ada@Example.com"), Some(Sought::Address("ada@example.com".to_owned())));
        for name in ["Ada", "usr_", "Ада@", "100%"] {
            assert_eq!(read(name), Some(Sought::Name(name.to_owned())));
        }
        assert_eq!((read(""), read(" \t")), (None, None));
        for bad in ["a\0", &"x".repeat(255)] {
            assert_eq!(Sought::read(bad).unwrap_err().code(), "invalid_search");
        }
    }
}

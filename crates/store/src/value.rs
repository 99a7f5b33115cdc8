//! What is bound to a statement: one set of values, in each engine's own representation.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::sync::Arc;

use bytes::BytesMut;
use jiff::Timestamp;
use retinue_model::id::{Id, Noun};
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

/// A parameter.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Bool(bool),
    Text(Cow<'a, str>),
    Shared(Arc<str>),
    Bytes(Cow<'a, [u8]>),
    Uuid(Uuid),
    Time(Timestamp),
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Bool(value) => ValueRef::Integer(i64::from(*value)),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Shared(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
            Self::Uuid(value) => ValueRef::Blob(value.as_bytes()),
            Self::Time(value) => ValueRef::Integer(value.as_microsecond()),
        }))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => value.to_sql_checked(ty, out),
            Self::Bool(value) => value.to_sql_checked(ty, out),
            Self::Text(value) => value.as_ref().to_sql_checked(ty, out),
            Self::Shared(value) => value.as_ref().to_sql_checked(ty, out),
            Self::Bytes(value) => value.as_ref().to_sql_checked(ty, out),
            Self::Uuid(value) => value.to_sql_checked(ty, out),
            Self::Time(value) => value.to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Which types fit depends on the value: `to_sql` checks each with the driver's own rule.
        true
    }

    to_sql_checked!();
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl From<Arc<str>> for Value<'_> {
    fn from(value: Arc<str>) -> Self {
        Self::Shared(value)
    }
}

/// A hash.
impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value.into())
    }
}

impl From<[u8; 32]> for Value<'_> {
    fn from(value: [u8; 32]) -> Self {
        Self::Bytes(Cow::Owned(value.to_vec()))
    }
}

impl<'a> From<&'a [u8; 32]> for Value<'a> {
    fn from(value: &'a [u8; 32]) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl<N: Noun> From<Id<N>> for Value<'_> {
    fn from(value: Id<N>) -> Self {
        Self::Uuid(value.uuid())
    }
}

impl From<Uuid> for Value<'_> {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(value: Timestamp) -> Self {
        Self::Time(value)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Several ids as one parameter: a list in JSON, which both engines take apart.
pub(crate) fn id_list<N: Noun>(ids: &[Id<N>]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("\"{}\"", id.uuid().simple())).collect();
    format!("[{}]", ids.join(","))
}

/// `params![a, b]`: an array of values.
macro_rules! params {
    ($($value:expr),* $(,)?) => { [$($crate::value::Value::from($value)),*] };
}
pub(crate) use params;

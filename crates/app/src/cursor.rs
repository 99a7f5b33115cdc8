//! Cursors: opaque text that says where a list goes on.
//!
//! A cursor names only a place in a list that its reader may see anyway, so it is not secret. The checksum tells an
//! altered or truncated one from a good one, and one list's cursor from another's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use retinue_model::id::{Id, Noun};
use retinue_model::usage::{By, Month};
use retinue_model::{AgentId, ApiKeyId, Error, InvitationId, Result, TeamId, ThreadId, UserId};
use retinue_store::thread::Place;
use retinue_store::{agent, api_key, invitation, membership, team, usage};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const CHECKSUM: usize = 6;
/// The year 2999, in microseconds: both engines hold it, and no list does.
const LATEST: i64 = 32_472_144_000_000_000;

/// The place after a thread in a list of threads.
#[must_use]
pub fn of_thread(place: Place) -> String {
    of_moment("threads", place.updated_at, place.id.uuid())
}

/// Reads what [`of_thread`] wrote.
///
/// # Errors
/// `invalid_cursor` if it is anything else.
pub fn to_thread(text: &str) -> Result<Place> {
    let (updated_at, id) = to_moment("threads", text)?;
    Ok(Place { updated_at, id: ThreadId::new(id) })
}

/// The place after a team in a list of teams.
pub(crate) fn of_team(place: team::Place) -> String {
    of_moment("teams", place.created_at, place.id.uuid())
}

/// Reads what [`of_team`] wrote.
pub(crate) fn to_team(text: &str) -> Result<team::Place> {
    let (created_at, id) = to_moment("teams", text)?;
    Ok(team::Place { created_at, id: TeamId::new(id) })
}

/// The place after a member in a team's list.
pub(crate) fn of_member(team: TeamId, place: membership::Place) -> String {
    of_moment(&team.to_string(), place.created_at, place.user_id.uuid())
}

/// Reads what [`of_member`] wrote for the same team.
pub(crate) fn to_member(team: TeamId, text: &str) -> Result<membership::Place> {
    let (created_at, id) = to_moment(&team.to_string(), text)?;
    Ok(membership::Place { created_at, user_id: UserId::new(id) })
}

/// The place after an invitation in a team's list.
pub(crate) fn of_invitation(team: TeamId, place: invitation::Place) -> String {
    of_moment(&format!("invitations of {team}"), place.created_at, place.id.uuid())
}

/// Reads what [`of_invitation`] wrote for the same team.
pub(crate) fn to_invitation(team: TeamId, text: &str) -> Result<invitation::Place> {
    let (created_at, id) = to_moment(&format!("invitations of {team}"), text)?;
    Ok(invitation::Place { created_at, id: InvitationId::new(id) })
}

/// The place after an event of the audit trail.
pub(crate) fn of_event(seq: i64) -> String {
    seal("audit", seq.to_be_bytes().to_vec())
}

/// Reads what [`of_event`] wrote.
pub(crate) fn to_event(text: &str) -> Result<i64> {
    open("audit", text).map(i64::from_be_bytes)
}

/// The place after a key in a list of keys.
pub(crate) fn of_key(place: api_key::Place) -> String {
    of_moment("api_keys", place.created_at, place.id.uuid())
}

/// Reads what [`of_key`] wrote.
pub(crate) fn to_key(text: &str) -> Result<api_key::Place> {
    let (created_at, id) = to_moment("api_keys", text)?;
    Ok(api_key::Place { created_at, id: ApiKeyId::new(id) })
}

/// The place after a month in a list of months.
pub(crate) fn of_month(month: Month) -> String {
    seal("months", month.number().to_be_bytes().to_vec())
}

/// Reads what [`of_month`] wrote.
pub(crate) fn to_month(text: &str) -> Result<i64> {
    open("months", text).map(i64::from_be_bytes)
}

/// The place after an entry of a team's usage in a month.
pub(crate) fn of_usage((team, month): (TeamId, Month), place: &usage::Place) -> String {
    let mut bytes = [place.user.uuid().into_bytes(), place.agent.uuid().into_bytes()].concat();
    bytes.extend_from_slice(place.model.as_bytes());
    seal(&format!("usage {team} {month}"), bytes)
}

/// Reads what [`of_usage`] wrote for the same team and month.
pub(crate) fn to_usage((team, month): (TeamId, Month), text: &str) -> Result<usage::Place> {
    let bytes = open_any(&format!("usage {team} {month}"), text)?;
    let (user, rest) = bytes.split_at_checked(16).ok_or_else(invalid)?;
    let (agent, model) = rest.split_at_checked(16).ok_or_else(invalid)?;
    let (user, agent) = (UserId::new(uuid(user)?), AgentId::new(uuid(agent)?));
    Ok(usage::Place { user, agent, model: words(model)? })
}

/// The place after a total of a month.
pub(crate) fn of_total((by, month): (By, Month), (id, model): &usage::TotalPlace) -> String {
    let mut bytes = id.as_bytes().to_vec();
    bytes.extend_from_slice(model.as_bytes());
    seal(&format!("usage by {} {month}", by.as_str()), bytes)
}

/// Reads what [`of_total`] wrote for the same kind and month.
pub(crate) fn to_total((by, month): (By, Month), text: &str) -> Result<usage::TotalPlace> {
    let bytes = open_any(&format!("usage by {} {month}", by.as_str()), text)?;
    let (id, model) = bytes.split_at_checked(16).ok_or_else(invalid)?;
    Ok((uuid(id)?, words(model)?))
}

fn uuid(bytes: &[u8]) -> Result<Uuid> {
    Uuid::from_slice(bytes).map_err(|_| invalid())
}

/// Text that a database takes.
fn words(bytes: &[u8]) -> Result<String> {
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| invalid())?;
    if text.contains('\0') { Err(invalid()) } else { Ok(text) }
}

/// The place after a user in the list of all.
pub(crate) fn of_user((created_at, id): (Timestamp, UserId)) -> String {
    of_moment("users", created_at, id.uuid())
}

/// Reads what [`of_user`] wrote.
pub(crate) fn to_user(text: &str) -> Result<(Timestamp, UserId)> {
    let (created_at, id) = to_moment("users", text)?;
    Ok((created_at, UserId::new(id)))
}

/// The place after an agent in a list by name.
pub(crate) fn of_agent(place: &agent::Place) -> String {
    of_name("agents", &place.name, place.id.uuid())
}

/// Reads what [`of_agent`] wrote.
pub(crate) fn to_agent(text: &str) -> Result<agent::Place> {
    let (name, id) = to_name("agents", text)?;
    Ok(agent::Place { name, id: AgentId::new(id) })
}

/// The place after a user in a list by name.
pub(crate) fn of_person((name, id): (&str, UserId)) -> String {
    of_name("people", name, id.uuid())
}

/// Reads what [`of_person`] wrote.
pub(crate) fn to_person(text: &str) -> Result<(String, UserId)> {
    let (name, id) = to_name("people", text)?;
    Ok((name, UserId::new(id)))
}

fn of_name(list: &str, name: &str, id: Uuid) -> String {
    let mut bytes = id.as_bytes().to_vec();
    bytes.extend_from_slice(name.as_bytes());
    seal(list, bytes)
}

fn to_name(list: &str, text: &str) -> Result<(String, Uuid)> {
    let bytes = open_any(list, text)?;
    let (id, name) = bytes.split_at_checked(16).ok_or_else(invalid)?;
    Ok((words(name)?, uuid(id)?))
}

/// How many rows tell whether there are more than `limit`.
pub(crate) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit + 1).unwrap_or(i64::MAX)
}

fn of_moment(list: &str, at: Timestamp, id: Uuid) -> String {
    let mut bytes = at.as_microsecond().to_be_bytes().to_vec();
    bytes.extend_from_slice(id.as_bytes());
    seal(list, bytes)
}

fn to_moment(list: &str, text: &str) -> Result<(Timestamp, Uuid)> {
    let bytes: [u8; 24] = open(list, text)?;
    let (micros, id) = bytes.split_at(8);
    let micros = i64::from_be_bytes(micros.try_into().map_err(|_| invalid())?);
    if !(0..=LATEST).contains(&micros) {
        return Err(invalid());
    }
    let at = Timestamp::from_microsecond(micros).map_err(|_| invalid())?;
    Ok((at, Uuid::from_slice(id).map_err(|_| invalid())?))
}

/// The place after a position in a thread's messages.
#[must_use]
pub fn of_position(thread: ThreadId, position: i64) -> String {
    seal(&thread.to_string(), position.to_be_bytes().to_vec())
}

/// Reads what [`of_position`] wrote for the same thread.
///
/// # Errors
/// `invalid_cursor` if it is anything else.
pub fn to_position(thread: ThreadId, text: &str) -> Result<i64> {
    open(&thread.to_string(), text).map(i64::from_be_bytes)
}

/// The place after an entry of a list that is ordered by ids.
#[must_use]
pub fn of_entry<N: Noun>(list: &str, id: Id<N>) -> String {
    seal(list, id.uuid().as_bytes().to_vec())
}

/// Reads what [`of_entry`] wrote for the same list.
///
/// # Errors
/// `invalid_cursor` if it is anything else.
pub fn to_entry<N: Noun>(list: &str, text: &str) -> Result<Id<N>> {
    open(list, text).map(|bytes| Id::new(Uuid::from_bytes(bytes)))
}

fn seal(list: &str, mut bytes: Vec<u8>) -> String {
    let checksum = checksum(list, &bytes);
    bytes.extend_from_slice(&checksum);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open<const N: usize>(list: &str, text: &str) -> Result<[u8; N]> {
    open_any(list, text)?.try_into().map_err(|_| invalid())
}

fn open_any(list: &str, text: &str) -> Result<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let length = bytes.len().checked_sub(CHECKSUM).ok_or_else(invalid)?;
    let sum = bytes.split_off(length);
    if sum != checksum(list, &bytes) {
        return Err(invalid());
    }
    Ok(bytes)
}

fn checksum(list: &str, bytes: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::new().chain_update(list).chain_update([0]).chain_update(bytes).finalize();
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&digest[..CHECKSUM]);
    sum
}

fn invalid() -> Error {
    Error::invalid("invalid_cursor", "This cursor is not one that this list gave. Start again without a cursor.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_is_noticed() {
        let thread = ThreadId::new(Uuid::from_u128(7));
        let place = Place { updated_at: Timestamp::from_second(1_800_000_000).unwrap(), id: thread };
        let cursor = of_thread(place);
        assert_eq!(to_thread(&cursor).unwrap(), place);
        for index in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(to_thread(&altered).is_err() || to_thread(&altered).unwrap() == place);
            assert!(to_thread(&cursor[..index]).is_err());
        }
        let other = ThreadId::new(Uuid::from_u128(8));
        let position = of_position(thread, 3);
        assert_eq!(to_position(thread, &position).unwrap(), 3);
        assert_eq!(to_position(other, &position).unwrap_err().code(), "invalid_cursor");
        assert_eq!(to_thread(&position).unwrap_err().code(), "invalid_cursor");
    }

    /// The checksum keeps nobody from making one.
    #[test]
    fn no_cursor_has_text_that_a_database_does_not_take() {
        let forged = |name: &[u8]| seal("agents", [Uuid::from_u128(7).as_bytes(), name].concat());
        assert_eq!(to_agent(&forged("Zoë".as_bytes())).unwrap().name, "Zoë");
        for name in [&b"a\0b"[..], b"\xff"] {
            assert_eq!(to_agent(&forged(name)).unwrap_err().code(), "invalid_cursor");
        }
    }
}

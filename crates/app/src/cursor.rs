//! Cursors: opaque text that says where a list goes on.
//!
//! A cursor names only a place in a list that its reader may see anyway, so it is not secret. The checksum tells an
//! altered or truncated one from a good one, and one list's cursor from another's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use retinue_model::id::{Id, Noun};
use retinue_model::{Error, Result, ThreadId};
use retinue_store::thread::Place;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const CHECKSUM: usize = 6;
/// The year 2999, in microseconds: both engines hold it, and no list does.
const LATEST: i64 = 32_472_144_000_000_000;

/// The place after a thread in a list of threads.
#[must_use]
pub fn of_thread(place: Place) -> String {
    let mut bytes = place.updated_at.as_microsecond().to_be_bytes().to_vec();
    bytes.extend_from_slice(place.id.uuid().as_bytes());
    seal("threads", bytes)
}

/// Reads what [`of_thread`] wrote.
///
/// # Errors
/// `invalid_cursor` if it is anything else.
pub fn to_thread(text: &str) -> Result<Place> {
    let bytes: [u8; 24] = open("threads", text)?;
    let (micros, id) = bytes.split_at(8);
    let micros = i64::from_be_bytes(micros.try_into().map_err(|_| invalid())?);
    if !(0..=LATEST).contains(&micros) {
        return Err(invalid());
    }
    Ok(Place {
        updated_at: Timestamp::from_microsecond(micros).map_err(|_| invalid())?,
        id: ThreadId::new(Uuid::from_slice(id).map_err(|_| invalid())?),
    })
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
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let (content, sum) = bytes.split_at_checked(N).ok_or_else(invalid)?;
    if sum != checksum(list, content) {
        return Err(invalid());
    }
    content.try_into().map_err(|_| invalid())
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
}

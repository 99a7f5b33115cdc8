//! Sessions about which a provider is being asked: whoever comes meanwhile waits for the answer, instead of asking too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retinue_model::SessionId;
use tokio_util::sync::CancellationToken;

/// Those under way in this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<SessionId, CancellationToken>>>);

/// What somebody is to do.
#[derive(Debug)]
pub(crate) enum Seat {
    /// To ask, and to hold on to this until the answer is kept.
    Pilot(Flight),
    /// To wait until this is cancelled.
    Passenger(CancellationToken),
}

/// The one question about a session. When it is dropped, nobody waits any more.
#[derive(Debug)]
pub(crate) struct Flight {
    flights: Flights,
    session: SessionId,
    landed: CancellationToken,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the one about this session, or begins it.
    pub(crate) fn board(&self, session: SessionId) -> Seat {
        let mut under_way = self.lock();
        if let Some(landed) = under_way.get(&session) {
            return Seat::Passenger(landed.clone());
        }
        let landed = CancellationToken::new();
        under_way.insert(session, landed.clone());
        Seat::Pilot(Flight { flights: self.clone(), session, landed })
    }

    /// Whether somebody asks about this session.
    pub(crate) fn has(&self, session: SessionId) -> bool {
        self.lock().contains_key(&session)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.session);
        self.landed.cancel();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn one_asks_and_the_others_wait() {
        let (flights, [one, other]) = (Flights::default(), [1, 2].map(|id| SessionId::new(Uuid::from_u128(id))));
        let Seat::Pilot(flight) = flights.board(one) else { panic!("nobody asks yet") };
        let Seat::Passenger(landed) = flights.board(one) else { panic!("somebody asks already") };
        assert!(matches!(flights.board(other), Seat::Pilot(_)), "about another one");
        assert!(flights.has(one) && !flights.has(other) && !landed.is_cancelled());
        drop(flight);
        landed.cancelled().await;
        assert!(matches!(flights.board(one), Seat::Pilot(_)));
    }
}

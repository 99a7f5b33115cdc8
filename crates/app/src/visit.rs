//! A request before it is known who makes it: what signs people in takes one of these.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use retinue_model::{Email, Result};

use crate::context::Inner;
use crate::device::DeviceCookie;
use crate::session_cache::KnownSession;
use crate::throttle::Key;
use crate::{App, Context};

/// Where a request comes from, as far as can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The network address. Each request has one, and few write it down.
    pub address: Option<IpAddr>,
    /// What the program there calls itself.
    pub user_agent: String,
    /// What it keeps to be recognised.
    pub device: Option<DeviceCookie>,
}

impl Caller {
    /// The network address as it is written down; empty if it can't be told.
    pub(crate) fn address_text(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }
}

/// A request of somebody who is not known, or not yet.
#[derive(Clone, Debug)]
pub struct Visit {
    pub(crate) app: App,
    pub(crate) request_id: Arc<str>,
    pub(crate) caller: Caller,
}

impl Visit {
    /// A request that comes from there.
    #[must_use]
    pub const fn new(app: App, request_id: Arc<str>, caller: Caller) -> Self {
        Self { app, request_id, caller }
    }

    /// The request's id, which the client also gets.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Where it comes from.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The network that it comes from, if that can be told.
    pub(crate) fn network(&self) -> Option<Key> {
        self.caller.address.map(Key::network)
    }

    /// The program.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Runs work to its end even when the client hangs up: a transaction and what follows from it belong together.
    pub(crate) async fn to_its_end<T, F, W>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> W,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        self.app.detached(work(self.clone())).await
    }

    /// The same for what lets somebody in; why it does not is logged, with as much of the address as a log may have.
    pub(crate) async fn lets_in<T, F, W>(&self, account: Option<&Email>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> W + Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let account = account.map(Email::masked);
        // Whoever hangs up keeps nothing out of the log by that.
        self.to_its_end(|visit| async move {
            let done = work(visit.clone()).await;
            done.inspect_err(|error| visit.note_refused("nobody was signed in", error, account.as_deref()))
        })
        .await
    }

    /// The same request, of somebody who is known.
    pub(crate) fn known_as(self, known: Arc<KnownSession>) -> Context {
        Context::of_session(self, known)
    }
}

impl Deref for Visit {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.app
    }
}

#[cfg(test)]
mod tests;

//! A few threads of low priority, and a bounded queue before them.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use retinue_model::{Error, Result};
use tokio::sync::oneshot;

use crate::context::stopping;

type Job = Box<dyn FnOnce() + Send>;

/// The threads end when it is dropped.
pub(super) struct Pool(SyncSender<Job>);

impl Pool {
    pub(super) fn start(threads: NonZeroUsize, waiting: usize) -> std::io::Result<Self> {
        // At least one, or nobody who comes while no thread is waiting would be taken.
        let (sender, receiver) = sync_channel::<Job>(waiting.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads.get() {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new().name(format!("password-{number}")).spawn(move || work(&receiver))?;
        }
        Ok(Self(sender))
    }

    /// Does `work` on one of the threads. Nothing is done for who has gone meanwhile.
    ///
    /// # Errors
    /// `too_busy`.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            if !answer.is_closed() {
                // The one who asked may go while it is worked at.
                drop(answer.send(work()));
            }
        };
        self.0.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) => too_busy(),
            TrySendError::Disconnected(_) => stopping(),
        })?;
        answered.await.map_err(|_| Error::internal("a password's thread panicked"))
    }
}

pub(crate) fn too_busy() -> Error {
    Error::unavailable("too_busy", "Very many people sign in at the moment. Try again in a few seconds.")
}

fn work(queue: &Mutex<Receiver<Job>>) {
    lower_priority();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            // The one who asked gets an error.
            tracing::error!("a password's thread goes on after a panic");
        }
    }
}

/// Whatever else the server does goes first.
#[cfg(target_os = "linux")]
fn lower_priority() {
    const NICE: i32 = 10;
    // On Linux a thread has a nice value of its own.
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "can_fail(the priority of a password's thread)");
    }
}

#[cfg(not(target_os = "linux"))]
const fn lower_priority() {}

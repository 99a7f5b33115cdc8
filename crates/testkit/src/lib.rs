//! What tests stand on: the whole program in the test's own process on either engine, a clock and randomness that the
//! test owns, a model server and an identity provider that say what the test wants, and a client.
//!
//! A dev-dependency only. Nothing here is reached by the product.

#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test that can't be set up has failed")]

pub mod browser;
pub mod clock;
pub mod database;
pub mod events;
pub mod identity_provider;
pub mod letter_box;
pub mod line;
pub mod model_server;
mod part;
pub mod people;
pub mod person;
pub mod port;
pub mod program;
pub mod real_provider;
pub mod rng;
pub mod smtp_sink;
pub mod test_app;
pub mod under_way;
pub mod wait;

pub use browser::{Browser, Key, Scheme};
pub use clock::FakeClock;
pub use database::Database;
pub use events::{EventStream, ReceivedEvent};
pub use identity_provider::{IdentityProvider, SigningKey};
pub use letter_box::LetterBox;
pub use line::{Happening, Line};
pub use model_server::{Answer, Exchange, ModelServer};
pub use people::{HASHING, auth_at, mailer, with_hashing, with_mail, with_passwords};
pub use person::{Person, location};
pub use port::Port;
pub use program::{Program, Running};
pub use real_provider::{ProviderOptions, RealProvider};
pub use rng::CountingRng;
pub use smtp_sink::{Mail, SinkOptions, SinkTls, SmtpSink};
pub use test_app::{Options, TestApp};
pub use under_way::UnderWay;
pub use wait::{keeps, until};

/// Makes each of these `async fn name(app: TestApp, provider: IdentityProvider)` a test on SQLite, and one on PostgreSQL:
/// people sign in at the provider.
#[macro_export]
macro_rules! with_people_on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (app, provider) = $crate::TestApp::with_provider($crate::Database::sqlite()).await;
                super::$name(app, provider).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
            async fn $name() {
                let (app, provider) = $crate::TestApp::with_provider($crate::Database::postgres().await).await;
                super::$name(app, provider).await;
            })*
        }
    };
}

/// Makes each of these `async fn name(database: Database)` a test on SQLite, and one on PostgreSQL.
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::Database::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
            async fn $name() {
                super::$name($crate::Database::postgres().await).await;
            })*
        }
    };
}

/// Makes each of these `async fn name(app: TestApp)` a test on SQLite, and one on PostgreSQL: people sign in with an
/// address.
#[macro_export]
macro_rules! with_addresses_on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::TestApp::local($crate::Database::sqlite()).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
            async fn $name() {
                super::$name($crate::TestApp::local($crate::Database::postgres().await).await).await;
            })*
        }
    };
}

/// Makes each of these `async fn name(app: TestApp)` a test on SQLite, and one on PostgreSQL.
#[macro_export]
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::TestApp::start($crate::Database::sqlite()).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
            async fn $name() {
                super::$name($crate::TestApp::start($crate::Database::postgres().await).await).await;
            })*
        }
    };
}

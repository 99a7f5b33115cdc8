//! The same where people sign in with an address too, and mail goes out: the owner has a password, and came from a provider.

use std::sync::Arc;

use jiff::SignedDuration;
use retinue_app::Auth;
use retinue_app::local::Registration;
use retinue_testkit::{Database, FakeClock, Person, TestApp, mailer, on_both_databases};

use super::actor::Cast;

on_both_databases! {
    nobody_gets_at_what_belongs_to_somebody_else_where_addresses_count,
}

async fn nobody_gets_at_what_belongs_to_somebody_else_where_addresses_count(database: Database) {
    // The provider is not asked about sessions meanwhile: who is there changes all the time.
    let never = |auth: &mut Auth| {
        auth.providers[0].refresh_every = SignedDuration::from_hours(10_000);
        // Nothing listens there: that a mail would go out is enough.
        let mailer = mailer(&auth.public_url, 1, Arc::new(FakeClock::default()));
        let local = auth.local.as_mut().unwrap();
        (local.registration, local.mail) = (Registration::Invite, Some(mailer));
    };
    let (app, provider) = TestApp::with_both_ways_and(database, never).await;
    let cast = Cast::assemble(&app, &provider).await;
    let administration = app.administration().await;
    let owner = administration.find(&Person::signed_in(&app, &provider, "ada").await.id().await).await.unwrap();
    administration.set_password(&owner, app.hash("correct horse battery").await).await.unwrap();
    super::compare(&app, &provider, cast.in_no_hurry(&app), "isolation/matrix-both-ways.txt").await;
}

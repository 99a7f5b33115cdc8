//! A stream that is dropped closes its connection.

use std::sync::Arc;

use futures_util::StreamExt;
use retinue_agent::{Step, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::fake::{Fake, STREAM_HEAD, client, event, request};

/// A server that says `opening`, and notifies when the other side has closed.
async fn watching(opening: String) -> (Fake, Arc<Notify>, Arc<Notify>) {
    let (asked, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (on_asked, on_closed) = (Arc::clone(&asked), Arc::clone(&closed));
    let fake = Fake::script(move |_, mut socket| {
        let (opening, asked, closed) = (opening.clone(), Arc::clone(&on_asked), Arc::clone(&on_closed));
        async move {
            socket.write_all(opening.as_bytes()).await.unwrap();
            asked.notify_one();
            // Nothing more is ever sent to us: what can be read is the end.
            assert!(matches!(socket.read(&mut [0; 16]).await, Ok(0) | Err(_)));
            closed.notify_one();
        }
    })
    .await;
    (fake, asked, closed)
}

#[tokio::test]
async fn a_stream_that_has_begun_is_closed() {
    let (fake, _, closed) = watching(format!("{STREAM_HEAD}{}", event("Once"))).await;
    let client = client();
    let mut steps = Box::pin(run(&client, request(&fake.base_url())));
    assert_eq!(steps.next().await, Some(Ok(Step::Delta("Once".to_owned()))));
    drop(steps);
    closed.notified().await;
}

#[tokio::test]
async fn a_stream_that_waits_for_its_head_is_closed() {
    let (fake, asked, closed) = watching(String::new()).await;
    let client = client();
    let mut steps = Box::pin(run(&client, request(&fake.base_url())));
    tokio::select! {
        _ = steps.next() => unreachable!("the server says nothing"),
        () = asked.notified() => {}
    }
    drop(steps);
    closed.notified().await;
}

#[tokio::test]
async fn a_run_that_fails_closes_before_its_failure_is_read() {
    let (fake, _, closed) = watching(format!("{STREAM_HEAD}{}data: what?\n\n", event("Once"))).await;
    let client = client();
    let mut steps = Box::pin(run(&client, request(&fake.base_url())));
    assert!(steps.next().await.unwrap().is_ok());
    assert_eq!(steps.next().await.unwrap().unwrap_err().code, "model_protocol");
    closed.notified().await;
    drop(steps);
}

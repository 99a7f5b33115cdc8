//! The time to the first token.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;

use crate::Outcome;
use crate::http::{self, Connection};
use crate::tokens::Tokens;

/// How the model answers: briefly, and with a first token that is worth waiting for.
const MANNER: &str = "rate=500 tokens=5 delay=20";

/// Asks the model's server and Retinue in turns and prints the medians.
pub(crate) async fn measure(retinue: &str, model: &str, samples: usize) -> Outcome<()> {
    let threads = http::conversations(retinue, samples).await?;
    let (mut starts, mut events, mut direct) =
        (Connection::open(retinue).await?, Connection::open(retinue).await?, Connection::open(model).await?);
    let (mut of_model, mut of_retinue, mut of_start) = (Vec::new(), Vec::new(), Vec::new());
    for thread in &threads {
        let begin = Instant::now();
        let question =
            format!(r#"{{"model":"bench","stream":true,"messages":[{{"role":"user","content":"{MANNER}"}}]}}"#);
        direct.send("POST", "/v1/chat/completions", &question).await?;
        of_model.push(first_token(&mut direct, begin).await?);

        let begin = Instant::now();
        starts.send("POST", &format!("/api/threads/{thread}/runs"), &format!(r#"{{"input":"{MANNER}"}}"#)).await?;
        let run = starts.body().await?;
        of_start.push(begin.elapsed());
        let id = http::member(&run, "id").ok_or("a run without id")?;
        events.send("GET", &format!("/api/runs/{id}/events"), "").await?;
        of_retinue.push(first_token(&mut events, begin).await?);
    }
    println!(
        r#"{{"model_ms":{},"retinue_ms":{},"start_ms":{},"samples":{samples}}}"#,
        median(of_model),
        median(of_retinue),
        median(of_start)
    );
    Ok(())
}

/// Reads an answer to its end and tells when its first token was there.
async fn first_token(connection: &mut Connection, begin: Instant) -> Outcome<Duration> {
    connection.head().await?;
    let mut tokens = Tokens::new();
    let mut first = None;
    let mut bytes = connection.take_received();
    loop {
        if tokens.read(&bytes).tokens > 0 {
            first.get_or_insert_with(|| begin.elapsed());
        }
        if bytes.ends_with(b"0\r\n\r\n") {
            break;
        }
        bytes.clear();
        if connection.stream.read_buf(&mut bytes).await? == 0 {
            return Err("a stream broke off".into());
        }
    }
    match tokens.wrong {
        Some(wrong) => Err(wrong.into()),
        None => first.ok_or_else(|| "a stream without a token".into()),
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

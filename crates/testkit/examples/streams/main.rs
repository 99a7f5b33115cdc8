//! A client for measurements: starts runs and follows their events over raw sockets, on one core, and checks that every
//! stream brings every token, in order, exactly once.
//!
//! `streams first RETINUE MODEL SAMPLES` measures the time to the first token, at the model's server and through Retinue
//! in turns. `streams follow RETINUE STREAMS RATE TOKENS HOLD` holds many streams at once for HOLD seconds. The addresses are
//! `127.0.0.1:8080`; there must be as many conversations as runs are started. The model's server is the example `model`.
//! What is printed is JSON, one object a line.
#![expect(clippy::print_stdout, reason = "this is its result")]

use std::error::Error;

mod first;
mod follow;
mod http;
#[path = "../common/stamp.rs"]
mod stamp;
mod tokens;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["first", retinue, model, samples] => first::measure(retinue, model, samples.parse()?).await,
        ["follow", retinue, streams, rate, tokens, hold] => {
            let load = follow::Load {
                address: (*retinue).to_owned(),
                streams: streams.parse()?,
                rate: rate.parse()?,
                tokens: tokens.parse()?,
                hold: std::time::Duration::from_secs(hold.parse()?),
            };
            tokio::task::LocalSet::new().run_until(follow::measure(load)).await
        }
        _ => Err("usage: streams first RETINUE MODEL SAMPLES | streams follow RETINUE STREAMS RATE TOKENS HOLD".into()),
    }
}

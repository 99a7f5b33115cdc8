//! What a token and an idle stream cost. Not checks but measurements: `cargo test --release -p retinue-agent -- --ignored load`.

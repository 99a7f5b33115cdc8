//! Logs and metrics.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use retinue_app::App;
use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Log, LogFormat};

/// How long the exporter's histograms wait before they are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// Upper bounds of request times, in seconds.
const SECONDS: [f64; 10] = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Whether what is printed is read by a person.
pub(crate) fn is_for_people(log: &Log) -> bool {
    match log.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    }
}

/// Begins to log to standard error.
pub(crate) fn start_logs(log: &Log) -> Result<(), ConfigError> {
    // The driver repeats every notice of the server; whoever wants them names it.
    let quiet = if log.filter.contains("tokio_postgres") { "" } else { ",tokio_postgres=warn" };
    let filter = EnvFilter::try_new(format!("{}{quiet}", log.filter)).map_err(|error| {
        ConfigError::new("log.filter", format!("is not understood: {error}. Use a level such as info."))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if is_for_people(log) {
        builder.with_ansi(io::stderr().is_terminal()).with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    started.map_err(|error| ConfigError::new("log", error.to_string()))
}

const STATEMENTS: &str = "retinue_database_statements_total";

/// What was counted, as it is read; the store counts its statements itself.
pub(crate) fn render(metrics: &PrometheusHandle, app: &App) -> String {
    metrics::counter!(STATEMENTS).absolute(app.statements_run());
    metrics.render()
}

/// Begins to count.
pub(crate) fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    metrics::describe_histogram!("retinue_http_request_seconds", "How long requests took, by route and status");
    metrics::describe_gauge!("retinue_runs_active", "Runs that are queued or under way");
    metrics::describe_counter!("retinue_runs_total", "Runs that ended, by status");
    metrics::describe_counter!(STATEMENTS, "Statements that the database was asked to run");
    let upkeep = recorder.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(recorder)
}

//! `retinue serve`: start, serve, stop.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use retinue_app::password::kept;
use retinue_app::{App, agent, group_rule, provider, retention, run, session_watch, set_up, setting, sign_in};
use retinue_store::{Location, Store, migrate};
use retinue_web::Hosts;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::config::{Config, Environment, MetricsListen};
use crate::layers::Layers;
use crate::listen::Bounds;
use crate::{greeting, key, listen, show, telemetry, wiring};

/// How long connections may take to end after the last run did.
const LINGER: Duration = Duration::from_secs(3);
/// Connections to where metrics are served.
const METRICS_CONNECTIONS: usize = 64;

/// It was told a second time to stop, and left what it was doing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoppedAtOnce;

impl fmt::Display for StoppedAtOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopped at once, by a second signal.")
    }
}

impl std::error::Error for StoppedAtOnce {}

/// Runs the server until it is told to stop.
pub(crate) async fn run(config: Config, environment: &Environment, layers: &Layers) -> anyhow::Result<()> {
    let metrics = telemetry::start_metrics()?;
    // First what can be wrong without touching any data.
    let listener = listen::bind(config.server.listen.0, "server.listen")?;
    let address = listener.local_addr()?;
    let metrics_listener = match config.metrics.listen {
        MetricsListen::Off => None,
        MetricsListen::At(address) => Some(listen::bind(address, "metrics.listen")?),
    };
    wiring::make_data_folder(&config)?;
    let location = wiring::location(&config);
    let store = Store::open(&location).await?;
    let app = start(&config, environment, store.clone(), address).await?;
    setting::declare(&app, show::settings(layers)).await?;
    if let Some(listener) = metrics_listener {
        let counted = app.clone();
        tokio::spawn(listen::serve(
            listener,
            // Who reads metrics comes to any address of the machine; a name can be made to lead here, an address can't.
            retinue_web::metrics_router(&app, settings(&config, true), move || telemetry::render(&metrics, &counted)),
            Bounds::new(METRICS_CONNECTIONS),
            std::future::pending(),
        ));
    }
    let set_up_link = set_up::offer(&app).await?;
    // Whoever reads that it is ready may tell it to stop.
    let signals = Signals::listen()?;
    greet(&config, &app, address, &location);
    if let Some(link) = set_up_link {
        // On the console alone, also where logs are kept elsewhere.
        say(&greeting::set_up(&link));
    }
    tokio::spawn(provider::keep_asking(app.clone()));
    tokio::spawn(retention::keep(app.clone()));
    if !config.auth.is_single_user() {
        tokio::spawn(session_watch::keep_watch(app.clone()));
        tokio::spawn(group_rule::keep(app.clone()));
        tokio::spawn(key::keep_watch(config.clone(), app.clone()));
        tokio::spawn(sign_in::prepare(app.clone()));
    }
    tokio::select! {
        served = serve(&config, app, listener, signals) => served,
        // At once: what could still be written is not this process's to write any more.
        error = store.lost() => Err(error.into()),
    }
}

async fn start(config: &Config, environment: &Environment, store: Store, address: SocketAddr) -> anyhow::Result<App> {
    for version in migrate::up(&store).await? {
        tracing::info!(version, "the database was migrated");
    }
    let app = wiring::app(config, environment, store, address)?;
    agent::declare(&app).await?;
    group_rule::prepare(&app).await?;
    kept::learn(&app).await;
    let interrupted = run::recover(&app).await?;
    if interrupted > 0 {
        tracing::warn!(
            runs = interrupted,
            "answers that were under way when the server stopped are marked as interrupted"
        );
    }
    Ok(app)
}

async fn serve(config: &Config, app: App, listener: TcpListener, mut signals: Signals) -> anyhow::Result<()> {
    let any_address = config.auth.is_single_user() && config.auth.single_user.allow_remote;
    let router = retinue_web::router(app.clone(), settings(config, any_address));
    let server = tokio::spawn(listen::serve(listener, router, Bounds::new(config.server.max_connections), {
        let app = app.clone();
        async move { app.stopped().await }
    }));
    signals.next().await;
    tracing::info!("stopping: answers under way may finish");
    tokio::select! {
        stopped = stop(&app, server) => stopped,
        () = signals.next() => {
            tracing::warn!("stopping at once");
            Err(StoppedAtOnce.into())
        }
    }
}

/// What the doors need to know; with `any_address`, they answer under every address of the machine.
fn settings(config: &Config, any_address: bool) -> retinue_web::Settings {
    retinue_web::Settings {
        hosts: Hosts::new(config.host_names(), any_address),
        trusted_proxies: config.trusted_proxies(),
        signs_in: !config.auth.is_single_user(),
        max_body_bytes: config.server.max_body_bytes,
        advice: wiring::advice(config),
    }
}

/// Ends what is under way, gently, and leaves the database as it should be found.
async fn stop(app: &App, mut server: JoinHandle<()>) -> anyhow::Result<()> {
    app.shut_down().await;
    if tokio::time::timeout(LINGER, &mut server).await.is_err() {
        tracing::info!("connections that did not end were closed");
    }
    app.settle().await?;
    Ok(())
}

/// What tells the program to stop. None is missed from the first to the last.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Says that the server is there; and, when they were looked for, which models it found.
fn greet(config: &Config, app: &App, address: SocketAddr, location: &Location) {
    let url = config.public_url(address);
    let for_people = telemetry::is_for_people(&config.log);
    if for_people {
        say(&greeting::opening(config, &url, location.engine()));
    } else {
        tracing::info!(%address, url, mode = app.auth().mode.as_str(), database = location.engine(), "ready");
    }
    if let Some(warning) = config.warning() {
        tracing::warn!("{warning}");
    }
    let (app, config) = (app.clone(), config.clone());
    tokio::spawn(async move {
        provider::heard_from_all(&app).await;
        if for_people {
            say(&greeting::models(&app, &config));
        } else {
            let models: Vec<_> =
                provider::list(&app.local_context("start".into())).into_iter().map(|model| model.name).collect();
            tracing::info!(models = models.join(", "), "models");
        }
    });
}

#[expect(clippy::print_stdout, reason = "this is what the program says to the person who started it")]
fn say(text: &str) {
    print!("{text}");
}

//! Puts the program together from its configuration.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use retinue_agent::{Backend, Client, Endpoint, Limits, Timeouts};
use retinue_app::agent::default_assistant;
use retinue_app::key::KeyRing;
use retinue_app::provider::{Catalog, Entry, Source};
use retinue_app::{App, Clock as _, Parts, Settings};
use retinue_model::agent::Declared;
use retinue_model::error::Kind;
use retinue_model::offboarding::Policy;
use retinue_model::provider::{Model, Origin};
use retinue_model::{Error, Result};
use retinue_store::{Location, Store};
use secrecy::SecretString;

use crate::config::{Config, DeclaredModel, Environment};
use crate::declared_agent::DeclaredAgent;
use crate::key;
use crate::system::{SystemClock, SystemRng};

const OPENAI: &str = "https://api.openai.com/v1";
const OLLAMA: &str = "http://127.0.0.1:11434/v1";
const DEFAULT_CONTEXT_TOKENS: u32 = 32_768;

/// Where the data is.
pub(crate) fn location(config: &Config) -> Location {
    match config.database.url.expose() {
        "" => Location::Sqlite(config.data.dir.join("retinue.db")),
        url => Location::Postgres {
            url: url.to_owned(),
            connections: config.database.connections,
            statement_limit: Duration::from_secs(config.database.statement_seconds),
        },
    }
}

/// Makes the folder for the data, if data is kept in one and there is none.
pub(crate) fn make_data_folder(config: &Config) -> Result<()> {
    // The instance's keys are there too.
    if !config.database.url.expose().is_empty() && config.auth.is_single_user() {
        return Ok(());
    }
    let dir = &config.data.dir;
    make_private_folder(dir).map_err(|error| {
        Error::new(
            Kind::StorageFull,
            "data_dir_not_writable",
            format!(
                "The data directory {} can't be made: {error}. Choose another with RETINUE_DATA_DIR.",
                dir.display()
            ),
        )
        .because(error)
    })
}

#[cfg(unix)]
fn make_private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)
}

/// The program over an open database, listening at `address`.
pub(crate) fn app(config: &Config, environment: &Environment, store: Store, address: SocketAddr) -> Result<App> {
    let mut auth = config
        .auth
        .build(config, address)
        .map_err(|error| Error::invalid("invalid_configuration", error.to_string()))?;
    auth.local = config.local(&auth.public_url)?;
    // Where nobody signs in, nothing is signed.
    let keys = if auth.is_single_user() {
        KeyRing::generate(&SystemRng::new(), SystemClock.now())?
    } else {
        key::open(config)?
    };
    Ok(App::new(Parts {
        auth,
        keys,
        store,
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng::new()),
        client: Client::new(Timeouts::default())?,
        catalog: catalog(config, environment)?,
        settings: Settings {
            max_concurrent_runs: config.runs.max_concurrent,
            run: Limits {
                max_output_bytes: config.runs.max_output_bytes,
                max_duration: Duration::from_secs(config.runs.max_seconds),
                retries: config.runs.retries,
            },
            budgets: config.budgets().map_err(|error| Error::invalid("invalid_configuration", error.to_string()))?,
            offboarding: Policy { threads: config.offboarding.threads, agents: config.offboarding.agents },
            audit_lasts: config.audit_lasts(),
            shutdown_grace: Duration::from_secs(config.server.shutdown_seconds),
        },
    }))
}

pub(crate) fn catalog(config: &Config, environment: &Environment) -> Result<Catalog> {
    let declared = config.models.iter().map(|model| declared(model, environment)).collect::<Result<_>>()?;
    let default_model = Some(config.providers.default_model.clone()).filter(|name| !name.is_empty());
    Ok(Catalog::new(agents(config)?, declared, sources(config)?, Some(echo(config)), default_model))
}

/// Whether there may be a model of this name: one that is declared, or that a server lists.
pub(crate) fn check_model(config: &Config, environment: &Environment, name: &str) -> Result<()> {
    let is_listed_elsewhere = !sources(config)?.is_empty();
    if is_listed_elsewhere || name == "echo" || catalog(config, environment)?.is_declared(name) {
        return Ok(());
    }
    Err(Error::invalid(
        "model_unknown",
        format!("There is no model “{name}”: add it as [[models]] to the configuration, or set OPENAI_BASE_URL."),
    ))
}

fn agents(config: &Config) -> Result<Vec<Declared>> {
    if config.agents.is_empty() {
        return Ok(vec![default_assistant()]);
    }
    config.agents.iter().map(DeclaredAgent::check).collect()
}

fn declared(model: &DeclaredModel, environment: &Environment) -> Result<Entry> {
    let key = model.api_key_env.as_ref().and_then(|variable| environment.get(variable)).cloned();
    Ok(Entry {
        model: Model {
            name: model.name.clone(),
            upstream_name: model.model.clone().unwrap_or_else(|| model.name.clone()),
            origin: Origin::Configuration,
            context_tokens: model.context_tokens.unwrap_or(DEFAULT_CONTEXT_TOKENS),
        },
        backend: Backend::OpenAi(Endpoint::new(&model.base_url, key.map(SecretString::from))?),
        address: model.base_url.clone(),
        max_output_tokens: model.max_output_tokens,
    })
}

fn sources(config: &Config) -> Result<Vec<Source>> {
    let providers = &config.providers;
    let (url, key) = (&providers.openai_base_url, providers.openai_api_key.expose());
    let mut sources = Vec::new();
    if !url.is_empty() || !key.is_empty() {
        let address = if url.is_empty() { OPENAI } else { url };
        let key = Some(key).filter(|key| !key.is_empty()).map(SecretString::from);
        sources.push(Source {
            origin: Origin::OpenaiBaseUrl,
            endpoint: Endpoint::new(address, key)?,
            address: address.to_owned(),
            expected: true,
            default_context_tokens: providers.openai_context_tokens,
        });
    }
    if providers.ollama {
        sources.push(Source {
            origin: Origin::Ollama,
            endpoint: Endpoint::new(OLLAMA, None)?,
            address: OLLAMA.to_owned(),
            expected: false,
            default_context_tokens: providers.ollama_context_tokens,
        });
    }
    Ok(sources)
}

fn echo(config: &Config) -> Entry {
    let model = Model {
        name: "echo".to_owned(),
        upstream_name: "echo".to_owned(),
        origin: Origin::BuiltIn,
        context_tokens: DEFAULT_CONTEXT_TOKENS,
    };
    let lines: Vec<String> = advice(config).iter().map(|line| format!("- {line}")).collect();
    Entry {
        model,
        backend: Backend::Echo { advice: lines.join("\n") },
        address: "built in".to_owned(),
        max_output_tokens: None,
    }
}

/// What to set next, one sentence a line, with code in backticks.
pub(crate) fn advice(config: &Config) -> Vec<String> {
    let has_model = !config.models.is_empty()
        || !config.providers.openai_base_url.is_empty()
        || !config.providers.openai_api_key.expose().is_empty();
    if has_model {
        return Vec::new();
    }
    let mut lines = vec![
        "For OpenAI, set `OPENAI_API_KEY` and start Retinue again.".to_owned(),
        "For any other server that speaks OpenAI’s API (vLLM, llama.cpp, LM Studio …), set `OPENAI_BASE_URL`, for example \
         `http://127.0.0.1:8000/v1`, and `OPENAI_API_KEY` if it wants a key."
            .to_owned(),
    ];
    if config.providers.ollama {
        lines.push(
            "An Ollama on this machine is found by itself: `ollama pull llama3.2`, then `ollama serve`.".to_owned(),
        );
    }
    lines.push("For several models, add `[[models]]` to `retinue.toml`.".to_owned());
    lines
}

//! The configuration in types. `config.default.toml` says what each key means.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::declared_agent::{self, DeclaredAgent};
use retinue_model::offboarding::Fate;
use retinue_web::TrustedProxies;
use serde::Deserialize;

pub use crate::auth::Auth;
pub use crate::environment::Environment;
pub use crate::layers::Layers;
pub use crate::local::{Local, Mail};

/// What is wrong with a key, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, the variable or the file.
    pub key: String,
    /// What is wrong.
    pub reason: String,
}

impl ConfigError {
    pub(crate) fn new(key: &str, reason: impl Into<String>) -> Self {
        Self { key: key.to_owned(), reason: reason.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

impl std::error::Error for ConfigError {}

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key, and a test holds the two together")]
pub struct Config {
    pub server: Server,
    pub data: Data,
    pub database: Database,
    pub auth: Auth,
    pub remote_api: RemoteApi,
    pub runs: Runs,
    pub budgets: Budgets,
    pub offboarding: Offboarding,
    pub audit: Audit,
    pub providers: Providers,
    pub log: Log,
    pub metrics: Metrics,
    pub mail: Mail,
    #[serde(default)]
    pub models: Vec<DeclaredModel>,
    #[serde(default)]
    pub agents: Vec<DeclaredAgent>,
}

macro_rules! sections {
    ($($name:ident { $($key:ident: $type:ty,)* })*) => {$(
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "config.default.toml documents every key, and a test holds the two together")]
        pub struct $name {
            $(pub $key: $type,)*
        }
    )*};
}

sections! {
    Server {
        listen: Listen,
        public_url: String,
        allowed_hosts: Vec<String>,
        max_body_bytes: usize,
        trusted_proxies: Vec<String>,
        max_connections: usize,
        shutdown_seconds: u64,
    }
    Data { dir: PathBuf, }
    Database { url: Secret, connections: usize, statement_seconds: u64, }
    RemoteApi { auth: RemoteAuth, }
    RemoteAuth { api_key: ApiKeys, }
    ApiKeys { enabled: bool, }
    Runs { max_concurrent: usize, max_output_bytes: usize, max_seconds: u64, retries: u32, }
    Offboarding { threads: Fate, agents: Fate, }
    Budgets { user_tokens_per_month: i64, team_tokens_per_month: i64, answer_tokens: u32, }
    Audit { retention_days: u32, }
    Providers {
        default_model: String,
        openai_base_url: String,
        openai_api_key: Secret,
        openai_context_tokens: u32,
        ollama: bool,
        ollama_context_tokens: u32,
    }
    Log { filter: String, format: LogFormat, }
    Metrics { listen: MetricsListen, }
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen(pub SocketAddr);

impl TryFrom<String> for Listen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let address = text.strip_prefix("localhost:").map_or_else(|| text.clone(), |port| format!("127.0.0.1:{port}"));
        address.parse().map(Self).map_err(|_| "must be an address with a port, such as 127.0.0.1:8080")
    }
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Where metrics are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum MetricsListen {
    /// Nowhere.
    Off,
    /// There.
    At(SocketAddr),
}

impl TryFrom<String> for MetricsListen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse()
            .map(Self::At)
            .map_err(|_| "must be an address with a port, such as 127.0.0.1:9464, or off".to_owned())
    }
}

/// Text that `Debug` hides.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "\"…\"" })
    }
}

/// One `[[models]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct DeclaredModel {
    pub name: String,
    pub base_url: String,
    pub model: Option<String>,
    pub api_key_env: Option<String>,
    pub context_tokens: Option<u32>,
    pub max_output_tokens: Option<u32>,
}

impl Config {
    /// What the types can't say.
    pub(crate) fn check(&self, environment: &Environment) -> Result<(), ConfigError> {
        self.check_listen()?;
        TrustedProxies::new(self.server.trusted_proxies.iter().map(String::as_str))
            .map_err(|error| ConfigError::new("server.trusted_proxies", error))?;
        self.auth.check(self)?;
        self.check_bounds()?;
        self.budgets()?;
        self.check_audit()?;
        self.check_database()?;
        self.check_log()?;
        self.check_providers()?;
        self.check_models(environment)?;
        declared_agent::check_all(&self.agents)
    }

    fn check_listen(&self) -> Result<(), ConfigError> {
        let ip = self.server.listen.0.ip();
        let is_open = !self.auth.is_single_user() || self.auth.single_user.allow_remote;
        if !ip.is_loopback() && !is_open {
            return Err(ConfigError::new(
                "server.listen",
                format!(
                    "{ip} can be reached from other machines, and in single-user mode everybody who reaches the server reads and writes everything. Use 127.0.0.1, or set auth.single_user.allow_remote = true if that is what you want."
                ),
            ));
        }
        if let MetricsListen::At(address) = self.metrics.listen
            && !address.ip().is_loopback()
            && !is_open
        {
            return Err(ConfigError::new(
                "metrics.listen",
                "can be reached from other machines. Use 127.0.0.1, or set auth.single_user.allow_remote = true.",
            ));
        }
        let url = &self.server.public_url;
        if !url.is_empty() && public_host(url).is_none() {
            return Err(ConfigError::new(
                "server.public_url",
                "must be an address such as https://agents.example.com, without a path.",
            ));
        }
        if let Some(host) = self.server.allowed_hosts.iter().find(|host| {
            host.is_empty() || host.contains(['/', '*', ' ']) || !host.starts_with('[') && host.contains(':')
        }) {
            return Err(ConfigError::new(
                "server.allowed_hosts",
                format!(
                    "“{host}” is not a host name. Give names such as agents.example.com, without scheme, port, path or wildcard."
                ),
            ));
        }
        Ok(())
    }

    /// Whose word is taken for where a request comes from; those that are none were refused.
    #[must_use]
    pub fn trusted_proxies(&self) -> TrustedProxies {
        TrustedProxies::new(self.server.trusted_proxies.iter().map(String::as_str)).unwrap_or_default()
    }

    fn check_bounds(&self) -> Result<(), ConfigError> {
        let least: &[(&str, u64, u64)] = &[
            ("server.max_body_bytes", self.server.max_body_bytes as u64, 1024),
            ("server.max_connections", self.server.max_connections as u64, 1),
            ("database.connections", self.database.connections as u64, 2),
            ("database.statement_seconds", self.database.statement_seconds, 1),
            ("runs.max_concurrent", self.runs.max_concurrent as u64, 1),
            ("runs.max_output_bytes", self.runs.max_output_bytes as u64, 1024),
            ("runs.max_seconds", self.runs.max_seconds, 1),
            ("budgets.answer_tokens", self.budgets.answer_tokens.into(), 1),
            ("providers.openai_context_tokens", self.providers.openai_context_tokens.into(), 256),
            ("providers.ollama_context_tokens", self.providers.ollama_context_tokens.into(), 256),
        ];
        match least.iter().find(|(_, value, least)| value < least) {
            None => Ok(()),
            Some((key, value, least)) => {
                Err(ConfigError::new(key, format!("is {value}; it must be at least {least}.")))
            }
        }
    }

    fn check_database(&self) -> Result<(), ConfigError> {
        let seconds = self.database.statement_seconds;
        if seconds > 600 {
            return Err(ConfigError::new(
                "database.statement_seconds",
                format!("is {seconds}; it must be at most 600."),
            ));
        }
        crate::wiring::location(self).check().map_err(|error| ConfigError::new("database.url", error.detail()))
    }

    fn check_log(&self) -> Result<(), ConfigError> {
        let filter = tracing_subscriber::EnvFilter::try_new(&self.log.filter);
        filter.map(drop).map_err(|error| {
            ConfigError::new("log.filter", format!("is not understood: {error}. Use a level such as info."))
        })
    }

    fn check_providers(&self) -> Result<(), ConfigError> {
        check_base_url("providers.openai_base_url", &self.providers.openai_base_url)
    }

    fn check_models(&self, environment: &Environment) -> Result<(), ConfigError> {
        let mut names = HashSet::new();
        for (index, model) in self.models.iter().enumerate() {
            let at = |field: &str| format!("models[{index}].{field}");
            if model.name.trim().is_empty() || !names.insert(&model.name) {
                return Err(ConfigError::new(&at("name"), "must not be empty, and no two models may have the same."));
            }
            if let Some(variable) =
                model.api_key_env.as_ref().filter(|variable| environment.get(*variable).is_none_or(String::is_empty))
            {
                return Err(ConfigError::new(
                    &at("api_key_env"),
                    format!("names the environment variable {variable}, which is not set."),
                ));
            }
            check_base_url(&at("base_url"), &model.base_url)?;
            if model.context_tokens.is_some_and(|tokens| tokens < 256) {
                return Err(ConfigError::new(&at("context_tokens"), "must be at least 256."));
            }
        }
        Ok(())
    }

    /// Host names that are answered besides this machine's own.
    #[must_use]
    pub fn host_names(&self) -> Vec<String> {
        let mut names = self.server.allowed_hosts.clone();
        names.extend(public_host(&self.server.public_url));
        let ip = self.server.listen.0.ip();
        if !ip.is_unspecified() {
            names.push(match ip {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            });
        }
        names
    }
}

fn check_base_url(key: &str, url: &str) -> Result<(), ConfigError> {
    if url.is_empty() {
        return Ok(());
    }
    retinue_agent::Endpoint::new(url, None).map(drop).map_err(|error| ConfigError::new(key, error.detail()))
}

/// The host of `https://host[:port]`.
pub(crate) fn public_host(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let is_plain = !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ']);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    is_plain.then(|| host.to_owned()).filter(|host| !host.is_empty())
}

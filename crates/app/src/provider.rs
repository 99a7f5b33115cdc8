//! Models and where they come from: declared, listed by a server, or built in.

use std::time::Duration;

use retinue_agent::{Backend, Client, Endpoint};
use retinue_model::agent::Declared;
use retinue_model::provider::{Model, Origin};
use retinue_model::run::Failure;
use retinue_model::{Error, Result};
use tokio::sync::watch;

use crate::{App, Context};

/// How long a server may take to list its models.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a server that did not answer is asked again.
const RETRY: Duration = Duration::from_secs(10);
/// How often a server that answered is asked again.
const REFRESH: Duration = Duration::from_mins(5);

/// A model with the way to it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What people see.
    pub model: Model,
    /// Where to ask.
    pub backend: Backend,
    /// The same, for people.
    pub address: String,
    /// How many tokens it may write at most; none leaves it to its server.
    pub max_output_tokens: Option<u32>,
}

/// A server that lists its models itself.
#[derive(Clone, Debug)]
pub struct Source {
    /// Why it is asked.
    pub origin: Origin,
    /// Where it is.
    pub endpoint: Endpoint,
    /// The same, for people.
    pub address: String,
    /// Whether somebody configured it: then its silence is a problem that people should see.
    pub expected: bool,
    /// The context of a model for which the server names none, in tokens.
    pub default_context_tokens: u32,
}

/// What a source answered last.
#[derive(Clone, Debug)]
pub struct SourceState {
    /// The source.
    pub source: Source,
    /// Nothing before it was first asked; then its models or why there are none.
    pub answer: Option<Result<Vec<Model>, Failure>>,
}

/// Models, and the agents of the configuration.
#[derive(Debug)]
pub struct Catalog {
    agents: Vec<Declared>,
    declared: Vec<Entry>,
    sources: watch::Sender<Vec<SourceState>>,
    echo: Option<Entry>,
    default_model: Option<String>,
}

impl Catalog {
    /// A catalog of what was declared; `sources` are asked by [`keep_asking`].
    #[must_use]
    pub fn new(
        agents: Vec<Declared>,
        declared: Vec<Entry>,
        sources: Vec<Source>,
        echo: Option<Entry>,
        default_model: Option<String>,
    ) -> Self {
        let sources = sources.into_iter().map(|source| SourceState { source, answer: None }).collect();
        Self { agents, declared, sources: watch::Sender::new(sources), echo, default_model }
    }

    /// The agents of the configuration.
    pub(crate) fn agents(&self) -> &[Declared] {
        &self.agents
    }

    fn states(&self) -> Vec<SourceState> {
        self.sources.borrow().clone()
    }

    /// Every model that can be asked now; the built-in one only when there is no other.
    fn entries(&self) -> Vec<Entry> {
        let mut entries = self.declared.clone();
        for state in self.states() {
            let Some(Ok(models)) = state.answer else { continue };
            for model in models {
                // What was declared first keeps the name.
                if entries.iter().all(|entry| entry.model.name != model.name) {
                    let backend = Backend::OpenAi(state.source.endpoint.clone());
                    let address = state.source.address.clone();
                    entries.push(Entry { model, backend, address, max_output_tokens: None });
                }
            }
        }
        // Where somebody configured a server, its silence is not filled by an echo.
        if entries.is_empty() && !self.states().iter().any(|state| state.source.expected) {
            entries.extend(self.echo.clone());
        }
        entries
    }

    /// Whether the configuration has a model of this name.
    #[must_use]
    pub fn is_declared(&self, name: &str) -> bool {
        self.declared.iter().any(|entry| entry.model.name == name)
    }

    /// The model of that name, or the default one.
    pub(crate) fn entry(&self, name: Option<&str>) -> Result<Entry> {
        let name = name.or(self.default_model.as_deref());
        let mut entries = self.entries();
        let found = match name {
            Some(name) => entries.iter().position(|entry| entry.model.name == name),
            // Somebody configured a server: its silence is not covered up by a model that happens to be found.
            None if self.declared.is_empty() && self.silence().is_some() => None,
            None => (!entries.is_empty()).then_some(0),
        };
        match found {
            Some(index) => Ok(entries.swap_remove(index)),
            None => Err(self.silence().unwrap_or_else(|| unknown(name))),
        }
    }

    /// Why a server that somebody configured has not listed its models, if one has not.
    fn silence(&self) -> Option<Error> {
        let silent = |state: &SourceState| state.source.expected && !matches!(state.answer, Some(Ok(_)));
        let state = self.states().into_iter().find(silent)?;
        Some(Error::unavailable(
            "model_unreachable",
            match state.answer {
                Some(Err(failure)) => {
                    format!("The models could not be listed. {} Retinue asks again every few seconds.", failure.message)
                }
                _ => "The models are still being listed. Try again in a few seconds.".to_owned(),
            },
        ))
    }
}

fn unknown(name: Option<&str>) -> Error {
    match name {
        Some(name) => Error::invalid(
            "model_unknown",
            format!("There is no model “{name}” now. Choose another one for this conversation."),
        ),
        None => Error::unavailable(
            "model_unknown",
            "There is no model. Set OPENAI_BASE_URL or add [[models]] to the configuration.",
        ),
    }
}

/// The models that can be chosen now.
#[must_use]
pub fn list(ctx: &Context) -> Vec<Model> {
    ctx.catalog.entries().into_iter().map(|entry| entry.model).collect()
}

/// The model that answers when none was chosen.
///
/// # Errors
/// Why there is none now.
pub fn default_model(ctx: &Context) -> Result<Model> {
    ctx.catalog.entry(None).map(|entry| entry.model)
}

/// Declared models with their addresses.
#[must_use]
pub fn declared(ctx: &Context) -> &[Entry] {
    &ctx.catalog.declared
}

/// The servers that list their models, with what they answered.
#[must_use]
pub fn sources(ctx: &Context) -> Vec<SourceState> {
    ctx.catalog.states()
}

/// Waits until every source has answered, or has not in time.
pub async fn heard_from_all(app: &App) {
    let mut sources = app.catalog.sources.subscribe();
    // The sender is part of the catalog and lives as long.
    drop(sources.wait_for(|states| states.iter().all(|state| state.answer.is_some())).await);
}

/// Asks every source for its models, again and again, until the program stops.
pub async fn keep_asking(app: App) {
    let sources = app.catalog.states().into_iter().enumerate();
    let loops = sources.map(|(index, state)| watch_one(&app, index, state.source));
    tokio::select! {
        _ = futures_util::future::join_all(loops) => {}
        () = app.stopping.cancelled() => {}
    }
}

async fn watch_one(app: &App, index: usize, source: Source) {
    loop {
        let answered = refresh_one(app, index, source.clone()).await;
        tokio::time::sleep(if answered { REFRESH } else { RETRY }).await;
    }
}

async fn refresh_one(app: &App, index: usize, source: Source) -> bool {
    let answer = ask(&app.client, &source).await;
    let answered = answer.is_ok();
    app.catalog.sources.send_modify(|sources| {
        // A server that is too busy to list its models still has them.
        if answered || !matches!(sources[index].answer, Some(Ok(_))) {
            sources[index].answer = Some(answer);
        }
    });
    answered
}

async fn ask(client: &Client, source: &Source) -> Result<Vec<Model>, Failure> {
    let listed =
        tokio::time::timeout(LIST_TIMEOUT, client.list_models(&source.endpoint)).await.unwrap_or_else(|_| {
            Err(Failure::new("model_timeout", "The server took more than 5 seconds to list its models."))
        })?;
    let models = listed.into_iter().filter(|listed| is_for_conversation(&listed.id)).map(|listed| Model {
        context_tokens: listed.context_tokens.unwrap_or(source.default_context_tokens),
        name: listed.id.clone(),
        upstream_name: listed.id,
        origin: source.origin,
    });
    Ok(models.collect())
}

/// OpenAI lists models of every kind and does not say which is which; these parts of a name do.
fn is_for_conversation(name: &str) -> bool {
    const OTHERS: [&str; 13] = [
        "embed",
        "whisper",
        "tts",
        "dall-e",
        "moderation",
        "-image",
        "sora",
        "realtime",
        "transcribe",
        "-audio",
        "babbage",
        "davinci",
        "rerank",
    ];
    let name = name.to_ascii_lowercase();
    !OTHERS.iter().any(|other| name.contains(other))
}

#[cfg(test)]
mod tests {
    use super::is_for_conversation;

    #[test]
    fn only_models_that_converse_are_offered() {
        for yes in ["gpt-5.2", "o4-mini", "llama3.2:3b", "qwen2.5-coder", "meta-llama/Llama-3.1-8B-Instruct"] {
            assert!(is_for_conversation(yes), "{yes}");
        }
        for no in ["text-embedding-3-large", "nomic-embed-text", "whisper-1", "gpt-image-1", "tts-1-hd", "dall-e-3"] {
            assert!(!is_for_conversation(no), "{no}");
        }
    }
}

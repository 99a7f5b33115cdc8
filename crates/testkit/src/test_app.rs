//! The whole program behind its real doors, on a port of its own.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use retinue_agent::{Backend, Endpoint, Limits, Timeouts};
use retinue_app::budget::Defaults;
use retinue_app::key::KeyRing;
use retinue_app::password::kept;
use retinue_app::provider::{Catalog, Entry};
use retinue_app::{App, Auth, Clock, Parts, Settings, agent, run, session_watch};
use retinue_model::Slug;
use retinue_model::agent::Declared;
use retinue_model::offboarding::Policy;
use retinue_model::provider::{Model, Origin};
use retinue_store::{Location, Store, migrate};
use retinue_web::{Hosts, TrustedProxies};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{CountingRng, Database, EventStream, FakeClock, ModelServer, Port, until};

/// How people are let in, at a public URL.
pub type MakeAuth = Arc<dyn Fn(&str) -> Auth + Send + Sync>;

/// What a test may want otherwise.
#[derive(Clone)]
pub struct Options {
    /// How many runs may be under way at once.
    pub max_concurrent_runs: usize,
    /// Bounds on each run.
    pub limits: Limits,
    /// Budgets of those who have none of their own.
    pub budgets: Defaults,
    /// What becomes of what is somebody's who leaves.
    pub offboarding: Policy,
    /// How long the audit trail is kept; without end if none.
    pub audit_lasts: Option<SignedDuration>,
    /// How many tokens the model takes.
    pub context_tokens: u32,
    /// How people are let in; nobody signs in if none.
    pub auth: Option<MakeAuth>,
    /// The clock; one of its own if none.
    pub clock: Option<Arc<FakeClock>>,
    /// Where it listens; at a free port if none.
    pub port: Option<Port>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_concurrent_runs: 100,
            limits: Limits::default(),
            budgets: Defaults::default(),
            offboarding: Policy::default(),
            audit_lasts: None,
            context_tokens: 32_768,
            auth: None,
            clock: None,
            port: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("signs_in", &self.auth.is_some()).finish_non_exhaustive()
    }
}

/// What stays the same over restarts, besides the database.
#[derive(Debug)]
struct Kept {
    /// With clock and port: nobody else gets that meanwhile.
    options: Options,
    rng: Arc<CountingRng>,
}

/// The program, a model server and a client.
#[derive(Debug)]
pub struct TestApp {
    /// What the model says.
    pub model: ModelServer,
    /// The program's clock.
    pub clock: Arc<FakeClock>,
    /// The program itself.
    pub app: App,
    /// Where it keeps everything.
    pub database: Database,
    address: SocketAddr,
    client: Client,
    /// What stays when it starts anew.
    kept: Kept,
    /// What the program runs on: ending it ends the program as a crash does.
    runtime: Option<Runtime>,
}

impl TestApp {
    /// Starts over an empty database.
    pub async fn start(database: Database) -> Self {
        Self::start_with(database, Options::default()).await
    }

    /// Starts with other options.
    pub async fn start_with(database: Database, mut options: Options) -> Self {
        options.clock.get_or_insert_default();
        options.port.get_or_insert_with(Port::take);
        Self::start_as(database, Kept { options, rng: Arc::default() }).await
    }

    async fn start_as(database: Database, kept: Kept) -> Self {
        let model = ModelServer::start().await;
        let clock = kept.options.clock.clone().unwrap_or_default();
        let port = kept.options.port.clone().unwrap_or_else(Port::take);
        let address = port.address();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let blueprint = Blueprint {
            location: database.location().clone(),
            clock: Arc::clone(&clock),
            rng: Arc::clone(&kept.rng),
            catalog: catalog(&model, kept.options.context_tokens),
            options: kept.options.clone(),
            port,
        };
        let app = runtime.spawn(blueprint.start()).await.unwrap();
        Self { model, clock, app, database, address, client: client(), kept, runtime: Some(runtime) }
    }

    /// The same as [`Self::restart`], with people let in in another way from then on.
    pub async fn restart_letting_in(mut self, auth: MakeAuth) -> Self {
        self.kept.options.auth = Some(auth);
        self.restart().await
    }

    /// Ends the program at once, without a farewell, and starts another one over the same database, at the same address.
    pub async fn restart(mut self) -> Self {
        let runtime = self.runtime.take().unwrap();
        let database = std::mem::replace(&mut self.database, Database::sqlite());
        let kept = Kept { options: self.kept.options.clone(), rng: Arc::clone(&self.kept.rng) };
        drop(self);
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(10))).await.unwrap();
        Self::start_as(database, kept).await
    }

    /// The keys that every program of a test starts with.
    #[must_use]
    pub fn keys(&self) -> KeyRing {
        KeyRing::generate(&CountingRng::default(), self.clock.now()).unwrap()
    }

    /// The keys of another instance.
    #[must_use]
    pub fn foreign_keys(&self) -> KeyRing {
        KeyRing::generate(&CountingRng::beginning_at(1_000_000), self.clock.now()).unwrap()
    }

    /// `http://127.0.0.1:…` followed by a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request to a path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// Asks and checks the status.
    pub async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.unwrap();
        body(response, StatusCode::OK).await
    }

    /// Sends JSON and checks the status.
    pub async fn send(&self, method: Method, path: &str, json: &Value, status: u16) -> Value {
        let response = self.request(method, path).json(json).send().await.unwrap();
        body(response, StatusCode::from_u16(status).unwrap()).await
    }

    /// Waits until it says that it is ready. Fails the test if that takes longer than 20 seconds.
    pub async fn ready(&self) {
        until("it is ready", Duration::from_secs(20), async || {
            let response = self.request(Method::GET, "/readyz").send().await.unwrap();
            (response.status() == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// A new conversation's id.
    pub async fn thread(&self) -> String {
        let thread = self.send(Method::POST, "/api/threads", &json!({}), 201).await;
        thread["id"].as_str().unwrap().to_owned()
    }

    /// Says something in a conversation; the run's id.
    pub async fn say(&self, thread: &str, input: &str) -> String {
        let path = format!("/api/threads/{thread}/runs");
        let run = self.send(Method::POST, &path, &json!({ "input": input }), 201).await;
        run["id"].as_str().unwrap().to_owned()
    }

    /// Follows a run, from after event `last` on.
    pub async fn follow(&self, run: &str, last: Option<i64>) -> EventStream {
        let mut request = self.request(Method::GET, &format!("/api/runs/{run}/events"));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        EventStream::new(response)
    }

    /// Waits until a run has ended; the run.
    pub async fn ended(&self, run: &str) -> Value {
        let events = self.follow(run, None).await.rest().await;
        assert!(!events.is_empty());
        self.get(&format!("/api/runs/{run}")).await
    }

    /// A conversation in which this was said and answered.
    pub async fn conversation(&self, input: &str, answer: &str) -> (String, String) {
        let thread = self.thread().await;
        let run = self.say(&thread, input).await;
        self.model.next().await.answer(answer).await;
        self.ended(&run).await;
        (thread, run)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The program, before it starts.
struct Blueprint {
    location: Location,
    clock: Arc<FakeClock>,
    rng: Arc<CountingRng>,
    catalog: Catalog,
    options: Options,
    port: Port,
}

impl Blueprint {
    async fn start(self) -> App {
        let Self { location, clock, rng, catalog, options, port } = self;
        let store = Store::open(&location).await.unwrap();
        migrate::up(&store).await.unwrap();
        let (listener, url) = (port.listener(), port.url(""));
        let auth = options.auth.map_or_else(|| Auth::single_user(url.clone()), |make| make(&url));
        let signs_in = !auth.is_single_user();
        let app = App::new(Parts {
            store,
            // The same in each start of a test.
            keys: KeyRing::generate(&CountingRng::default(), clock.now()).unwrap(),
            auth,
            clock,
            rng,
            client: retinue_agent::Client::new(Timeouts::default()).unwrap(),
            catalog,
            settings: Settings {
                max_concurrent_runs: options.max_concurrent_runs,
                run: options.limits,
                budgets: options.budgets,
                offboarding: options.offboarding,
                audit_lasts: options.audit_lasts,
                shutdown_grace: Duration::from_millis(200),
            },
        });
        kept::learn(&app).await;
        agent::declare(&app).await.unwrap();
        run::recover(&app).await.unwrap();
        tokio::spawn(session_watch::keep_watch(app.clone()));
        let settings = retinue_web::Settings {
            hosts: Hosts::new([], false),
            trusted_proxies: TrustedProxies::new(["127.0.0.1"]).unwrap(),
            signs_in,
            max_body_bytes: 1 << 20,
            advice: vec!["Set `OPENAI_BASE_URL`.".to_owned()],
        };
        let router = retinue_web::router(app.clone(), settings).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, router).await });
        app
    }
}

fn catalog(model: &ModelServer, context_tokens: u32) -> Catalog {
    let entry = |name: &str| Entry {
        model: Model {
            name: name.to_owned(),
            upstream_name: name.to_owned(),
            origin: Origin::Configuration,
            context_tokens,
        },
        backend: Backend::OpenAi(Endpoint::new(&model.base_url(), None).unwrap()),
        address: model.base_url(),
        max_output_tokens: None,
    };
    let second = Declared {
        slug: Slug::new("second").unwrap(),
        name: "Second".to_owned(),
        instructions: "You are the second one.".to_owned(),
        ..agent::default_assistant()
    };
    let agents = vec![agent::default_assistant(), second];
    Catalog::new(agents, vec![entry("test-model"), entry("other-model")], Vec::new(), None, None)
}

fn client() -> Client {
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

async fn body(response: Response, status: StatusCode) -> Value {
    let found = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(found, status, "{text}");
    if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
}

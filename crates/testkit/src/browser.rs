//! A real browser that a test looks into and acts in as a person would.

mod driver;
mod keyboard;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::common::capabilities::desiredcapabilities::Capabilities;
use thirtyfour::{WebDriver, WindowHandle};

use driver::Driver;
pub use keyboard::Key;

const CHROMIUM: &str = "RETINUE_TEST_CHROMIUM";
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at the page while a test waits for something to show.
const GLANCE: Duration = Duration::from_millis(20);
/// Where to click the first of some elements; null while it is nowhere or something lies over it.
const SPOT: &str = "(() => {
    const [found] = FOUND;
    const spot = () => {
        const { left, top, width, height } = found.getBoundingClientRect();
        const [x, y] = [left + width / 2, top + height / 2];
        return found.contains(document.elementFromPoint(x, y)) ? { x, y } : null;
    };
    if (!found || spot()) return found && spot();
    found.scrollIntoView({ block: 'center', behavior: 'instant' });
    return spot();
})()";
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // A mouse, which can hover and point exactly: a browser without a window has none.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
];

/// Which colours the person's system asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    /// `light` or `dark`, as in `prefers-color-scheme`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A Chromium with a profile of its own, on one page. It ends with this value.
#[derive(Debug)]
pub struct Browser {
    session: WebDriver,
    origin: String,
    _driver: Driver,
    _profile: TempDir,
}

impl Browser {
    /// Starts it for the pages of `origin`, such as `http://127.0.0.1:8080`.
    pub async fn start(origin: &str) -> Self {
        let chromium = std::env::var(CHROMIUM).expect("RETINUE_TEST_CHROMIUM is set by `cargo xtask test`");
        let profile = tempfile::tempdir().unwrap();
        let driver = Driver::start();
        let session = WebDriver::builder(driver.url(), capabilities(&chromium, profile.path()))
            .request_timeout(Duration::from_mins(1))
            .await
            .unwrap();
        // Ending the driver ends the session, in a test that fails too.
        session.clone().leak().unwrap();
        let browser = Self { session, origin: origin.to_owned(), _driver: driver, _profile: profile };
        browser.view(1280, Scheme::Light).await;
        browser
    }

    /// Sets the width of the page in CSS pixels, and the colours that are asked for.
    pub async fn view(&self, width: u32, scheme: Scheme) {
        let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", metrics).await;
        let colours = json!({"name": "prefers-color-scheme", "value": scheme.name()});
        // A picture of something that moves is another one each time.
        let stillness = json!({"name": "prefers-reduced-motion", "value": "reduce"});
        self.command("Emulation.setEmulatedMedia", json!({"features": [colours, stillness]})).await;
    }

    /// Whether pages may run scripts, from the next page on.
    pub async fn allow_scripts(&self, allowed: bool) {
        self.command("Emulation.setScriptExecutionDisabled", json!({ "value": !allowed })).await;
    }

    /// Opens a path of the origin, or a whole address, and waits until it is loaded.
    pub async fn open(&self, path: &str) {
        let address = if path.starts_with('/') { format!("{}{path}", self.origin) } else { path.to_owned() };
        self.session.goto(address).await.unwrap();
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.session.refresh().await.unwrap();
    }

    /// Opens an address in a tab of its own, and goes there. Gives the tab that was left.
    pub async fn open_tab(&self, address: &str) -> WindowHandle {
        let left = self.session.window().await.unwrap();
        let tab = self.session.new_tab().await.unwrap();
        self.session.switch_to_window(tab).await.unwrap();
        self.open(address).await;
        left
    }

    /// Goes to another tab.
    pub async fn go_to_tab(&self, tab: &WindowHandle) {
        self.session.switch_to_window(tab.clone()).await.unwrap();
    }

    /// Goes back to the page before, if the browser has one.
    pub async fn back(&self) {
        self.session.back().await.unwrap();
    }

    /// The path of the page, with its query.
    pub async fn path(&self) -> String {
        self.text_of("location.pathname + location.search").await
    }

    /// The value of a JavaScript expression. Fails the test if it throws.
    pub async fn evaluate(&self, expression: &str) -> Value {
        self.try_evaluate(expression).await.unwrap_or_else(|why| panic!("{expression}: {why}"))
    }

    /// The text that an expression gives; empty if it gives none.
    pub async fn text_of(&self, expression: &str) -> String {
        self.evaluate(expression).await.as_str().unwrap_or_default().to_owned()
    }

    /// What a person reads in the first element that matches.
    pub async fn text(&self, css: &str) -> String {
        self.text_of(&format!("document.querySelector({}).innerText", quoted(css))).await
    }

    /// What is in a field.
    pub async fn value(&self, css: &str) -> String {
        self.text_of(&format!("document.querySelector({}).value", quoted(css))).await
    }

    /// How many elements match that a person can see.
    pub async fn count(&self, css: &str) -> u64 {
        self.evaluate(&format!("{}.length", visible(css))).await.as_u64().unwrap()
    }

    /// Waits until the expression is true. Fails the test, with what the page shows, if that takes too long.
    pub async fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // A page that is just being left has no answer.
            let found = self.try_evaluate(&format!("(async () => Boolean(await ({expression})))()")).await;
            if found == Ok(Value::Bool(true)) {
                return;
            }
            if Instant::now() >= deadline {
                let shown = self.try_evaluate("location.href + '\\n' + document.body.innerText").await;
                panic!("waited for: {expression}\nlast answer: {found:?}\n{}", shown.unwrap_or_default());
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Waits until an element can be seen that matches and contains the words.
    pub async fn sees(&self, css: &str, words: &str) {
        self.until(&format!("{}.some((shown) => shown.innerText.includes({}))", visible(css), quoted(words))).await;
    }

    /// Waits until no element that matches can be seen.
    pub async fn misses(&self, css: &str) {
        self.until(&format!("!{}.length", visible(css))).await;
    }

    /// Clicks the first element that matches, once it can be seen and nothing lies over it.
    pub async fn click(&self, css: &str) {
        let spot = SPOT.replace("FOUND", &visible(css));
        self.until(&spot).await;
        let spot = self.evaluate(&spot).await;
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({"type": kind, "x": spot["x"], "y": spot["y"], "button": button, "clickCount": 1});
            self.command("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Types on the keyboard, where the focus is.
    pub async fn write(&self, text: &str) {
        for character in text.chars() {
            self.press(Key::Character(character)).await;
        }
    }

    /// Presses a key.
    pub async fn press(&self, key: Key) {
        for event in key.events(0) {
            self.command("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Presses a letter while Ctrl and Shift are held.
    pub async fn press_with_control_and_shift(&self, letter: char) {
        for event in Key::Character(letter).events(keyboard::CONTROL | keyboard::SHIFT) {
            self.command("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Puts text where the focus is at once, as a paste does.
    pub async fn paste(&self, text: &str) {
        self.command("Input.insertText", json!({ "text": text })).await;
    }

    /// Turns the wheel over the middle of the page: down if positive.
    pub async fn wheel(&self, pixels: i32) {
        let wheel = json!({"type": "mouseWheel", "x": 700, "y": 300, "deltaX": 0, "deltaY": pixels});
        self.command("Input.dispatchMouseEvent", wheel).await;
    }

    /// Lets pages read and write the clipboard.
    pub async fn allow_clipboard(&self) {
        let permissions = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
        self.command("Browser.grantPermissions", permissions).await;
    }

    /// The text on the clipboard.
    pub async fn clipboard(&self) -> String {
        self.text_of("navigator.clipboard.readText()").await
    }

    /// Waits until a value is the same in two frames, one after the other.
    pub async fn until_still(&self, expression: &str) {
        let frames = "new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)))";
        self.until(&format!(
            "(async () => {{ const was = {expression}; await {frames}; return was === {expression}; }})()"
        ))
        .await;
    }

    /// What Chromium complained of since this was asked last: errors, warnings, and violations of the page's policy.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.session.browser_log().await.unwrap();
        log.into_iter().filter(|entry| entry.level != "INFO").map(|entry| entry.message).collect()
    }

    /// The addresses that were asked for since this was asked last.
    pub async fn requests(&self) -> Vec<String> {
        let log = self.session.get_log("performance").await.unwrap();
        let url = |message: &str| {
            let event: Value = serde_json::from_str(message).unwrap();
            let sent = event["message"]["method"] == "Network.requestWillBeSent";
            sent.then(|| event["message"]["params"]["request"]["url"].as_str().unwrap().to_owned())
        };
        log.iter().filter_map(|entry| url(&entry.message)).collect()
    }

    /// A picture of what is seen, as PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        self.session.screenshot_as_png().await.unwrap()
    }

    async fn command(&self, method: &str, parameters: Value) -> Value {
        self.session.cdp().send_raw(method, parameters).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.session.cdp().send_raw("Runtime.evaluate", parameters).await;
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.get("exceptionDetails") {
            Some(thrown) => Err(thrown["exception"]["description"].to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }
}

fn capabilities(chromium: &str, profile: &Path) -> Capabilities {
    let mut arguments = FLAGS.map(str::to_owned).to_vec();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    let mut capabilities = Capabilities::new();
    capabilities.set("browserName", "chrome").unwrap();
    capabilities.set("goog:chromeOptions", json!({"binary": chromium, "args": arguments})).unwrap();
    capabilities.set("goog:loggingPrefs", json!({"browser": "ALL", "performance": "ALL"})).unwrap();
    capabilities
}

/// A text as JavaScript.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

/// The elements that match and can be seen, as JavaScript.
fn visible(css: &str) -> String {
    let options = "{ checkOpacity: true, checkVisibilityCSS: true }";
    format!("[...document.querySelectorAll({})].filter((found) => found.checkVisibility({options}))", quoted(css))
}

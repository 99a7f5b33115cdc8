// Live answers: events of a run become the text of its attempt.

import { grown } from "./follow.js";
import { ENDED } from "./session.js";
import { announceRun, fetchTurn, swapTurn } from "./turn.js";
import { Sentences, say } from "./speak.js";

const QUIET = 3000;
const AGAIN = 2000;
const ENDINGS = {
  "run.completed": "The answer is complete.",
  "run.failed": "The answer failed.",
  "run.cancelled": "The answer was stopped.",
  "run.interrupted": "The answer was interrupted.",
};
const streams = new Set();

class Stream {
  #attempt; #source; #lost; #clock; #sentences = new Sentences(); #silent = true;

  constructor(attempt) {
    this.#attempt = attempt;
    this.state = attempt.querySelector("[data-state]");
    this.doing = this.state?.textContent;
    this.again = attempt.querySelector("[data-reconnect]");
    this.again?.addEventListener("click", () => this.open());
    const elapsed = this.elapsed = attempt.querySelector("[data-elapsed]");
    const age = Date.now() - Date.parse(elapsed?.dataset.elapsed);
    const since = Date.now() - (age > 0 && age < 3.6e6 ? age : 0);
    this.#clock = setInterval(() => {
      const seconds = Math.floor((Date.now() - since) / 1000);
      if (elapsed && seconds > 2 && this.again?.hidden) elapsed.textContent = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
    }, 1000);
    announceRun(attempt.dataset.run);
    streams.add(this);
    this.open();
  }

  open() {
    this.pause();
    if (this.again) this.again.hidden = true;
    const source = this.#source = new EventSource(this.#attempt.dataset.events);
    // What was written before this page opened is on the page; only what comes after is read out.
    this.#silent = true;
    setTimeout(() => { this.#silent = false; }, 500);
    source.onopen = () => { clearTimeout(this.#lost); this.#lost = 0; this.#say(this.doing); };
    source.onerror = () => this.#trouble();
    source.addEventListener("run.started", () => this.#say(this.doing = "Working"));
    source.addEventListener("message.delta", (event) => {
      if (!this.#silent) this.#sentences.add(JSON.parse(event.data).text);
    });
    source.addEventListener("message.rendered", (event) => this.#render(JSON.parse(event.data)));
    for (const name of Object.keys(ENDINGS)) source.addEventListener(name, () => this.#finish(ENDINGS[name]));
  }

  pause() {
    this.#source?.close();
    clearTimeout(this.#lost);
    this.#lost = 0;
  }

  #say(text) {
    if (this.state && this.state.textContent !== text) this.state.textContent = text;
  }

  #render({ reset, settled, open }) {
    const [done, tail] = this.#attempt.querySelectorAll(":scope > .answer > div");
    if (reset) { done.replaceChildren(); tail.replaceChildren(); }
    if (settled) done.insertAdjacentHTML("beforeend", settled);
    if (open !== undefined) {
      const across = tail.querySelector("pre, .table")?.scrollLeft;
      tail.innerHTML = open;
      if (across) tail.querySelector("pre, .table")?.scrollTo(across, 0);
    }
    grown();
  }

  #trouble() {
    if (this.#source.readyState === EventSource.CLOSED) return this.#recover();
    this.#lost ||= setTimeout(() => this.#say("Connection lost. Reconnecting…"), QUIET);
  }

  // The run is over, or the browser has given up: the server's own view of the turn decides.
  async #recover() {
    this.pause();
    try {
      await this.#settle();
    } catch (error) {
      this.#say(error.code === ENDED ? error.message : "Connection lost. Reconnect to see the rest.");
      if (this.again) this.again.hidden = false;
      if (this.elapsed) this.elapsed.textContent = "";
      addEventListener("online", () => this.open(), { once: true });
    }
  }

  async #finish(sentence) {
    this.#sentences.end();
    say(sentence);
    await this.#recover();
  }

  async #settle() {
    const turn = this.#attempt.closest(".turn");
    const fresh = await fetchTurn(turn.dataset.href);
    if (fresh.querySelector("[data-events]")) {
      setTimeout(() => this.open(), AGAIN);
      return;
    }
    this.stop();
    swapTurn(turn, fresh);
    grown();
  }

  stop() {
    this.pause();
    clearInterval(this.#clock);
    streams.delete(this);
    announceRun(null);
  }
}

/** Connects a turn whose answer is under way. */
export function attach(turn) {
  const attempt = turn.querySelector("[data-events]");
  if (attempt) new Stream(attempt);
}

// An open stream keeps a page out of the browser's back-forward cache.
addEventListener("pagehide", () => streams.forEach((stream) => stream.pause()));
addEventListener("pageshow", (event) => { if (event.persisted) streams.forEach((stream) => stream.open()); });
for (const turn of document.querySelectorAll(".turn")) attach(turn);

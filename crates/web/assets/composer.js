// The composer: keys, growth, draft, send and stop.

import { arrived, keep, leaving, recall } from "./draft.js";
import { fetchTurn, post, turnHref } from "./turn.js";

const form = document.querySelector("[data-composer]");
const field = form.elements.input;
const send = form.querySelector("[data-send]");
const stop = form.querySelector("[data-stop]");
const problem = document.getElementById("composer-error");
const { thread } = form.dataset;
const max = Number(form.dataset.max);
const touch = matchMedia("(pointer: coarse)").matches;
const grows = CSS.supports("field-sizing", "content");
let running = form.dataset.run || null;
let pending = "";
let leavingPage = false;

const complain = (text) => {
  problem.textContent = text;
  field.toggleAttribute("aria-invalid", Boolean(text));
};

// Characters as the server counts them, not UTF-16 units.
function tooLong() {
  const over = field.value.length > max ? [...field.value].length - max : 0;
  const characters = over === 1 ? "1 character" : `${over.toLocaleString("en")} characters`;
  return over > 0 ? `This is ${characters} too long. Shorten it, or send it in parts.` : "";
}

function fit() {
  if (grows) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

function put(text) {
  field.value = text;
  fit();
}

const unsent = () => [pending, field.value].filter(Boolean).join("\n\n");

function changed() {
  fit();
  keep(thread, unsent());
  complain(tooLong());
}

function show(run) {
  running = run;
  const focused = form.contains(document.activeElement);
  send.hidden = Boolean(run);
  stop.hidden = !run;
  stop.disabled = false;
  if (run) stop.formAction = `/runs/${run}/cancel`;
  if (focused && document.activeElement !== field && !touch) field.focus({ preventScroll: true });
}

async function cancel() {
  if (!running || stop.disabled) return;
  stop.disabled = true;
  try {
    await post(`/api/runs/${running}/cancel`);
  } catch (error) {
    stop.disabled = false;
    complain(error.message);
  }
}

async function submit() {
  const { attach } = await import("./stream.js");
  const { toEnd } = await import("./follow.js");
  const turns = document.querySelector("[data-turns]");
  const input = field.value;
  pending = input;
  put("");
  complain("");
  send.setAttribute("aria-busy", "true");
  turns.append(document.getElementById("pending-turn").content.cloneNode(true));
  const shown = turns.lastElementChild;
  shown.querySelector(".said").innerText = input;
  turns.querySelector(":scope > .empty")?.remove();
  toEnd();
  try {
    const body = { input };
    const { agent_id: agent, model } = form.elements;
    if (agent) body.agent_id = agent.value;
    if (model) body.model = model.value || null;
    const run = await post(`/api/threads/${thread}/runs`, body);
    pending = "";
    keep(thread, field.value);
    const turn = await fetchTurn(turnHref(run)).catch(() => location.reload());
    if (!turn) return;
    shown.replaceWith(turn);
    attach(turn);
    toEnd();
  } catch (error) {
    shown.remove();
    put(unsent());
    pending = "";
    complain(error.message);
    field.focus();
  } finally {
    send.removeAttribute("aria-busy");
  }
}

form.addEventListener("submit", (event) => {
  if (event.submitter === stop) {
    event.preventDefault();
    cancel();
    return;
  }
  if (running || pending || leavingPage || !field.value.trim() || tooLong()) {
    event.preventDefault();
    field.focus();
  } else if (thread) {
    event.preventDefault();
    submit();
  } else {
    leavingPage = true;
    leaving();
  }
});

field.addEventListener("input", changed);
field.addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229) return;
  if (event.key === "Escape" && running) cancel();
  if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
  if (touch && !event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  if (running) complain("Wait for the answer, or stop it, then send.");
  else if (field.value.trim()) form.requestSubmit(send);
});
document.addEventListener("run", (event) => { if (!event.detail) complain(tooLong()); show(event.detail); });
document.addEventListener("problem", (event) => complain(event.detail));
addEventListener("pageshow", (event) => {
  leavingPage = false;
  if (event.persisted) put(recall(thread));
});

form.noValidate = true;
send.title = "Send (Enter)";
stop.title = "Stop (Esc)";
arrived(thread);
if (!field.value) put(recall(thread));
fit();
if (!touch && !location.hash) field.focus({ preventScroll: true });

// Asking the server: problem documents become sentences, and a turn is fetched as HTML.

import { expectSignedIn } from "./session.js";

const UNREACHABLE = "The server cannot be reached. Check the connection, then try again.";

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error(UNREACHABLE);
  }
  expectSignedIn(response);
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const error = new Error(problem.detail || problem.title || `The server answered with status ${response.status}. Try again.`);
  error.code = problem.code;
  throw error;
}

/** Posts JSON and returns the JSON answer, or null when there is none. */
export async function post(path, body) {
  const headers = { accept: "application/json" };
  if (body) headers["content-type"] = "application/json";
  const response = await ask(path, { method: "POST", headers, body: body && JSON.stringify(body) });
  return response.json().catch(() => null);
}

/** Fetches one turn as an element. */
export async function fetchTurn(href) {
  const response = await ask(href, { headers: { accept: "text/html" } });
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  const turn = template.content.querySelector(".turn");
  if (!turn) throw new Error("The answer could not be shown. Reload the page.");
  return document.importNode(turn, true);
}

/** The address of a turn's fragment. */
export const turnHref = (run) => `/threads/${run.thread_id}/turns/${run.input_message_id}`;

function words(answer) {
  const copy = answer.cloneNode(true);
  for (const button of copy.querySelectorAll(".copy")) button.remove();
  return [...copy.children].map((part) => part.innerHTML).join("").replace(/>\s+</g, "><").trim();
}

/** Replaces a turn, but keeps the answer's nodes (and with them selection and scroll) when the words are the same. */
export function swapTurn(old, fresh) {
  const focused = old.contains(document.activeElement);
  const [from, to] = [old, fresh].map((turn) => turn.querySelector(":scope > .attempt:last-of-type"));
  const [was, is] = [from, to].map((attempt) => attempt?.querySelector(":scope > .answer"));
  const same = was && is && from.dataset.run === to.dataset.run && words(was) === words(is);
  if (!same) {
    old.replaceWith(fresh);
    if (focused) fresh.focus({ preventScroll: true });
    return fresh;
  }
  for (const sibling of [...from.children]) if (sibling !== was) sibling.remove();
  let before = true;
  for (const sibling of [...to.children]) {
    if (sibling === is) before = false;
    else if (before) was.before(sibling);
    else from.append(sibling);
  }
  from.dataset.status = to.dataset.status;
  delete from.dataset.events;
  if (focused && !old.contains(document.activeElement)) old.focus({ preventScroll: true });
  return old;
}

/** Tells the composer which run can be stopped, if any. */
export function announceRun(id) {
  document.dispatchEvent(new CustomEvent("run", { detail: id }));
}

// What was typed and not yet accepted by the server, kept in this browser per thread, and per person where people sign in.

import { person } from "./session.js";

const PREFIX = person ? `draft:${person}:` : "draft:";
const SENT = `${PREFIX}sent`;

// Storage may be blocked; typing must still work.
function store(area, key, value) {
  try {
    if (value) area.setItem(key, value);
    else area.removeItem(key);
  } catch { /* the draft then lives as long as the page */ }
}

function load(area, key) {
  try {
    return area.getItem(key) || "";
  } catch {
    return "";
  }
}

export const key = (thread) => `${PREFIX}${thread || "new"}`;
export const keep = (thread, text) => store(localStorage, key(thread), text);
export const recall = (thread) => load(localStorage, key(thread));

/** The form leaves the page: the draft goes once a thread page shows that it was accepted. */
export const leaving = () => store(sessionStorage, SENT, "1");

/** On arrival: forgets the draft of a new conversation that was accepted. */
export function arrived(thread) {
  if (thread && load(sessionStorage, SENT)) keep("", "");
  store(sessionStorage, SENT, "");
}

// "Try again" without leaving the page.

import { toEnd } from "./follow.js";
import { attach } from "./stream.js";
import { fetchTurn, post, turnHref } from "./turn.js";

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-retry]");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const run = await post(`/api/runs/${form.dataset.retry}/retry`);
    const fresh = await fetchTurn(turnHref(run));
    form.closest(".turn").replaceWith(fresh);
    fresh.focus({ preventScroll: true });
    attach(fresh);
    if (fresh.matches(":last-child")) toEnd();
  } catch (error) {
    button.disabled = false;
    document.dispatchEvent(new CustomEvent("problem", { detail: error.message }));
  }
});

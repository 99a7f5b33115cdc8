// The rail: search as you type, more conversations, shortcuts, and menus that close.

import { ENDED, expectSignedIn } from "./session.js";

const rail = document.getElementById("rail");
const search = rail.querySelector("form");
const query = search.elements.q;
const list = rail.querySelector("[data-threads]");
const region = document.getElementById("said");
const narrow = matchMedia("(width < 52rem)");
const first = query.value ? null : [...list.childNodes];
const fresh = rail.querySelector("[data-new]");
const place = fresh.ariaCurrent;
let typing = 0;
let request = null;

async function load(href) {
  request?.abort();
  request = new AbortController();
  const response = await fetch(href, { headers: { accept: "text/html" }, signal: request.signal });
  expectSignedIn(response);
  if (!response.ok) throw new Error(response.statusText);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const found = page.querySelector("[data-threads]");
  for (const link of found.querySelectorAll("[aria-current]")) link.removeAttribute("aria-current");
  found.querySelector(`a[href="${CSS.escape(location.pathname)}"]`)?.setAttribute("aria-current", "page");
  return found;
}

async function find() {
  const text = query.value.trim();
  // Whoever searches is at no place.
  fresh.ariaCurrent = text ? null : place;
  if (!text && first) {
    request?.abort();
    list.replaceChildren(...first);
    return;
  }
  const href = text ? `/?q=${encodeURIComponent(text)}` : "/";
  try {
    list.replaceChildren(...(await load(href)).childNodes);
    list.scrollTop = 0;
    const count = list.querySelectorAll("li").length;
    if (text) region.textContent = count ? `${count} found.` : "Nothing found.";
  } catch { /* Enter still searches with a whole page, which says what is wrong */ }
}

query.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(find, 200);
});

// Days that go on are continued, and a link that is there already is not added twice.
async function more(link) {
  const found = await load(link.href);
  link.parentElement.remove();
  for (const item of found.querySelectorAll("li")) {
    const href = item.querySelector("a").getAttribute("href");
    if (list.querySelector(`a[href="${CSS.escape(href)}"]`)) item.remove();
  }
  for (const day of found.querySelectorAll(".day")) {
    const items = [...day.querySelectorAll("li")];
    const last = [...list.querySelectorAll(".day")].at(-1);
    const label = (section) => section?.querySelector("h2").textContent;
    if (items.length && label(last) === label(day)) last.querySelector("ul").append(...items);
    else if (items.length) list.append(day);
    items[0]?.querySelector("a").focus({ preventScroll: true });
  }
  const next = found.querySelector("[data-more]")?.parentElement;
  if (next) list.append(next);
}

list.addEventListener("click", (event) => {
  const link = event.target.closest("[data-more]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  more(link).catch((error) => { if (error.code !== ENDED) location.href = link.href; });
});

const closeMenus = (except) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(except)) menu.open = false;
};

document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  const menu = document.querySelector(".menu[open]");
  if (event.key === "Escape" && menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if ((event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === "o") {
    event.preventDefault();
    location.href = "/";
  } else if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    if (narrow.matches) rail.showPopover();
    query.select();
  }
});

// The page's own run has its dot in the list for as long as it lasts.
document.addEventListener("run", ({ detail }) => {
  const link = list.querySelector("[aria-current]");
  link?.querySelector(".dot")?.remove();
  if (!link || !detail) return;
  const dot = document.createElement("span");
  dot.className = "dot";
  dot.innerHTML = '<span class="sr">, answer under way</span>';
  link.querySelector(".thread-title").after(dot);
});

narrow.addEventListener("change", () => { if (rail.matches(":popover-open")) rail.hidePopover(); });

for (const hint of rail.querySelectorAll("kbd[hidden]")) hint.hidden = false;
const mac = navigator.platform.startsWith("Mac");
fresh.title = `New conversation (${mac ? "⌘⇧O" : "Ctrl+Shift+O"})`;

// The list stays where it was when a conversation is opened from it.
const PLACE = "rail:top";
try {
  list.scrollTop = Number(sessionStorage.getItem(PLACE));
  addEventListener("pagehide", () => sessionStorage.setItem(PLACE, list.scrollTop));
} catch { /* storage may be blocked */ }
list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });

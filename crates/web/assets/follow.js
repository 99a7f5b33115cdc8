// Keeps the end of the conversation in view, but only while the reader is there.

const root = document.scrollingElement;
const below = document.querySelector("[data-below]");
let following = false;
let last = 0;

const gap = () => root.scrollHeight - root.clientHeight - root.scrollTop;

function look() {
  const top = root.scrollTop;
  const left = gap();
  // A shrinking page also moves up, but then the end is reached exactly.
  if (left < 2 || (top > last && left < 48)) following = true;
  else if (top < last) following = false;
  last = top;
  if (following && below) below.hidden = true;
}

/** Goes to the end and stays there. */
export function toEnd() {
  following = true;
  root.scrollTop = root.scrollHeight;
  last = root.scrollTop;
  if (below) below.hidden = true;
}

/** To be called after text was added: follows, or says that there is more. */
export function grown() {
  if (following) toEnd();
  else if (below && gap() > 48) below.hidden = false;
}

addEventListener("scroll", look, { passive: true });
// The wheel speaks before the page has moved: without this, fast text pulls the reader back.
addEventListener("wheel", (event) => {
  if (event.deltaY < 0 && root.scrollTop > 0 && event.target.closest(".turns")) following = false;
}, { passive: true });
addEventListener("resize", () => { if (following) toEnd(); });
below?.addEventListener("click", () => {
  toEnd();
  document.getElementById("input")?.focus({ preventScroll: true });
});

const dock = document.querySelector(".dock");
if (dock) new ResizeObserver(() => { if (following) toEnd(); }).observe(dock);

// A reload or the back button restores the reader's own place; a first visit starts at the end.
const [visit] = performance.getEntriesByType("navigation");
if (document.querySelector("[data-turns]") && visit?.type === "navigate" && !location.hash && !location.search) {
  toEnd();
} else {
  addEventListener("load", () => setTimeout(() => { last = root.scrollTop; following = gap() < 48; }));
}

// Copy buttons: on each finished code block, and under each answer.

const sprite = new URL("./icons.svg", import.meta.url).pathname;
const region = document.getElementById("said");

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

function equip() {
  // A block that is still being written has no button: it would be replaced under the pointer.
  for (const caption of document.querySelectorAll(":is(.settled, .callout) .code > figcaption:not(:has(.copy))")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.setAttribute("aria-label", "Copy this code");
    button.title = "Copy this code";
    button.append(icon("copy"));
    caption.append(button);
  }
  for (const button of document.querySelectorAll("[data-copy-answer][hidden]")) button.hidden = false;
}

async function copy(button, text) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = false;
  }
  region.textContent = done ? "Copied." : "The browser did not allow copying. Select the text and copy it yourself.";
  if (!done) return;
  const use = button.querySelector("use");
  use.setAttribute("href", `${sprite}#check`);
  setTimeout(() => use.setAttribute("href", `${sprite}#copy`), 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".copy, [data-copy-answer]");
  if (!button) return;
  const code = button.closest(".code")?.querySelector("code");
  copy(button, code ? code.textContent : button.parentElement.querySelector("[data-source]").value);
});

equip();
const turns = document.querySelector("[data-turns]");
if (turns) new MutationObserver(equip).observe(turns, { childList: true, subtree: true });

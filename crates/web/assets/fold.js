// A long paste is shown by its first lines until someone asks for the rest.

const LIMIT = 384;
const turns = document.querySelector("[data-turns]");

function fold(said) {
  said.dataset.measured = "";
  if (said.scrollHeight <= LIMIT) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button fold";
  const set = (open) => {
    said.classList.toggle("folded", !open);
    button.setAttribute("aria-expanded", open);
    button.textContent = open ? "Show less" : "Show all";
  };
  button.addEventListener("click", () => set(said.classList.contains("folded")));
  set(false);
  said.after(button);
}

const foldAll = () => turns.querySelectorAll(".said:not([data-measured])").forEach(fold);
foldAll();
new MutationObserver(foldAll).observe(turns, { childList: true, subtree: true });

// Reads an answer out in whole sentences through the page's one live region.

const region = document.getElementById("said");
const PAUSE = 1000;
let waiting = [];
let timer = 0;

function utter() {
  timer = 0;
  if (!waiting.length) return;
  region.textContent = waiting.join(" ");
  waiting = [];
  timer = setTimeout(utter, PAUSE);
}

/** Says something as soon as there is room. */
export function say(text) {
  if (!region || !text) return;
  waiting.push(text);
  if (!timer) utter();
}

/** Takes pieces of Markdown and says each sentence once it is complete; code is named, not read. */
export class Sentences {
  #rest = "";
  #code = false;

  add(text) {
    this.#rest += text;
    let end;
    while ((end = this.#rest.search(/\n|[.!?…](?=\s)|[。！？]/)) >= 0) {
      this.#line(this.#rest.slice(0, end + 1));
      this.#rest = this.#rest.slice(end + 1);
    }
  }

  end() {
    this.#line(this.#rest);
    this.#rest = "";
  }

  #line(line) {
    if (/^\s*(```|~~~)/.test(line)) {
      this.#code = !this.#code;
      if (this.#code) say("Code.");
    } else if (!this.#code) {
      say(line.replace(/[*_`#>|]+/g, " ").replace(/\s+/g, " ").trim());
    }
  }
}

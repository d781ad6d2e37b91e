// What surrounds the conversation: scrolling, the sidebar on narrow screens, messages, the clipboard.

import { byId } from "./dom.js";

/**
 * Keeps the end in view while an answer grows, unless the reader has scrolled away. The beginning of the answer stays
 * in view, too, since that is where one reads; whoever wants the end of a long one goes there.
 */
export class Scroller {
  #place;
  #button;
  #turn = null; // whose beginning stays in view
  #following = true;
  #left = 0; // where it stood last

  constructor(place, button) {
    this.#place = place;
    this.#button = button;
    place.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
  }

  /** A question was asked; `turn` is its element. */
  begin(turn) {
    this.#turn = turn;
    this.#following = true;
    this.follow();
  }

  toEnd() {
    this.#turn = null;
    this.#following = true;
    this.follow();
  }

  follow() {
    const place = this.#place;
    if (this.#following) {
      place.scrollTop = Math.max(place.scrollTop, Math.min(place.scrollHeight, this.#furthest()));
      this.#left = place.scrollTop;
    }
    this.#update();
  }

  /** How far it may go: until the question is at the top, or the answer where the question is long. */
  #furthest() {
    if (!this.#turn) return Infinity;
    const [question, answer] = this.#turn.children;
    const first = question.offsetHeight > this.#place.clientHeight / 3 ? answer : question;
    return first.getBoundingClientRect().top - this.#place.getBoundingClientRect().top + this.#place.scrollTop - 16;
  }

  #scrolled() {
    if (this.#below() < 60) this.#following = true;
    else if (this.#place.scrollTop < this.#left - 1) this.#following = false; // only a reader goes up from the end
    this.#left = this.#place.scrollTop;
    this.#update();
  }

  #below() {
    return this.#place.scrollHeight - this.#place.clientHeight - this.#place.scrollTop;
  }

  #update() {
    this.#button.hidden = this.#below() < 240;
  }
}

/** The list of conversations: always there on a wide screen, a drawer on a narrow one. */
export class Sidebar {
  #element = byId("sidebar");
  #opener = byId("sidebar-open");
  #backdrop = byId("backdrop");

  constructor() {
    this.#opener.addEventListener("click", () => this.#set(true));
    for (const place of [byId("sidebar-close"), this.#backdrop]) place.addEventListener("click", () => this.close());
  }

  /** Close the drawer; returns whether it was open. */
  close() {
    if (!this.#element.classList.contains("open")) return false;
    this.#set(false);
    this.#opener.focus();
    return true;
  }

  #set(open) {
    this.#element.classList.toggle("open", open);
    this.#backdrop.hidden = !open;
    this.#opener.setAttribute("aria-expanded", String(open));
    byId("main").inert = open;
    if (open) byId("sidebar-close").focus();
  }
}

let hiding = 0;

/** Tell a person something: to a screen reader, and if it is `loud` or short-lived also on the screen. */
export function say(text, loud = false) {
  byId("status").textContent = loud ? "" : text;
  if (!loud) return;
  const toast = byId("toast");
  toast.textContent = text;
  toast.hidden = false;
  window.clearTimeout(hiding);
  hiding = window.setTimeout(() => {
    toast.hidden = true;
  }, 6000);
}

/** Copy text; where the clipboard is out of reach (no https), by the old way. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied, with the sources.", true);
  } catch {
    const refused = "The browser did not allow copying. Select the text and copy it yourself.";
    say(copyBySelection(text) ? "Copied, with the sources." : refused, true);
  }
}

function copyBySelection(text) {
  const field = document.createElement("textarea");
  const before = document.activeElement;
  field.value = text;
  field.className = "hidden";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus();
  return done;
}

const drawOffline = () => {
  byId("offline").hidden = navigator.onLine;
};
window.addEventListener("online", drawOffline);
window.addEventListener("offline", drawOffline);
drawOffline();

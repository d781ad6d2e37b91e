// The side panel (on a phone: a sheet from below) that shows a source at the place an answer relies on.

import { address, el, icon, oneLine } from "./dom.js";
import { failureBox } from "./failures.js";
import { badge, nameOf } from "./sources.js";
import { count, verdictOf } from "./words.js";

const FIRST_CONTEXT = 600;
const LARGEST_CONTEXT = 20_000;

export class Panel {
  #element;
  #background;
  #load;
  #opener = null;
  #shown = 0;

  /** `load(id, start, end, context)` fetches the source; `background` is out of reach while the panel is a sheet. */
  constructor(element, background, load) {
    this.#element = element;
    this.#background = background;
    this.#load = load;
    matchMedia("(max-width: 760px)").addEventListener("change", (media) => this.#cover(media.matches));
  }

  get isOpen() {
    return !this.#element.hidden;
  }

  /** Open a citation or a hit; `opener` gets the focus back when the panel closes. */
  async open(place, opener) {
    this.#opener = opener;
    this.#element.hidden = false;
    this.#cover(matchMedia("(max-width: 760px)").matches);
    this.#element.parentElement.classList.add("with-panel");
    const title = el("h2", { id: "panel-title", tabindex: "-1" }, el("bdi", {}, nameOf(place)));
    const closing = { "aria-label": "Close the source", onclick: () => this.close() };
    const close = el("button", { type: "button", class: "icon-button", ...closing }, icon("close"));
    const body = el("div", { class: "panel-body" });
    this.#element.replaceChildren(el("header", { class: "panel-head" }, title, close), body);
    title.focus();
    await this.#fill(body, place, FIRST_CONTEXT);
  }

  close() {
    if (!this.isOpen) return;
    this.#shown += 1;
    this.#element.hidden = true;
    this.#element.parentElement.classList.remove("with-panel");
    this.#cover(false);
    if (this.#opener?.isConnected) this.#opener.focus();
  }

  #cover(isSheet) {
    this.#background.inert = isSheet && this.isOpen;
  }

  async #fill(body, place, context) {
    this.#shown += 1;
    const mine = this.#shown;
    body.setAttribute("aria-busy", "true");
    if (!body.hasChildNodes()) body.append(el("p", { class: "quiet" }, "Opening the source…"));
    let parts;
    try {
      parts = this.#parts(await this.#load(place.document_id, place.start, place.end, context), place, context, body);
    } catch (failure) {
      parts = [failureBox(failure, () => this.#fill(body, place, context))];
    }
    if (mine !== this.#shown) return; // another source was opened meanwhile
    body.replaceChildren(...parts);
    body.removeAttribute("aria-busy");
    const mark = body.querySelector("mark");
    if (mark) showMark(body, mark);
  }

  #parts(source, place, context, body) {
    const { before = "", span = "", after = "", characters } = source;
    const cutBefore = source.start - Array.from(before).length > 0;
    const cutAfter = characters - source.end - Array.from(after).length > 0;
    const widen = () => this.#fill(body, place, Math.min(context * 4, LARGEST_CONTEXT));
    const more = (cutBefore || cutAfter) && context < LARGEST_CONTEXT
      ? el("button", { type: "button", class: "button", onclick: widen }, "Show more around it")
      : null;
    const look = source.format === "code" ? "document code" : "document";
    const around = { class: look, tabindex: "0", role: "group", "aria-label": "Text of the source", dir: "auto" };
    const text = el("div", around,
      cutBefore ? "… " : "", before, el("mark", { id: "span" }, span), after, cutAfter ? " …" : "");
    const name = oneLine(source.source ?? place.source, 100);
    const all = characters ? ` of ${count(characters)}` : "";
    const where = `characters ${count(source.start)}–${count(source.end)}${all}`;
    return [
      el("p", { class: "panel-meta" },
        name ? el("bdi", { class: "source-name" }, name) : null,
        el("span", { class: "quiet" }, where)),
      source.uri ?? place.uri ? el("p", { class: "panel-uri" }, address(source.uri ?? place.uri)) : null,
      place.verdict ? this.#verdict(place, span) : null,
      text,
      more,
    ].filter(Boolean);
  }

  #verdict(place, span) {
    const [, , meaning] = verdictOf(place.verdict);
    const quote = place.quote && place.quote !== span ? el("blockquote", { dir: "auto" }, place.quote) : null;
    return el("div", { class: "panel-verdict" },
      el("p", {}, badge(place.verdict), " ", meaning),
      quote && el("p", { class: "quiet" }, "The answer quotes:"),
      quote);
  }
}

/** Scroll to the quotation, but leave what stands above it in view where there is room for both. */
function showMark(body, mark) {
  const below = mark.getBoundingClientRect().top - body.getBoundingClientRect().top + body.scrollTop;
  body.scrollTop = below < body.clientHeight / 2 ? 0 : below - body.clientHeight / 4;
}

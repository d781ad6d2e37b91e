// One question and its answer, from the first moment to the last.

import { el, icon, oneLine } from "./dom.js";
import { failureBox } from "./failures.js";
import { feedbackButtons } from "./feedback.js";
import { Renderer, show } from "./markdown.js";
import { asText, markButton, otherPassages, sourceList } from "./sources.js";
import { flagsOf, metaOf, plural } from "./words.js";

/**
 * A turn. `actions`: `open(place, button)` shows a source, `say(text, loud)` tells the person, `feedback(body)` keeps
 * an opinion, `copy(text)` fills the clipboard. `onChange` is called when the turn has grown.
 */
export class Turn {
  #actions;
  #onChange;
  #text = "";
  #frame = 0;
  #hits = [];
  #streaming = new Renderer({ marks: (number) => el("sup", { class: "mark pending" }, String(number)) });

  constructor(question, actions, onChange = () => undefined) {
    this.question = question;
    this.#actions = actions;
    this.#onChange = onChange;
    this.body = el("div", { class: "text" });
    this.before = el("div", { class: "notes" });
    this.after = el("div", { class: "after" });
    this.progress = el("p", { class: "progress" });
    this.element = el("article", { class: "turn" },
      el("h2", { class: "question", dir: "auto" }, question),
      el("div", { class: "answer" }, this.before, this.body, this.progress, this.after));
  }

  /** Show that work has begun, also after a failed attempt. */
  start() {
    this.#text = "";
    this.#hits = [];
    for (const place of [this.before, this.after]) place.replaceChildren();
    this.body.classList.remove("nothing");
    show(this.body, "", this.#streaming);
    this.element.classList.add("running");
    this.progress.textContent = "Searching…";
    this.#onChange();
  }

  /** Show what was found. */
  found({ hits = [] }) {
    this.#hits = hits;
    this.progress.textContent = hits.length ? `Reading ${plural(hits.length, "passage")}…` : "Thinking…";
    this.#onChange();
  }

  /** Add a piece of the text; it is drawn with the next frame, together with others. */
  add(text) {
    this.#text += text;
    this.progress.textContent = "";
    this.#frame ||= window.setTimeout(() => this.#draw(), document.hidden ? 500 : 30);
  }

  /** Show the whole answer, which counts. */
  finish(answer) {
    this.#settle();
    const { hits = this.#hits } = answer;
    const { open } = this.#actions;
    // What is cited without an answer proves nothing: it is what is nearest, and the text says so in its own words.
    const nothing = answer.outcome === "no_answer" && !(answer.flags ?? []).includes("unsupported");
    const citations = (answer.citations ?? []).map((one) => (nothing ? { ...one, verdict: null } : one));
    this.#text = answer.text;
    const cited = new Map(citations.map((citation) => [citation.number, citation]).reverse());
    const linked = new Set(citations.map((citation) => citation.uri));
    const marks = (number) => (cited.has(number) ? markButton(cited.get(number), open) : null);
    show(this.body, answer.text, new Renderer({ marks, linked }));
    this.body.classList.toggle("nothing", nothing);
    this.before.replaceChildren(...flagsOf(answer.flags).map((sentence) => note(sentence)));
    const lists = [sourceList(citations, open, nothing), otherPassages(hits, citations, open)].filter(Boolean);
    this.after.replaceChildren(...lists, ...this.#foot(answer, citations));
    this.#onChange();
  }

  /** Keep what was written when the person stopped it. */
  stop(again) {
    this.#settle();
    const message = this.#text ? "Stopped. What was written so far is kept, unchecked." : "Stopped.";
    const button = el("button", { type: "button", class: "button", onclick: again }, "Ask again");
    this.after.replaceChildren(el("p", { class: "stopped" }, message, button));
    this.#onChange();
  }

  /** Keep what was written when it broke, and say so. */
  fail(failure, again) {
    this.#settle();
    const kept = this.#text ? " What arrived is kept above, unchecked." : "";
    const shown = { ...failure, message: `${failure.message}${kept}` };
    this.after.replaceChildren(failureBox(shown, again));
    this.#onChange();
  }

  #settle() {
    window.clearTimeout(this.#frame);
    this.#draw();
    this.element.classList.remove("running");
    this.progress.textContent = "";
  }

  #draw() {
    this.#frame = 0;
    show(this.body, this.#text, this.#streaming);
    this.#onChange();
  }

  #foot(answer, citations) {
    const { feedback, say, copy } = this.#actions;
    const label = "Copy the answer with its sources";
    const copying = el("button", {
      type: "button",
      class: "icon-button small",
      "aria-label": label,
      title: label,
      onclick: () => copy(asText(answer.text, citations)),
    }, icon("copy"));
    const id = answer.id ?? answer.answer_id;
    const rate = (body) => feedback({ answer_id: id, ...body });
    const opinion = id ? feedbackButtons(rate, say) : { buttons: [], note: null };
    const meta = el("span", { class: "meta" }, ...metaOf(answer).map((part) => el("bdi", {}, oneLine(part, 80))));
    return [el("div", { class: "foot" }, copying, ...opinion.buttons, meta), opinion.note].filter(Boolean);
  }
}

function note(sentence) {
  return el("p", { class: "note" }, icon("warn"), el("span", {}, sentence));
}

// Filters: what passages an answer may be made from. A select box for each facet, a chip for each value in use.

import { byId, el, icon, oneLine } from "./dom.js";
import { count, labelOf, plural } from "./words.js";

const MOST_OPTIONS = 60; // a longer list is searched by typing

export class Filters {
  #chosen = new Map(); // field → values, in the order they were chosen
  #place = byId("filters");
  #chips = byId("chips");
  #toggle = byId("filters-toggle");

  constructor() {
    this.#toggle.addEventListener("click", () => this.#unfold(this.#place.hidden));
  }

  /** Show the facets: `{field: {value: number of passages}}`. */
  show(facets) {
    const fields = Object.entries(facets ?? {}).filter(([, values]) => values && Object.keys(values).length);
    this.#place.replaceChildren(...fields.map(([field, values], index) => this.#facet(field, values, index)));
    this.#toggle.hidden = !fields.length;
    byId("scope").textContent = scopeOf(facets);
  }

  /** The filter as the interface takes it, or undefined without one. */
  value() {
    if (!this.#chosen.size) return undefined;
    const oneOrAll = (values) => (values.length === 1 ? values[0] : values);
    return Object.fromEntries([...this.#chosen].map(([field, values]) => [field, oneOrAll(values)]));
  }

  /** Fold the boxes away; the chips still show what is in use. */
  fold() {
    this.#unfold(false);
  }

  #unfold(open) {
    this.#place.hidden = !open;
    this.#toggle.setAttribute("aria-expanded", String(open));
    if (open) this.#place.querySelector("select, input")?.focus();
  }

  #facet(field, values, index) {
    const ranked = Object.entries(values).sort(([, one], [, other]) => other - one);
    const label = oneLine(labelOf(field), 60);
    const choose = (box) => {
      if (Object.hasOwn(values, box.value)) {
        this.#add(field, box.value);
        box.value = "";
      }
    };
    const id = `facet-${index}`;
    const box = ranked.length > MOST_OPTIONS ? typed(id, ranked, choose) : selected(id, ranked, choose);
    return el("div", { class: "facet" }, el("label", { for: id, dir: "auto" }, label), ...box);
  }

  #add(field, value) {
    const values = this.#chosen.get(field) ?? [];
    if (!values.includes(value)) this.#chosen.set(field, [...values, value]);
    this.#draw();
  }

  #remove(field, value) {
    const left = this.#chosen.get(field).filter((other) => other !== value);
    if (left.length) this.#chosen.set(field, left);
    else this.#chosen.delete(field);
    this.#draw();
    (this.#chips.querySelector("button") ?? (this.#place.hidden ? byId("question") : this.#toggle)).focus();
  }

  #draw() {
    const chips = [...this.#chosen].flatMap(([field, values]) => values.map((value) => {
      const words = `${oneLine(labelOf(field), 40)}: ${oneLine(value, 60)}`;
      const onclick = () => this.#remove(field, value);
      const label = `Remove the filter ${words}`;
      const remove = el("button", { type: "button", "aria-label": label, onclick }, icon("close"));
      return el("li", { class: "chip" }, el("bdi", {}, words), remove);
    }));
    this.#chips.replaceChildren(...chips);
    this.#chips.hidden = !chips.length;
  }
}

function selected(id, ranked, choose) {
  const options = ranked.map(([value, number]) => el("option", { value }, `${oneLine(value, 80)} (${count(number)})`));
  const any = el("option", { value: "" }, "Any");
  return [el("select", { id, onchange: (event) => choose(event.target) }, any, ...options)];
}

function typed(id, ranked, choose) {
  const list = el("datalist", { id: `${id}-values` }, ...ranked.map(([value]) => el("option", { value })));
  const placeholder = `Any of ${count(ranked.length)}`;
  const chosen = (event) => choose(event.target);
  const properties = { id, list: `${id}-values`, type: "text", autocomplete: "off", placeholder };
  return [el("input", { ...properties, oninput: chosen, onchange: chosen }), list];
}

function scopeOf(facets) {
  const sources = Object.entries(facets?.source ?? {});
  const passages = sources.reduce((sum, [, number]) => sum + number, 0);
  return sources.length ? `Searches ${plural(passages, "passage")} from ${plural(sources.length, "source")}.` : "";
}

// The sources of an answer: marks in its text, the list below it, and the passages that were found besides.

import { el, icon, oneLine } from "./dom.js";
import { verdictOf, plural } from "./words.js";

/** The name a reader knows a source by. */
export const nameOf = (place) => oneLine(place.title) || oneLine(place.uri) || "Untitled";

/** Build the verdict's badge. */
export function badge(verdict) {
  const [words, kind, meaning] = verdictOf(verdict);
  return el("span", { class: `badge ${kind}`, title: meaning }, icon(kind === "good" ? "check" : "warn"), words);
}

/** Build the button for a citation mark `[number]`; one without a verdict leads to what is merely nearest. */
export function markButton(citation, open) {
  const { number, verdict } = citation;
  const [words, kind] = verdict === null ? ["", ""] : verdictOf(verdict);
  const label = verdict === null ? `Passage ${number}: ` : `Source ${number}: `;
  return el("button", {
    type: "button",
    class: `mark ${kind}`,
    "aria-label": `${label}${nameOf(citation)}. ${words}`.trim(),
    title: nameOf(citation),
    onclick: (event) => open(citation, event.currentTarget),
  }, String(number));
}

/** Build the list of sources, or of the passages that are nearest where there is no answer; without any, null. */
export function sourceList(citations, open, nearest = false) {
  if (!citations.length) return null;
  const rows = citations.map((citation) => row(citation, open, citation.number));
  return el("section", { class: "sources" },
    el("h3", {}, plural(citations.length, nearest ? "nearest passage" : "source")),
    el("ol", {}, ...rows.map((entry) => el("li", {}, entry))));
}

/** Build the folded list of passages that were found and not cited; without any, null. */
export function otherPassages(hits, citations, open) {
  const cited = new Set(citations.map((citation) => citation.chunk_id));
  const others = hits.filter((hit) => !cited.has(hit.chunk_id));
  if (!others.length) return null;
  return el("details", { class: "others" },
    el("summary", {}, `${plural(others.length, "other passage")} found`),
    el("ul", {}, ...others.map((hit) => el("li", {}, row(hit, open)))));
}

function row(place, open, number = null) {
  const text = oneLine(place.quote ?? place.text, 180);
  return el("button", { type: "button", class: "source", onclick: (event) => open(place, event.currentTarget) },
    number === null ? null : el("span", { class: "number" }, String(number)),
    el("span", { class: "source-body" },
      el("span", { class: "source-head" },
        el("bdi", { class: "source-title" }, nameOf(place)),
        place.source ? el("bdi", { class: "source-name" }, oneLine(place.source, 60)) : null,
        place.verdict ? badge(place.verdict) : null),
      el("bdi", { class: "source-quote" }, text)));
}

/** The answer as plain text with its sources, to be pasted elsewhere. */
export function asText(text, citations) {
  if (!citations.length) return text;
  const lines = citations.map((citation) => {
    const names = new Set([nameOf(citation), oneLine(citation.uri, 2000)]);
    return `[${citation.number}] ${[...names].filter(Boolean).join(" — ")}`;
  });
  return `${text}\n\nSources\n${lines.join("\n")}`;
}

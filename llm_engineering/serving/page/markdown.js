// Answers are Markdown. This renderer knows a few elements and builds nothing else: what it does not know stays text.

import { ITEM, blocksOf, cellsOf } from "./blocks.js";
import { el, webAddress } from "./dom.js";

const DEEPEST = 6;

/** Turns blocks into elements. `marks(number)` gives the element of a citation mark, or null; `linked` are the
 * addresses that may be links: those of the cited sources. */
export class Renderer {
  #marks;
  #linked;

  constructor({ marks = () => null, linked = new Set() } = {}) {
    this.#marks = marks;
    this.#linked = linked;
  }

  /** Build the element of a block. Headings go below the headings of the page. */
  element(block, depth = 0) {
    switch (block.kind) {
      case "code":
        return el("pre", { tabindex: "0" }, el("code", {}, block.lines.join("\n")));
      case "heading":
        return el("p", { class: `heading heading-${Math.min(block.level, 4)}` }, ...this.inlines(block.text));
      case "rule":
        return el("hr");
      case "quote":
        return el("blockquote", {}, ...this.#nested(block.lines, depth));
      case "list":
        return this.#list(block.lines, depth);
      case "table":
        return this.#table(block);
      default:
        return el("p", {}, ...this.#broken(block.lines));
    }
  }

  #nested(lines, depth) {
    if (depth >= DEEPEST) return [lines.join("\n")];
    return blocksOf(lines.join("\n")).map((block) => this.element(block, depth + 1));
  }

  #broken(lines) {
    const parts = [];
    for (const [index, line] of lines.entries()) {
      if (index) parts.push(/( {2}|\\)$/.test(lines[index - 1]) ? el("br") : "\n");
      parts.push(...this.inlines(line.trim().replace(/\\$/, "")));
    }
    return parts;
  }

  #list(lines, depth) {
    const first = ITEM.exec(lines[0]);
    const items = [];
    for (const line of lines) {
      const item = ITEM.exec(line);
      if (item && (!items.length || item[1].length <= first[1].length + 1)) items.push([item[4]]);
      else items.at(-1).push(line.replace(/^\s{1,4}/, ""));
    }
    const ordered = first[3] !== undefined;
    const properties = ordered && first[3] !== "1" ? { start: Number(first[3]) } : {};
    return el(ordered ? "ol" : "ul", properties, ...items.map((item) => el("li", {}, ...this.#item(item, depth))));
  }

  #item(lines, depth) {
    if (lines.length === 1) return this.inlines(lines[0]);
    const [first, ...others] = this.#nested(lines, depth);
    const tight = first instanceof Element && first.localName === "p" && first.className === "";
    return tight ? [...first.childNodes, ...others] : [first, ...others];
  }

  #table(block) {
    const cells = (line, name) => cellsOf(line).map((cell) => el(name, {}, ...this.inlines(cell)));
    const head = el("thead", {}, el("tr", {}, ...cells(block.head, "th")));
    const body = el("tbody", {}, ...block.lines.map((line) => el("tr", {}, ...cells(line, "td"))));
    const around = { class: "table", tabindex: "0", role: "group", "aria-label": "Table" };
    return el("div", around, el("table", {}, head, body));
  }

  /** Build what stands in a line: code, emphasis, citation marks, links; everything else as text. */
  inlines(text, depth = 0) {
    const parts = [];
    const seen = new Map(); // where marks were looked for and found: once, not at every occurrence
    let plain = "";
    let at = 0;
    const add = (element, end) => {
      if (plain) parts.push(plain);
      plain = "";
      parts.push(element);
      at = end;
    };
    while (at < text.length) {
      const found = this.#inlineAt(text, at, depth, seen);
      if (found) add(...found);
      else {
        if (text[at] === "\\" && /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "")) at += 1;
        plain += text[at];
        at += 1;
      }
    }
    if (plain) parts.push(plain);
    return parts;
  }

  #inlineAt(text, at, depth, seen) {
    switch (text[at]) {
      case "`":
        return codeAt(text, at, seen);
      case "[":
        return this.#markAt(text, at) ?? this.#linkAt(text, at, seen);
      case "!":
        return text[at + 1] === "[" ? this.#linkAt(text, at + 1, seen) : null;
      case "*":
      case "_":
        return depth < DEEPEST ? this.#emphasisAt(text, at, depth, seen) : null;
      default:
        return null;
    }
  }

  #markAt(text, at) {
    const close = text.slice(at, at + 8).indexOf("]");
    const number = close > 1 ? text.slice(at + 1, at + close) : "";
    const mark = /^\d+$/.test(number) ? this.#marks(Number(number)) : null;
    return mark ? [mark, at + close + 1] : null;
  }

  /** A link to a cited source is one; any other link or picture is its words and its address as text. */
  #linkAt(text, at, seen) {
    const middle = partner(text, at, "](", seen);
    const end = middle < 0 ? -1 : partner(text, middle, ")", seen);
    if (end < 0) return null;
    const words = text.slice(at + 1, middle);
    const target = text.slice(middle + 2, end).trim();
    if (words.includes("[") || /\s/.test(target)) return null;
    const url = this.#linked.has(target) ? webAddress(target) : null;
    const away = { target: "_blank", rel: "noopener noreferrer" };
    if (url) return [el("a", { href: url.href, ...away }, words || target), end + 1];
    return [el("span", { class: "unlinked" }, words && words !== target ? `${words} (${target})` : target), end + 1];
  }

  #emphasisAt(text, at, depth, seen) {
    const sign = text[at];
    const mark = text[at + 1] === sign ? sign + sign : sign;
    const inside = at + mark.length;
    if (/\s/.test(text[inside] ?? " ")) return null;
    if (sign === "_" && /[\p{L}\p{N}]/u.test(text[at - 1] ?? "")) return null;
    let end = partner(text, inside, mark, seen);
    if (text[inside] === sign && text[end + mark.length] === sign) end += 1; // ***both***
    if (end <= inside || /\s/.test(text[end - 1])) return null;
    if (sign === "_" && /[\p{L}\p{N}]/u.test(text[end + mark.length] ?? "")) return null;
    const name = mark.length === 2 ? "strong" : "em";
    return [el(name, {}, ...this.inlines(text.slice(inside, end), depth + 1)), end + mark.length];
  }
}

/** The place of the next mark from a place on, or -1. What lies between an earlier look and its find is known. */
function partner(text, from, mark, seen) {
  const [looked, found] = seen.get(mark) ?? [0, -Infinity];
  if (looked <= from && from <= found) return found === Infinity ? -1 : found;
  let end = text.indexOf(mark, from);
  while (end >= 0 && (mark === "*" || mark === "_") && text[end + 1] === mark) end = text.indexOf(mark, end + 2);
  seen.set(mark, [from, end < 0 ? Infinity : end]);
  return end;
}

function codeAt(text, at, seen) {
  let inside = at;
  while (text[inside] === "`") inside += 1;
  const mark = text.slice(at, inside);
  const end = partner(text, inside, mark, seen);
  if (end < 0) return [mark, inside];
  return [el("code", {}, text.slice(inside, end).trim() || " "), end + mark.length];
}

/**
 * Show Markdown in a place. Blocks that have not changed since the last time keep their elements, so that a streamed
 * answer costs only its last block, and a selection in it stays.
 */
export function show(place, text, renderer) {
  const blocks = blocksOf(text);
  const known = place.blocks ?? [];
  const same = place.renderer === renderer;
  for (const [index, block] of blocks.entries()) {
    if (same && known[index] === block.raw) continue;
    const element = renderer.element(block);
    if (index < place.childNodes.length) place.childNodes[index].replaceWith(element);
    else place.append(element);
  }
  while (place.childNodes.length > blocks.length) place.lastChild.remove();
  place.blocks = blocks.map((block) => block.raw);
  place.renderer = renderer;
}

// Elements are built only here and in markdown.js, from names in the code and text; no text is ever parsed as markup.

const ICONS = {
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h16",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  stop: "M7 7h10v10H7z",
  filter: "M4 6h16M7 12h10M10 18h4",
  key: "M14 10l6-6M17 7l2 2M8 12a4 4 0 100 8 4 4 0 000-8zM11 13l3-3",
  copy: "M9 9h10v11H9zM5 15V4h10",
  check: "M5 12.5l4.5 4.5L19 7.5",
  good: "M7 11v9H4v-9zM7 11l4-8c1.7 0 2.6 1.3 2.2 3L12.5 9H19c1 0 1.7 1 1.4 2l-2 7.5c-.2.9-1 1.5-1.9 1.5H7",
  bad: "M17 13V4h3v9zM17 13l-4 8c-1.7 0-2.6-1.3-2.2-3l.7-3H5c-1 0-1.7-1-1.4-2l2-7.5c.2-.9 1-1.5 1.9-1.5H17",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  warn: "M12 4l9 16H3zM12 10v4.5M12 17.2v.3",
  moon: "M20 14.5A8 8 0 119.5 4a6.5 6.5 0 0010.5 10.5z",
  sun:
    "M12 8a4 4 0 100 8 4 4 0 000-8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1" +
    "M18.4 5.6l-1.1 1.1M6.7 17.3l-1.1 1.1",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
};
// Format characters (direction marks, zero-width spaces), but not the joiners that scripts and emoji need.
const DECEIVING = /(?![\u200c\u200d])\p{Cf}/gu;
// Of these, those that turn the direction of what follows. Each is shown by itself, so that it turns nothing.
const TURNING = /([\u202a-\u202e\u2066-\u2069])/;
const SVG = "http://www.w3.org/2000/svg";

/** Return the element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * Build an element: properties are set as attributes, `on…` functions as listeners, `class` as its class.
 * Children are elements or texts; null and false are left out. Signs in a text that could disguise it stay, visible and
 * without effect.
 */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  const shown = children.filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...shown.flatMap((child) => (typeof child === "string" ? partsOf(child) : [child])));
  return element;
}

function partsOf(text) {
  if (!TURNING.test(text)) return [text];
  return text.split(TURNING).filter(Boolean).map((part) => (TURNING.test(part) ? sign(part) : part));
}

function sign(character) {
  const element = document.createElement("bdi");
  element.className = "sign";
  element.title = `U+${character.codePointAt(0).toString(16).toUpperCase()}: a sign that turns the text around`;
  element.append(character);
  return element;
}

/** Draw one of the known icons. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const attributes = { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" };
  for (const [key, value] of Object.entries(attributes)) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Fill every `data-icon` of the page with its icon. */
export function drawIcons() {
  for (const place of document.querySelectorAll("[data-icon]")) place.prepend(icon(place.dataset.icon));
}

/**
 * Return a name from outside as one line: without control and direction characters, which can make it look like
 * another, and cut where it is longer than `limit` characters.
 */
export function oneLine(text, limit = 300) {
  const start = String(text ?? "").slice(0, limit * 4 + 4);
  const clean = start.replace(DECEIVING, "").replace(/[\p{Cc}\s]+/gu, " ").trim();
  const characters = Array.from(clean);
  return characters.length > limit ? `${characters.slice(0, limit).join("")}…` : clean;
}

/** Return an address as a safe link, or as text where it is not plain http or https. */
export function address(uri) {
  const shown = oneLine(uri, 500);
  const url = webAddress(uri);
  if (!url) return el("bdi", { class: "uri", dir: "ltr" }, shown);
  const properties = { class: "uri", dir: "ltr", href: url.href, target: "_blank", rel: "noopener noreferrer" };
  return el("a", properties, oneLine(`${url.host}${url.pathname}${url.search}${url.hash}`, 500));
}

/** Return the address as a URL if it is http or https and hides no user name, else null. */
export function webAddress(uri) {
  if (typeof uri !== "string" || !/^https?:\/\//i.test(uri)) return null;
  const url = URL.parse ? URL.parse(uri) : parsed(uri);
  return url && /^https?:$/.test(url.protocol) && !url.username && !url.password ? url : null;
}

function parsed(uri) {
  try {
    return new URL(uri);
  } catch {
    return null;
  }
}

// What the page says about values of the interface, in one place.

/** Verdicts on quotations: the words of the badge, its kind, and what it means. */
const VERDICTS = {
  found: ["Verified", "good", "The quotation stands in the source at this place."],
  misattributed: ["Other source", "warn", "The quotation stands in another source than the one that is cited."],
  stitched: ["Pieced together", "warn", "Parts of the quotation stand in the source, but not together."],
  absent: ["Not in the source", "bad", "The quotation could not be found in what was read."],
};

const UNCHECKED = ["Unchecked", "warn", "This quotation was not checked."];
export const verdictOf = (verdict) => (Object.hasOwn(VERDICTS, verdict) ? VERDICTS[verdict] : UNCHECKED);

const FLAGS = {
  injection: "A source contains instructions to the assistant; they were ignored.",
  unsupported: "No citation in this answer could be verified. Treat it with caution.",
  leak: "What repeated the instructions to the assistant was taken out.",
  no_receipt: "This answer could not be kept: its sources are not there when it is opened again.",
  cut: "The answer reached its length limit and ends early.",
  llm_failed: "The language model failed; these are quotations in place of its words.",
  unknown_field: "The filter names a field that no document has.",
  withdrawn: "Some sources of this answer can no longer be seen.",
  outdated: "A source has changed since this answer was given.",
};

/** Sentences for the flags of an answer, each once. */
export function flagsOf(flags = []) {
  const words = (flag) => {
    const name = String(flag).split(":", 1)[0];
    return Object.hasOwn(FLAGS, name) ? FLAGS[name] : `Note: ${name.replaceAll("_", " ")}.`;
  };
  return [...new Set(flags.map(words))];
}

const REASONS = {
  budget_exceeded: "The budget for answers is used up.",
  timeout: "The answer took too long.",
  shutting_down: "The service is being restarted.",
};

/** A message of the service as a sentence. */
export function sentence(text) {
  const words = typeof text === "string" ? text.trim() : "";
  if (!words) return "";
  return `${words[0].toUpperCase()}${words.slice(1)}${/[.!?…]$/.test(words) ? "" : "."}`;
}

/** What a broken answer says: a known sentence where there is one, and the service's own. */
export function brokenWords({ reason, detail }) {
  const known = Object.hasOwn(REASONS, String(reason)) ? REASONS[reason] : "The answer broke off.";
  return [known, sentence(detail)].filter(Boolean).join(" ");
}

const NUMBERS = new Intl.NumberFormat("en-GB");
export const count = (number) => NUMBERS.format(number);
/** A share in words. What is nearly certain, one way or the other, is not called certain. */
export function percent(share) {
  if (share > 0.99 && share < 1) return "over 99 %";
  if (share > 0 && share < 0.01) return "under 1 %";
  return `${Math.round(share * 100)} %`;
}
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A time in words: an answer without a model takes milliseconds, one with a model seconds. */
function lasting(seconds) {
  if (seconds < 0.9995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

/** The one quiet line below an answer: which model, how long, how much. */
export function metaOf(answer) {
  const { seconds = {}, usage = {}, versions = {} } = answer;
  const times = Object.values(seconds).filter(Number.isFinite);
  const time = Number.isFinite(seconds.total) ? seconds.total : times.reduce((sum, value) => sum + value, 0);
  const tokens = (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0);
  return [
    versions.llm,
    Number.isFinite(answer.confidence) ? `confidence ${percent(answer.confidence)}` : null,
    time > 0 ? lasting(time) : null,
    tokens ? plural(tokens, "token") : null,
    answer.cached ? "from the cache" : null,
  ].filter(Boolean);
}

/** A facet's name as a label: `metadata.course` is Course. */
export function labelOf(field) {
  const name = field.replace(/^metadata\./, "").replaceAll("_", " ");
  return name.charAt(0).toUpperCase() + name.slice(1);
}

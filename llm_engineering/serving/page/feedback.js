// Thumbs up or down for an answer, and a comment where somebody wants to say more.

import { el, icon } from "./dom.js";

/** Build the two buttons and the comment form. `send({rating, comment})` returns a promise. */
export function feedbackButtons(send, say) {
  const note = el("form", { class: "comment", hidden: true });
  const buttons = new Map();
  let rating = null;

  const rate = async (chosen) => {
    const before = rating;
    rating = chosen;
    mark();
    try {
      await send({ rating });
      note.hidden = false;
      note.scrollIntoView({ block: "nearest" });
      say("Thank you. You can add a comment.");
    } catch (failure) {
      rating = before;
      mark();
      say(`Your feedback was not saved. ${failure.message}`, true);
    }
  };
  const mark = () => {
    for (const [name, button] of buttons) button.setAttribute("aria-pressed", String(name === rating));
  };
  for (const [name, label, drawing] of [["up", "Good answer", "good"], ["down", "Bad answer", "bad"]]) {
    const names = { "aria-label": label, title: label };
    const properties = { type: "button", class: "icon-button small", "aria-pressed": "false", ...names };
    buttons.set(name, el("button", { ...properties, onclick: () => rate(name) }, icon(drawing)));
  }

  const text = el("textarea", {
    rows: "2",
    maxlength: "4000",
    "aria-label": "Comment on the answer",
    placeholder: "What was good, what was wrong? (optional)",
  });
  const close = () => {
    note.hidden = true;
    buttons.get(rating)?.focus();
  };
  note.append(text, el("div", { class: "comment-buttons" },
    el("button", { type: "button", class: "button", onclick: close }, "No comment"),
    el("button", { type: "submit", class: "button primary" }, "Send comment")));
  note.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      if (text.value.trim()) await send({ rating, comment: text.value.trim() });
      close();
      say("Thank you, your comment was sent.");
    } catch (failure) {
      say(`Your comment was not saved. ${failure.message}`, true);
    }
  });
  note.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  return { buttons: [...buttons.values()], note };
}

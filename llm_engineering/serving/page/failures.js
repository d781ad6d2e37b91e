// What a person is told when something did not work, and the way on.

import { el, icon } from "./dom.js";

/** Build the box of a failure, with a button to try again; it waits out the seconds that the service asked for. */
export function failureBox(failure, retry, { label = "Try again" } = {}) {
  const button = retry ? el("button", { type: "button", class: "button", onclick: retry }, label) : null;
  const clock = button && failure.wait > 0 ? el("span", { class: "clock", role: "timer" }) : null;
  const request = failure.request ? el("span", { class: "quiet" }, `Request ${failure.request}`) : null;
  const box = el("div", { class: "failure", role: "group", "aria-label": "Problem" },
    icon("warn"),
    el("div", { class: "failure-body" },
      el("p", { dir: "auto" }, failure.message),
      el("div", { class: "failure-foot" }, button, clock, request)));
  if (clock) countDown(button, clock, failure.wait);
  return box;
}

function countDown(button, clock, seconds) {
  const until = Date.now() + seconds * 1000;
  button.disabled = true;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    clock.textContent = left > 0 ? `Possible again in ${left} s` : "";
    button.disabled = left > 0;
    if (left <= 0) window.clearInterval(timer);
  };
  const timer = window.setInterval(tick, 250);
  tick();
}

// The field for questions.

import { byId } from "./dom.js";

export class Composer {
  #field = byId("question");
  #send = byId("send");
  #stop = byId("stop");
  #last = "";
  #running = false;

  /** `actions`: `ask(text)` and `stop()`. */
  constructor({ ask, stop }) {
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#field.value.replaceAll("\0", "").trim();
      if (!text || this.#running) return;
      this.#last = text;
      this.#field.value = "";
      this.#fit();
      this.#field.focus();
      ask(text);
    });
    this.#field.addEventListener("input", () => this.#fit());
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#stop.addEventListener("click", () => {
      stop();
      this.#field.focus();
    });
  }

  focus() {
    this.#field.focus();
  }

  /** While an answer is being written, the button stops it. */
  setRunning(running) {
    this.#running = running;
    this.#stop.hidden = !running;
    this.#send.hidden = running;
    this.#fit();
  }

  #key(event) {
    if (event.isComposing) return; // the key belongs to an input method
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      byId("composer").requestSubmit();
    } else if (event.key === "ArrowUp" && !this.#field.value && this.#last) {
      event.preventDefault();
      this.#field.value = this.#last;
      this.#fit();
    }
  }

  #fit() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
    this.#send.disabled = !this.#field.value.trim();
  }
}

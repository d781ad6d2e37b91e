// The list of conversations at the side.

import { byId, el, icon, oneLine } from "./dom.js";

export const titleOf = (conversation) =>
  oneLine(conversation.title || conversation.turns?.[0]?.question, 120) || "Untitled conversation";

/** The address of a conversation, and the id that stands in the address now. */
export const addressOf = (id) => `#${new URLSearchParams({ conversation: id })}`;
export const idInAddress = () => new URLSearchParams(window.location.hash.slice(1)).get("conversation");

export class ConversationList {
  #place = byId("conversations");
  #actions;
  #known = [];

  /** `actions`: `open(id)` and `remove(id)`. */
  constructor(actions) {
    this.#actions = actions;
  }

  get known() {
    return this.#known;
  }

  /** Show the conversations, the one changed last first; `current` is the id of the open one. */
  show(conversations, current) {
    const when = (conversation) => String(conversation.updated_at ?? "");
    this.#known = [...conversations].sort((one, other) => when(other).localeCompare(when(one)));
    this.#place.replaceChildren(...this.#known.map((conversation) => this.#row(conversation)));
    byId("no-conversations").hidden = this.#known.length > 0;
    this.mark(current);
  }

  /** Mark the open conversation. */
  mark(current) {
    for (const [index, row] of [...this.#place.children].entries()) {
      const isCurrent = this.#known[index].id === current;
      row.classList.toggle("current", isCurrent);
      if (isCurrent) row.firstChild.setAttribute("aria-current", "true");
      else row.firstChild.removeAttribute("aria-current");
    }
  }

  #row(conversation) {
    const title = titleOf(conversation);
    const open = () => this.#actions.open(conversation.id);
    const remove = () => confirmDelete(title, () => this.#actions.remove(conversation.id));
    const name = `Delete the conversation ${title}`;
    // The button has the direction of its title: what is too long loses its end, in every script.
    return el("li", {},
      el("button", { type: "button", class: "conversation", dir: "auto", title, onclick: open }, title),
      el("button", { type: "button", class: "icon-button small", "aria-label": name, onclick: remove }, icon("bin")));
  }
}

function confirmDelete(title, remove) {
  const dialog = byId("delete-dialog");
  byId("delete-name").textContent = `“${title}”`;
  const opener = document.activeElement;
  byId("delete-cancel").onclick = () => dialog.close();
  byId("delete-form").onsubmit = (event) => {
    event.preventDefault();
    dialog.close();
    remove();
  };
  dialog.onclose = () => (opener?.isConnected ? opener : byId("question")).focus();
  dialog.showModal();
  byId("delete-cancel").focus();
}

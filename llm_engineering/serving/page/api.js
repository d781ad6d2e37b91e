// The service's HTTP interface: one function a resource, one error for everything that goes wrong.

import { eventsOf } from "./sse.js";
import { sentence } from "./words.js";

const HERE = new URL(".", window.location.href);

/** What went wrong: `code`, a sentence for a person, the HTTP status (0: never arrived), seconds to wait or null. */
export class Failure extends Error {
  constructor(code, message, { status = 0, wait = null, request = "" } = {}) {
    super(message);
    Object.assign(this, { code, status, wait, request });
  }
}

/** Calls the service. `askKey(wrong)` asks the person for a key; it returns false where none is given. */
export class Service {
  #key;
  #askKey;
  #asking = null;
  #declined = 0;

  constructor(askKey) {
    this.#askKey = askKey;
    this.#key = sessionStorage.getItem("key") ?? "";
  }

  get hasKey() {
    return this.#key !== "";
  }

  setKey(key) {
    this.#key = key;
    if (key) sessionStorage.setItem("key", key);
    else sessionStorage.removeItem("key");
  }

  models = () => this.#json("models");
  facets = () => this.#json("facets");
  conversations = () => this.#json("conversations");
  conversation = (id) => this.#json(`conversations/${encodeURIComponent(id)}`);
  deleteConversation = (id) => this.#send(`conversations/${encodeURIComponent(id)}`, { method: "DELETE" });
  feedback = (body) => this.#send("feedback", { method: "POST", body });

  document(id, start, end, context) {
    return this.#json(`documents/${encodeURIComponent(id)}?${new URLSearchParams({ start, end, context })}`);
  }

  /**
   * Ask, and iterate over the events of the answer. `once` names this question: sent again, it is not paid for twice.
   */
  async *ask(body, { signal, once }) {
    const response = await this.#send("ask", {
      method: "POST", body: { ...body, stream: true }, signal, headers: { "Idempotency-Key": once },
    });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      yield { event: "finished", data: await response.json() };
      return;
    }
    yield* eventsOf(response);
  }

  async #json(path, options) {
    const response = await this.#send(path, options);
    try {
      return await response.json();
    } catch {
      throw new Failure("unreadable", "The service sent something this page cannot read.", { status: response.status });
    }
  }

  async #send(path, { method = "GET", body, signal, headers = {} } = {}) {
    for (;;) {
      const key = this.#key;
      const declined = this.#declined;
      const response = await this.#fetch(path, {
        method,
        signal,
        cache: "no-store",
        credentials: "same-origin",
        headers: {
          ...headers,
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...(key ? { Authorization: `Bearer ${key}` } : {}),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      if (response.ok) return response;
      const failure = await failureOf(response);
      if (response.status !== 401 || !(await this.#newKey(key, declined))) throw failure;
    }
  }

  async #fetch(path, options) {
    try {
      return await fetch(new URL(path, HERE), options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure("unreachable", navigator.onLine
        ? "The service cannot be reached. It may be restarting; try again in a moment."
        : "You are offline. Try again once the connection is back.");
    }
  }

  /** Whether there is now another key than the one that was refused. Requests that were in flight together ask the
   * person only once, also where one's answer comes after a no: `declined` counts the noes when it was sent. */
  async #newKey(refused, declined) {
    if (this.#key !== refused) return true;
    if (this.#declined !== declined) return false;
    this.#asking ??= this.#askKey(refused !== "").then((key) => {
      this.#asking = null;
      if (key) this.setKey(key);
      else this.#declined += 1;
      return Boolean(key);
    });
    return this.#asking;
  }
}

async function failureOf(response) {
  const { status } = response;
  const body = await response.json().catch(() => null); // not ours: a proxy's page, say
  const error = body && typeof body.error === "object" && body.error ? body.error : {};
  const message = WORDS[status] ?? (status >= 500 ? WORDS[500] : null);
  const told = sentence(error.message);
  const request = typeof error.request_id === "string" ? error.request_id : "";
  const words = [message, told].filter(Boolean).join(" ") || `The service answered ${status}.`;
  return new Failure(String(error.code ?? status), words, { status, wait: waitOf(response), request });
}

const WORDS = {
  401: "A key is needed to use this service.",
  403: "Your key does not allow this.",
  404: "This is no longer here, or you may not see it.",
  409: "This question is still being answered.",
  413: "This is too long for the service.",
  429: "Too many questions at the moment.",
  500: "Something went wrong in the service.",
  503: "The service is not ready.",
  504: "The answer took too long.",
};

/** Seconds from a Retry-After header, in seconds or as a date; null without one. */
function waitOf(response) {
  const value = response.headers.get("retry-after");
  if (!value) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(Math.ceil(seconds), 0), 3600) : null;
}

// Server-sent events from a fetch, as the HTML standard defines them; chunks may end anywhere.

/** Reads a stream of text and hands out `{event, data}`. */
export class EventParser {
  #buffer = "";
  #event = "";
  #data = [];
  #afterReturn = false;

  /** Take the next chunk and return the events that it completes. */
  push(chunk) {
    const events = [];
    let text = this.#buffer + chunk;
    if (this.#afterReturn && text.startsWith("\n")) text = text.slice(1);
    if (text) this.#afterReturn = false;
    let start = 0;
    const ends = /\r\n|\r|\n/g;
    for (let end = ends.exec(text); end; end = ends.exec(text)) {
      const event = this.#line(text.slice(start, end.index));
      if (event) events.push(event);
      start = ends.lastIndex;
      this.#afterReturn = end[0] === "\r" && start === text.length;
    }
    this.#buffer = text.slice(start);
    return events;
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.#event = value;
    if (field === "data") this.#data.push(value);
    return null;
  }

  #dispatch() {
    const event = this.#data.length ? { event: this.#event || "message", data: this.#data.join("\n") } : null;
    this.#event = "";
    this.#data = [];
    return event;
  }
}

/** Iterate over the events of a response: `{event, data}` with data parsed from JSON. */
export async function* eventsOf(response) {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      for (const { event, data } of parser.push(text)) yield { event, data: JSON.parse(data) };
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => undefined); // an aborted stream is already gone
  }
}

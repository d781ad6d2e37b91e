// The chat page: puts the parts together and knows which conversation is open.

import { Failure, Service } from "./api.js";
import { Composer } from "./composer.js";
import { addressOf, ConversationList, idInAddress, titleOf } from "./conversations.js";
import { byId, drawIcons, el, icon, oneLine } from "./dom.js";
import { failureBox } from "./failures.js";
import { Filters } from "./filters.js";
import { askKey } from "./keys.js";
import { Panel } from "./panel.js";
import { copy, say, Scroller, Sidebar } from "./shell.js";
import { Turn } from "./turns.js";
import { brokenWords } from "./words.js";

const service = new Service(askKey);
const panel = new Panel(byId("panel"), byId("main"), (...place) => service.document(...place));
const filters = new Filters();
const sidebar = new Sidebar();
const scroller = new Scroller(byId("transcript"), byId("latest"));
const list = new ConversationList({ open: openConversation, remove: removeConversation });
const composer = new Composer({ ask, stop: () => current.running?.abort() });
const welcome = byId("welcome");
const views = new Map(); // conversations that were open here: they keep what the list does not hold, such as citations
let current = newView();

const actions = {
  open: (place, button) => panel.open(place, button),
  feedback: (body) => service.feedback(body),
  say,
  copy,
};

/** A conversation on the page: its turns, and what stops the answer that is being written. */
function newView(id = null, title = "New conversation") {
  return { id, title, turns: el("div", { class: "turns" }), running: null };
}

function showView(view) {
  current = view;
  panel.close();
  sidebar.close();
  byId("title").textContent = view.title;
  document.title = view.id ? `${view.title} · Assistant` : "Assistant";
  byId("transcript").replaceChildren(welcome, view.turns);
  welcome.hidden = view.turns.childElementCount > 0;
  composer.setRunning(view.running !== null);
  list.mark(view.id);
  history.replaceState(null, "", view.id ? addressOf(view.id) : window.location.pathname + window.location.search);
  scroller.toEnd();
}
function ask(text) {
  const view = current;
  filters.fold();
  const turn = new Turn(text, actions, () => view === current && scroller.follow());
  view.turns.append(turn.element);
  welcome.hidden = true;
  scroller.begin(turn.element);
  const model = byId("model").value;
  const filter = filters.value();
  const body = { question: text, ...(filter && { filter }), ...(model && { llm: model }) };
  run(view, turn, body);
}

const newName = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("-");

/**
 * Have a question answered in its turn. `before` is the request of an attempt of which nobody knows how it ended: it is
 * sent again as it was, under the same name, so that an answer that was made is not made and paid for twice.
 */
async function run(view, turn, body, before = null) {
  if (view.running) return;
  const controller = new AbortController();
  const sent = before ?? { once: newName(), body: { ...body, ...(view.id ? { conversation_id: view.id } : {}) } };
  view.running = controller;
  composer.setRunning(current.running !== null);
  turn.start();
  say("Searching.");
  try {
    const answer = await answerOf(view, turn, service.ask(sent.body, { signal: controller.signal, once: sent.once }));
    turn.finish(answer);
    say(`Answer. ${turn.element.querySelector(".text").textContent}`);
    adopt(view, answer.conversation_id, turn.question);
    refreshList();
  } catch (error) {
    if (error.name === "AbortError") {
      turn.stop(() => run(view, turn, body));
      say("Stopped.");
    } else {
      const failure = error instanceof Failure ? error : lost(error);
      if (failure.code === "no_conversation") view.id = null; // deleted elsewhere: the next attempt begins a new one
      turn.fail(failure, () => run(view, turn, body, UNCERTAIN.includes(failure.code) ? sent : null));
      say(failure.message);
    }
  } finally {
    view.running = null;
    composer.setRunning(current.running !== null);
  }
}

// How an attempt ended of which the service may yet have the answer.
const UNCERTAIN = ["lost", "unreachable", "in_the_making"];

async function answerOf(view, turn, events) {
  for await (const { event, data } of events) {
    if (event === "sources") {
      turn.found(data);
      adopt(view, data.conversation_id, turn.question);
    } else if (event === "piece") turn.add(String(data.text ?? ""));
    else if (event === "finished" && typeof data.text === "string") return data;
    else if (event === "broken") throw new Failure("broken", brokenWords(data));
  }
  throw lost();
}

function lost(error) {
  if (error) console.warn(error);
  return new Failure("lost", "The connection broke before the answer was complete.");
}

/** Take the id that the service gave to a new conversation. */
function adopt(view, id, question) {
  if (!id || view.id === id) return;
  if (view.id && view.turns.childElementCount === 1) {
    service.deleteConversation(view.id).catch((failure) => console.warn(failure)); // begun by an attempt that failed
  }
  views.delete(view.id);
  view.id = id;
  view.title = oneLine(question, 120);
  views.set(id, view);
  if (view === current) {
    byId("title").textContent = view.title;
    document.title = `${view.title} · Assistant`;
    history.replaceState(null, "", addressOf(id));
  }
  refreshList();
}

function refreshList() {
  loadConversations().catch((failure) => console.warn(failure)); // the next answer brings the list up to date
}

async function openConversation(id) {
  if (views.has(id)) {
    showView(views.get(id));
    return;
  }
  const view = newView(id, titleOf(list.known.find((known) => known.id === id) ?? {}));
  showView(view);
  welcome.hidden = true;
  const progress = el("p", { class: "progress" }, "Opening…");
  view.turns.append(progress);
  try {
    const conversation = await service.conversation(id);
    view.title = titleOf(conversation);
    view.turns.replaceChildren(...conversation.turns.map(pastTurn));
    views.set(id, view);
    if (view === current) showView(view);
  } catch (failure) {
    progress.replaceWith(failureBox(failure, failure.status === 404 ? null : () => openConversation(id)));
  }
}

/** A turn of which the conversation holds the texts, and the citations only if the service adds them. */
function pastTurn({ question, answer, answer_id, citations, ...kept }) {
  const turn = new Turn(question, actions);
  turn.finish({ text: answer, id: answer_id, citations: citations ?? [], ...kept });
  if (!citations && /\[\d+\]/.test(answer)) {
    const words = "The sources of this earlier answer are not kept here. Ask again to see them.";
    turn.after.prepend(el("p", { class: "quiet" }, words));
  }
  return turn.element;
}

async function removeConversation(id) {
  try {
    await service.deleteConversation(id);
  } catch (failure) {
    if (failure.status !== 404) return say(`The conversation was not deleted. ${failure.message}`, true);
  }
  views.get(id)?.running?.abort();
  views.delete(id);
  list.show(list.known.filter((known) => known.id !== id), current.id);
  if (current.id === id) startNew();
  say("The conversation was deleted.");
}

function startNew() {
  showView(newView());
  composer.focus();
}

async function loadConversations() {
  const conversations = await service.conversations();
  list.show(Array.isArray(conversations) ? conversations : conversations.conversations ?? [], current.id);
}

async function loadModels() {
  const { models, default: first } = await service.models();
  const options = models.map((model) => el("option", { value: model, selected: model === first }, oneLine(model, 80)));
  byId("model").replaceChildren(...options);
  byId("model-label").hidden = models.length < 2;
}

async function load() {
  const parts = [loadModels(), service.facets().then((facets) => filters.show(facets)), loadConversations()];
  const failed = (await Promise.allSettled(parts)).find((part) => part.status === "rejected");
  byId("forget").hidden = !service.hasKey;
  byId("trouble")?.remove();
  if (!failed) return;
  const unreadable = new Failure("unreadable", "The service sent something this page cannot read.");
  const failure = failed.reason instanceof Failure ? failed.reason : unreadable;
  const box = failureBox(failure, load);
  box.id = "trouble";
  welcome.append(box);
}

function start() {
  drawIcons();
  const drawTheme = () => {
    const dark = window.chatTheme.isDark();
    byId("theme").replaceChildren(icon(dark ? "sun" : "moon"));
    byId("theme").setAttribute("aria-label", dark ? "Switch to light mode" : "Switch to dark mode");
  };
  byId("theme").addEventListener("click", () => {
    window.chatTheme.toggle();
    drawTheme();
  });
  window.chatTheme.onSystemChange(drawTheme);
  drawTheme();
  byId("new").addEventListener("click", startNew);
  byId("forget").addEventListener("click", () => {
    service.setKey("");
    window.location.replace(window.location.pathname);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (panel.isOpen) panel.close();
    else if (!sidebar.close()) current.running?.abort();
  });
  showView(current);
  composer.focus();
  load();
}

const addressed = idInAddress(); // starting shows a new conversation, which has no address
start();
if (addressed) openConversation(addressed);
window.addEventListener("hashchange", () => idInAddress() && openConversation(idInAddress()));

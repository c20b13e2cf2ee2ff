// The page: what is typed becomes a request, its answer becomes the board.

import { drawBoard, drawLines } from "./board.js";
import { calls } from "./calls.js";
import { byId, kept, make } from "./dom.js";
import { explanationView } from "./explain.js";
import { listenForKeys, rankKey, showHelp } from "./keyboard.js";
import { decodeState, encodeState, parseDocuments, shown } from "./parse.js";
import { samples, sampleText } from "./samples.js";
import { base, call, Refused } from "./server.js";
import { browserLanguage, duration, language, number, speak, t } from "./words.js";

const LONGEST_LINK = 60_000;

let models = [];
let running = null; // AbortController of the request in work
let answered = null; // {body, documents, answer, elapsed} that the board shows
let tab = 0;

async function loadModels() {
  const select = byId("model");
  try {
    models = (await call("v1/models")).data;
    if (byId("error").dataset.status === "401") byId("error").hidden = true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status !== 0) showError(error);
    if (error.status === 401 && document.activeElement === document.body) byId("key").focus(); // whoever is writing goes on
    models = [];
  }
  const wanted = select.value || select.dataset.wanted;
  select.replaceChildren(...models.map((model) =>
    make("option", { value: model.id }, [model.id, model.info?.precision].filter(Boolean).join(" · "))));
  if (models.some((model) => model.id === wanted)) select.value = wanted;
}

async function showReadiness() {
  const place = byId("ready");
  let state = "unreachable";
  try {
    state = (await fetch(`${base}/ready`, { credentials: "omit" })).ok ? "ready" : "notReady";
  } catch { /* it stays unreachable */ }
  place.dataset.state = state;
  place.textContent = t(state);
}

// ---- reading the form ----

const readDocuments = () => parseDocuments(byId("documents").value, byId("read-as").value);
const readScores = () => (byId("scores-raw").checked ? "raw" : "sigmoid");
const asName = (as) => t({ lines: "asLines", blocks: "asBlocks", json: "asJson", jsonl: "asJsonl" }[as]);

function showDetected() {
  const { documents, as, problem } = readDocuments();
  const count = documents.length;
  const key = count === 0 ? "detectedNone" : count === 1 ? "detectedOne" : "detected";
  byId("detected").textContent = t(key, { count: number(count), as: asName(as) });
  const wrong = byId("parse-problem");
  wrong.hidden = problem === null;
  if (problem !== null) wrong.textContent = as === "json" ? t("badJson", { problem }) : t("notJson", { problem, as: asName(as) });
}

function requestBody(documents) {
  const top = Number.parseInt(byId("top-k").value, 10);
  return {
    ...(byId("model").value ? { model: byId("model").value } : {}),
    query: byId("query").value.trim(),
    documents,
    ...(top > 0 ? { top_n: top } : {}),
    scores: readScores(),
    return_documents: false,
  };
}

// ---- ranking ----

async function rank() {
  if (running) return;
  const { documents } = readDocuments();
  const body = requestBody(documents);
  if (!body.query) return complain("query", "needQuery");
  if (!documents.length) return complain("documents", "needDocuments");
  running = new AbortController();
  busy(true, t("working", { count: number(documents.length) }));
  const began = performance.now();
  try {
    const answer = await call("v1/rerank", { ...body, details: true }, running.signal);
    if (!Array.isArray(answer.results)) throw new Refused(200, t("notAnswer"));
    answered = { body, documents, answer, elapsed: performance.now() - began };
    byId("error").hidden = true;
    showAnswer();
    if (byId("results").getBoundingClientRect().top > innerHeight - 120) byId("results").scrollIntoView();
    const first = answer.results[0];
    say(first ? t("done", {
      count: number(documents.length), ms: duration(answered.elapsed), first: first.index + 1, text: shown(documents[first.index]).slice(0, 160),
    }) : "");
  } catch (error) {
    if (error.name === "AbortError") say(t("stopped"));
    else if (error instanceof Refused) showError(error);
    else throw error;
    if (error.status === 401) byId("key").focus();
  } finally {
    running = null;
    busy(false);
  }
}

function stop() {
  running?.abort();
  return running !== null;
}

function complain(id, key) {
  showError(new Refused(null, t(key)));
  byId(id).focus();
}

function busy(on, words) {
  byId("results").setAttribute("aria-busy", String(on));
  byId("rank").firstElementChild.textContent = t(on ? "stop" : "rank");
  byId("rank").classList.toggle("running", on);
  if (words) say(words);
}

const say = (words) => { byId("live").textContent = words; };

function showError(error) {
  const title = error.status === 401 ? t("keyTitle") : error.status === 0 ? t("offlineTitle")
    : error.status === null ? "" : t("errorTitle", { status: error.status });
  byId("error-title").textContent = title;
  byId("error-text").textContent = error.message;
  byId("error-retry").textContent = error.retryAfter ? t("retry", { seconds: error.retryAfter }) : "";
  byId("error").dataset.status = String(error.status);
  byId("error").hidden = false;
  say("");
  if (error.status === 401) wantKey();
  if (error.status === 0 || error.status === 503) showReadiness();
  byId("error").scrollIntoView({ block: "nearest" });
}

/** Put the field of the key before all others: without a key they are of no use. */
function wantKey() {
  byId("key-box").open = true;
  if (byId("form").firstElementChild !== byId("key-box")) byId("form").prepend(byId("key-box"));
}

// ---- showing the answer ----

function showAnswer() {
  if (!answered) return;
  const { answer, body, documents } = answered;
  byId("empty").hidden = true;
  byId("outcome").hidden = false;
  showSummary();
  drawBoard({ documents, results: answer.results, scores: body.scores, maxLength: answer.info?.max_length }, explain);
  showCall();
}

function showSummary() {
  const { answer, documents, elapsed } = answered;
  const info = answer.info ?? {};
  const cached = answer.results.filter((result) => result.cached).length;
  const facts = [
    t(documents.length === 1 ? "summaryOne" : "summary", { count: number(documents.length) }),
    t("tokens", { count: number(answer.usage?.total_tokens ?? 0) }),
    ...(cached ? [t("fromCache", { count: number(cached) })] : []),
    [answer.model, info.precision, info.kernel ?? info.backend].filter(Boolean).join(" · "),
  ];
  byId("summary").replaceChildren(
    make("p", { class: "facts" }, ...facts.map((fact) => make("span", {}, fact))),
    ...(answer.partial ? [make("p", { class: "problem" }, t("partial"))] : []),
    timeline(answer.timings ?? {}, elapsed),
  );
}

/** The round trip as one bar. Stages may overlap on the server, so each is cut to what is left of the whole. */
function timeline(timings, elapsed) {
  const stages = [];
  let left = elapsed;
  for (const name of ["tokenization", "queue", "inference"]) {
    const ms = Math.min(timings[name] ?? 0, left);
    stages.push({ name, ms, said: timings[name] ?? 0 });
    left -= ms;
  }
  stages.push({ name: "network", ms: left, said: Math.max(0, elapsed - (timings.total ?? 0)) });
  const whole = make("span", { class: "stages", "aria-hidden": "true" });
  for (const { name, ms } of stages) {
    const part = make("span", { class: `stage ${name}` });
    part.style.flexGrow = String(ms / elapsed);
    whole.append(part);
  }
  const words = stages.map(({ name, said }) =>
    make("span", { class: `key ${name}` }, `${t(name)} ${duration(said)}`));
  return make("div", { class: "time" }, make("span", { class: "trip" }, t("trip", { ms: duration(elapsed) })), whole, make("p", { class: "keys" }, ...words));
}

async function explain(row, button, result) {
  const open = row.querySelector(".panel");
  if (open) {
    open.remove();
    button.setAttribute("aria-expanded", "false");
    drawLines();
    return;
  }
  button.setAttribute("aria-expanded", "true");
  const panel = make("div", { class: "panel", "aria-live": "polite" }, make("p", { class: "waiting" }, t("explaining")));
  row.append(panel);
  drawLines();
  const { body, documents } = answered;
  const began = performance.now();
  try {
    const found = await call("explain", {
      ...(body.model ? { model: body.model } : {}), query: body.query, document: documents[result.index], scores: "raw",
    });
    panel.replaceChildren(explanationView(found, body.scores, performance.now() - began));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    panel.replaceChildren(make("p", { class: "problem", role: "alert" }, error.message));
  }
  drawLines();
}

function showCall() {
  if (!answered) return;
  const { return_documents: _, ...body } = answered.body;
  const all = calls(base, { ...body, return_documents: false }, byId("key").value.trim() !== "");
  byId("tabs").replaceChildren(...all.map(({ name }, place) => make("button", {
    type: "button", role: "tab", class: "tab", "aria-selected": String(place === tab), "aria-controls": "code",
    tabindex: place === tab ? "0" : "-1", onclick: () => chooseTab(place),
  }, name)));
  byId("code").firstElementChild.textContent = all[tab].code;
}

function chooseTab(place) {
  tab = place;
  showCall();
  byId("tabs").children[tab].focus();
}

async function copy(text, button, done) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    byId("shared").textContent = t("noClipboard");
    return;
  }
  done();
  const before = button.dataset.t;
  button.textContent = t("copied");
  setTimeout(() => { button.textContent = t(before); }, 1600);
}

// ---- state, language, colours ----

const stateOf = () => ({
  query: byId("query").value, documents: byId("documents").value, as: byId("read-as").value,
  model: byId("model").value, top: byId("top-k").value, scores: readScores(),
});

function restore(state) {
  byId("query").value = state.query;
  byId("documents").value = typeof state.documents === "string" ? state.documents : "";
  if (["auto", "lines", "blocks", "json"].includes(state.as)) byId("read-as").value = state.as;
  if (typeof state.model === "string") byId("model").dataset.wanted = state.model;
  byId("top-k").value = /^\d+$/.test(state.top) ? state.top : "";
  byId(state.scores === "raw" ? "scores-raw" : "scores-sigmoid").checked = true;
}

function share() {
  const fragment = encodeState(stateOf());
  if (fragment.length > LONGEST_LINK) {
    byId("shared").textContent = t("tooLong");
    return;
  }
  history.replaceState(null, "", `#${fragment}`);
  copy(location.href, byId("share"), () => { byId("shared").textContent = t("shared"); });
}

function setLanguage(name) {
  speak(name);
  const other = byId("language");
  other.textContent = language() === "zh" ? "English" : "中文";
  other.lang = language() === "zh" ? "en" : "zh";
  byId("rank").firstElementChild.textContent = t(running ? "stop" : "rank");
  byId("rank-key").textContent = rankKey;
  setTheme(kept.get("localStorage", "resift-theme") ?? "auto");
  showDetected();
  showHelp();
  byId("shared").textContent = "";
  const ready = byId("ready");
  if (ready.dataset.state) ready.textContent = t(ready.dataset.state);
  if (answered) showAnswer();
}

function setTheme(name) {
  const title = t({ light: "themeLight", dark: "themeDark" }[name] ?? "themeAuto");
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  byId("theme").textContent = title;
  byId("theme").setAttribute("aria-label", t("themeLabel", { name: title }));
  kept.set("localStorage", "resift-theme", name === "auto" ? "" : name);
}

function nextTheme() {
  const order = ["auto", "light", "dark"];
  setTheme(order[(order.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % 3]);
}

function onTabKey(event) {
  const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!move) return;
  event.preventDefault();
  chooseTab((tab + move + 3) % 3);
}

// ---- start ----

function chooseSample(sample) {
  byId("query").value = sample.query;
  byId("documents").value = sampleText(sample);
  byId("read-as").value = "auto";
  showDetected();
  rank();
}

function listen() {
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!stop()) rank();
  });
  byId("documents").addEventListener("input", showDetected);
  byId("read-as").addEventListener("change", showDetected);
  for (const id of ["scores-sigmoid", "scores-raw"]) byId(id).addEventListener("change", () => answered && rank());
  byId("key").addEventListener("change", () => {
    kept.set("sessionStorage", "resift-key", byId("key").value.trim());
    loadModels(); // nothing moves before: a click on a button is what ends the writing
    showCall();
  });
  byId("share").addEventListener("click", share);
  byId("copy").addEventListener("click", () => copy(byId("code").textContent, byId("copy"), () => {}));
  byId("language").addEventListener("click", () => {
    setLanguage(language() === "zh" ? "en" : "zh");
    kept.set("localStorage", "resift-language", language());
  });
  byId("theme").addEventListener("click", nextTheme);
  byId("keys").addEventListener("click", () => byId("help").showModal());
  byId("help-close").addEventListener("click", () => byId("help").close());
  byId("tabs").addEventListener("keydown", onTabKey);
  listenForKeys({ rank, stop, copy: () => answered && byId("copy").click() });
  new ResizeObserver(() => drawLines()).observe(byId("board"));
}

async function start() {
  byId("samples").replaceChildren(...samples.map((sample) =>
    make("button", { type: "button", class: "sample", lang: sample.lang, onclick: () => chooseSample(sample) }, sample.name)));
  const state = location.hash.length > 1 ? decodeState(location.hash.slice(1)) : null;
  if (state) restore(state);
  byId("key").value = kept.get("sessionStorage", "resift-key") ?? "";
  setLanguage(kept.get("localStorage", "resift-language") ?? browserLanguage());
  listen();
  await Promise.all([loadModels(), showReadiness()]);
  if (state?.query && state.documents) rank();
}

start();

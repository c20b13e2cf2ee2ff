// Before and after: two lists, row by row, and the lines of who went where.

import { byId, make, svg } from "./dom.js";
import { shown } from "./parse.js";
import { t } from "./words.js";

const SHOWN_AT_FIRST = 200;
let drawn = null;

/** Return a score as text: four digits of a sigmoid, two of a logit. */
export const scoreText = (score, scores) => (scores === "raw" ? score.toFixed(2) : score.toFixed(4)).replace("-", "−");

const excerpt = (text) => (text.length > 600 ? `${text.slice(0, 600)} …` : text);

/** Draw the outcome: {documents, results, scores, topK, maxLength}; open(row, result) is called to explain one. */
export function drawBoard(outcome, open) {
  drawn = { outcome, open, limit: SHOWN_AT_FIRST };
  redrawBoard();
}

export function redrawBoard() {
  if (!drawn) return;
  const { outcome, open, limit } = drawn;
  const { documents, results } = outcome;
  const rows = Math.min(limit, documents.length);
  const placeOf = new Map(results.map((result, place) => [result.index, place]));
  const scored = results.filter((result) => result.error === undefined && !result.pending);
  const axis = axisOf(scored.map((result) => result.relevance_score), outcome.scores);
  byId("before").replaceChildren(...documents.slice(0, rows).map((document, index) => beforeRow(document, index, placeOf, outcome)));
  byId("after").replaceChildren(...results.slice(0, rows).map((result, place) => afterRow(result, place, axis, outcome, open)));
  if (results.length < documents.length) byId("after").append(restRow(results.length, documents.length - results.length));
  const more = byId("more");
  more.hidden = rows >= documents.length;
  more.textContent = t("more", { count: documents.length });
  more.onclick = () => {
    drawn.limit = Infinity;
    redrawBoard();
  };
  drawLines(true);
}

function beforeRow(document, index, placeOf, outcome) {
  const left = !placeOf.has(index);
  const row = make("li", { class: left ? "cell left-out" : "cell", "data-index": index },
    make("span", { class: "chip" }, String(index + 1)),
    make("span", { class: "text", dir: "auto" }, excerpt(shown(document))),
  );
  row.style.gridRow = String(index + 1);
  hover(row, index);
  return row;
}

/** What top_k leaves out, said once below the list. */
function restRow(shownCount, count) {
  const row = make("li", { class: "cell rest" }, t(count === 1 ? "restOne" : "rest", { count, top: shownCount }));
  row.style.gridRow = String(shownCount + 1);
  return row;
}

function afterRow(result, place, axis, outcome, open) {
  const { index } = result;
  const document = outcome.documents[index];
  const text = shown(document);
  const unscored = result.error !== undefined || result.pending;
  const score = unscored ? t("noScore") : scoreText(result.relevance_score, outcome.scores);
  const move = index - place;
  const moveText = move > 0 ? t("up", { count: move }) : move < 0 ? t("down", { count: -move }) : t("same");
  const sign = move > 0 ? `↑${move}` : move < 0 ? `↓${-move}` : "=";
  const label = t("place", { place: place + 1, index: index + 1, score, move: moveText, text: text.slice(0, 200) });
  const button = make("button", {
    type: "button", class: "result", "aria-expanded": "false", "aria-label": label, title: unscored ? null : t("explainHint"),
  },
    make("span", { class: "rank" }, String(place + 1)),
    make("span", { class: "body" },
      make("span", { class: "text", dir: "auto" }, excerpt(text)),
      notes(result, outcome),
      unscored ? null : bar(result.relevance_score, axis),
    ),
    make("span", { class: "figures" },
      make("span", { class: "score" }, score),
      make("span", { class: `move ${move > 0 ? "up" : move < 0 ? "down" : "same"}`, title: moveText }, sign),
    ),
  );
  const row = make("li", { class: place === 0 ? "cell best" : "cell", "data-index": index }, button);
  row.style.gridRow = String(place + 1);
  if (unscored) button.setAttribute("aria-disabled", "true");
  else button.addEventListener("click", () => open(row, button, result));
  hover(row, index);
  return row;
}

function notes(result, outcome) {
  const found = [];
  if (result.error !== undefined) found.push(make("span", { class: "note bad" }, result.error));
  if (result.pending) found.push(make("span", { class: "note bad" }, t("pending")));
  if (result.truncated) {
    found.push(make("span", { class: "note", title: t("truncatedHint", { count: outcome.maxLength }) }, t("truncated")));
  }
  return found.length ? make("span", { class: "notes" }, ...found) : null;
}

/** What the bars reach over: 0 to 1, or a little more than the logits at hand. */
function axisOf(values, scores) {
  if (scores !== "raw") return { low: 0, high: 1 };
  const lowest = Math.min(...values), highest = Math.max(...values);
  const low = lowest - Math.max(0.05 * (highest - lowest), 0.01);
  return { low, high: highest };
}

/** A bar that ends at the score, with a mark where 0 is. */
function bar(score, { low, high }) {
  const share = (value) => `${Math.max(0.4, (100 * (value - low)) / (high - low))}%`;
  const fill = make("span", { class: "fill" });
  fill.style.width = share(score);
  const whole = make("span", { class: "bar", "aria-hidden": "true" }, fill);
  if (low < 0 && high > 0) {
    const zero = make("span", { class: "zero" });
    zero.style.insetInlineStart = share(0);
    whole.append(zero);
  }
  return whole;
}

function hover(row, index) {
  const mark = (on) => () => {
    for (const element of byId("board").querySelectorAll(`[data-index="${index}"]`)) element.classList.toggle("marked", on);
  };
  row.addEventListener("pointerenter", mark(true));
  row.addEventListener("pointerleave", mark(false));
  row.addEventListener("focusin", mark(true));
  row.addEventListener("focusout", mark(false));
}

/** Draw the lines between the lists anew; `fresh` ones are drawn slowly. */
export function drawLines(fresh = false) {
  const lines = byId("lines"), board = byId("board").getBoundingClientRect();
  lines.setAttribute("viewBox", `0 0 ${board.width} ${board.height}`);
  const before = new Map([...byId("before").children].map((row) => [row.dataset.index, row]));
  const paths = [];
  for (const [place, row] of [...byId("after").children].entries()) {
    const from = before.get(row.dataset.index); // none for what says how many were left out
    if (!from) continue;
    const a = from.getBoundingClientRect(), b = row.firstElementChild.getBoundingClientRect();
    const x1 = a.right - board.left + 3, x2 = b.left - board.left - 3;
    const y1 = a.top - board.top + Math.min(a.height / 2, 22), y2 = b.top - board.top + 22;
    const bend = (x2 - x1) / 2;
    const move = Number(row.dataset.index) - place;
    const path = svg("path", {
      d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
      class: `${move > 0 ? "up" : move < 0 ? "down" : "same"}${place === 0 ? " first" : ""}${fresh ? " fresh" : ""}`,
      "data-index": row.dataset.index,
      pathLength: 1,
    });
    paths.push(path);
  }
  lines.replaceChildren(...paths);
}

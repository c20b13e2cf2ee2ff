// What keys do.

import { byId, make } from "./dom.js";
import { t } from "./words.js";

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);
export const rankKey = APPLE ? "⌘ ↵" : "Ctrl ↵";

/** Listen for the page's shortcuts; `page` has rank(), stop() (false when nothing runs) and copy(). */
export function listenForKeys(page) {
  document.addEventListener("keydown", (event) => onKey(event, page));
}

/** List the shortcuts in the page's language. */
export function showHelp() {
  const keys = [
    [rankKey, "helpRank"], ["/", "helpQuery"], ["↑ ↓", "helpMove"], ["↵", "helpOpen"], ["Esc", "helpClose"],
    ["c", "helpCopy"], ["?", "helpHelp"],
  ];
  byId("help-list").replaceChildren(...keys.flatMap(([key, word]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, t(word))]));
}

function onKey(event, page) {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    page.rank();
  } else if (event.key === "Escape") {
    if (!page.stop()) closePanel(event);
  } else if (typing || event.ctrlKey || event.metaKey || event.altKey || byId("help").open) {
    return;
  } else if (event.key === "/") {
    event.preventDefault();
    byId("query").focus();
  } else if (event.key === "?") byId("help").showModal();
  else if (event.key === "c") page.copy();
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") step(event);
}

function closePanel(event) {
  const row = event.target.closest?.("#after li");
  if (row?.querySelector(".panel")) row.firstElementChild.click();
}

function step(event) {
  const buttons = [...byId("after").querySelectorAll(".result")];
  if (!buttons.length || event.target.closest("#code")) return;
  event.preventDefault();
  const at = buttons.indexOf(document.activeElement);
  const next = event.key === "ArrowDown" ? at + 1 : at < 0 ? 0 : at - 1;
  buttons[Math.max(0, Math.min(buttons.length - 1, next))].focus();
}

// What was pasted becomes documents; what is on the page becomes a link, and back.

/**
 * Return {documents, as, problem} of a pasted text.
 * `as` is lines, blocks, json or jsonl; `problem` is the JSON error when the text looks like JSON and is not.
 */
export function parseDocuments(text, wanted = "auto") {
  const trimmed = text.trim();
  if (!trimmed) return { documents: [], as: wanted === "auto" ? "lines" : wanted, problem: null };
  if (wanted === "json") return parseJson(trimmed) ?? { documents: [], as: "json", problem: jsonProblem(trimmed) };
  if (wanted === "blocks") return { documents: blocks(trimmed), as: "blocks", problem: null };
  if (wanted === "lines") return { documents: lines(trimmed), as: "lines", problem: null };
  if (/^[[{"]/.test(trimmed)) {
    const found = parseJson(trimmed);
    if (found) return found;
  }
  const problem = /^\[\s*["{[\]]/.test(trimmed) ? jsonProblem(trimmed) : null;
  if (/\n[ \t]*\n/.test(trimmed)) {
    const found = blocks(trimmed);
    if (found.some((block) => block.includes("\n"))) return { documents: found, as: "blocks", problem };
  }
  return { documents: lines(trimmed), as: "lines", problem };
}

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
const blocks = (text) => text.split(/\n[ \t]*\n+/).map((block) => block.trim()).filter(Boolean);

function parseJson(text) {
  try {
    const value = JSON.parse(text);
    if (Array.isArray(value)) return { documents: value, as: "json", problem: null };
    if (Array.isArray(value?.documents)) return { documents: value.documents, as: "json", problem: null };
    if (typeof value === "object" && value !== null) return { documents: [value], as: "json", problem: null };
  } catch { /* perhaps one value a line */ }
  const rows = lines(text);
  if (rows.length < 2 || !rows.every((row) => /^[{"]/.test(row))) return null;
  try {
    return { documents: rows.map((row) => JSON.parse(row)), as: "jsonl", problem: null };
  } catch {
    return null;
  }
}

function jsonProblem(text) {
  try {
    JSON.parse(text);
    return "[ … ]";
  } catch (error) {
    return error.message;
  }
}

/** Return a document as it is shown: a text, or the fields of an object. */
export function shown(document) {
  if (typeof document === "string") return document;
  if (document === null || typeof document !== "object" || Array.isArray(document)) return JSON.stringify(document);
  if (typeof document.text === "string") {
    return [document.title, document.text].filter((part) => typeof part === "string" && part).join("\n");
  }
  return Object.entries(document)
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join("\n");
}

/** Return the state as text for the part of a link behind #, which browsers send to nobody. */
export function encodeState(state) {
  const bytes = new TextEncoder().encode(JSON.stringify(state));
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Return the state of such a text, null when it is none. */
export function decodeState(text) {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const state = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof state === "object" && state !== null && typeof state.query === "string" ? state : null;
  } catch {
    return null;
  }
}

// Requests to the server that the page came from, and to nobody else.

import { byId } from "./dom.js";
import { t } from "./words.js";

/** Where the page lies: the server may stand behind a prefix. */
export const base = new URL(".", location.href).href.replace(/\/$/, "");

/** The server said no (status), or nothing at all (status 0); null is the page's own complaint. */
export class Refused extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Return the JSON of an answer; raises Refused with what the server says. */
export async function call(path, body, signal) {
  const key = byId("key").value.trim();
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const options = { headers, signal, credentials: "omit" };
  if (body !== undefined) {
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(`${base}/${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, t("offline"));
  }
  const text = await response.text();
  let value = null;
  try { value = text ? JSON.parse(text) : {}; } catch { /* said below */ }
  if (!response.ok) throw new Refused(response.status, messageOf(value) ?? response.statusText, response.headers.get("Retry-After"));
  if (value === null) throw new Refused(response.status, t("notAnswer"));
  return value;
}

function messageOf(value) {
  for (const part of [value?.message, value?.detail, value?.error?.message, value?.error]) {
    if (typeof part === "string" && part) return part;
  }
  return null;
}

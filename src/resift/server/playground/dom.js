// Small pieces of the document. Texts become text nodes, never markup.

export const byId = (id) => document.getElementById(id);

/** Return an element with attributes and children; a child that is a string becomes a text node. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Storage that is not there (private windows, blocked cookies) only forgets. */
export const kept = {
  get(store, name) {
    try { return window[store].getItem(name); } catch { return null; }
  },
  set(store, name, value) {
    try {
      if (value) window[store].setItem(name, value);
      else window[store].removeItem(name);
    } catch { /* nothing is kept */ }
  },
};

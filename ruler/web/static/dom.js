// Elements without markup: what comes from metrics, labels and annotations is only ever text.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export const element = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), attributes, children);

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

// A link to a page, or only its text where the address is not one a browser may safely follow (javascript:, data: …).
export function link(address, text) {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (!url || !["http:", "https:"].includes(url.protocol)) return text;
  return element("a", { href: url.href, rel: "noreferrer" }, text);
}

// Makes the children of `parent` like `wanted` and changes only what differs, so that a refresh
// leaves focus, selection, scrolling and hovering alone. Elements of a list carry a `data-key`.
export function update(parent, ...wanted) {
  const keys = new Set(wanted.map(keyOf).filter(Boolean));
  const kept = new Map();
  for (const child of [...parent.childNodes]) {
    const key = keyOf(child);
    if (key && !keys.has(key)) child.remove();
    else if (key) kept.set(key, child);
  }
  let place = parent.firstChild;
  for (const want of wanted.map(asNode)) {
    const key = keyOf(want);
    const old = key ? kept.get(key) : place && !keyOf(place) ? place : undefined;
    if (!old || old.nodeName !== want.nodeName) {
      parent.insertBefore(want, place);
      continue;
    }
    if (old === place) place = place.nextSibling;
    else parent.insertBefore(old, place);
    become(old, want);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

const asNode = (child) => (child instanceof Node ? child : document.createTextNode(child));
const keyOf = (node) => node.dataset?.key;

function become(old, want) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== want.data) old.data = want.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!want.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of want.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  update(old, ...want.childNodes);
}

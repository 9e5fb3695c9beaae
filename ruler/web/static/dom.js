// Elements without markup: text that comes from metrics is only ever text.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function labelChips(labels, hidden = []) {
  const shown = Object.entries(labels).filter(([name]) => !hidden.includes(name));
  return element("span", { class: "labels" }, ...shown.map(([name, value]) => element("span", { class: "label" }, `${name}=${value}`)));
}

export function seriesName(metric) {
  const { __name__: name = "", ...labels } = metric;
  const inner = Object.entries(labels).map(([key, value]) => `${key}="${value}"`).join(", ");
  return inner || !name ? `${name}{${inner}}` : name;
}

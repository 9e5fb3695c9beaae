// Labels as people read them, and how sets of labels compare.

import { element } from "./dom.js";

export function labelChips(labels, hidden = []) {
  const shown = Object.entries(labels).filter(([name]) => !hidden.includes(name));
  return element("span", { class: "labels" }, ...shown.map(([name, value]) => chip(`${name}=${value}`)));
}

export const chip = (text) => element("span", { class: "label" }, text);

// As PromQL writes it; a name beyond the classic letters stands quoted inside the braces.
export function seriesName(metric) {
  const { __name__: name = "", ...labels } = metric;
  const inner = Object.entries(labels).map(([key, value]) => `${bare(key)}=${JSON.stringify(value)}`);
  if (name && bare(name) !== name) inner.unshift(bare(name));
  const outer = inner[0] === bare(name) ? "" : name;
  return inner.length || !outer ? `${outer}{${inner.join(", ")}}` : outer;
}

const bare = (name) => (/^[a-zA-Z_:][\w:]*$/.test(name) ? name : JSON.stringify(name));

export const identity = (labels) => JSON.stringify(Object.entries(labels).sort());

// Whether `labels` has every pair of `part`: an alert gains external labels on its way to the notifier.
export const covers = (labels, part) =>
  Object.entries(part).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);

export const matcherText = ({ name, value, isEqual, isRegex }) =>
  `${name}${isRegex ? (isEqual ? "=~" : "!~") : isEqual ? "=" : "!="}${value}`;

export const matches = (matchers, labels) => matchers.every(({ name, value, isEqual, isRegex }) => {
  const found = Object.hasOwn(labels, name) ? labels[name] : "";
  return (isRegex ? fullMatch(value, found) : found === value) === isEqual;
});

// The ruler's expressions are RE2's; the few that JavaScript cannot read match nothing here.
function fullMatch(pattern, text) {
  try {
    return new RegExp(`^(?:${pattern})$`, "su").test(text);
  } catch {
    return false;
  }
}

// The dialogs that silence alerts and end a silence, and the list of silences.

import * as api from "./api.js";
import { byId, element, update } from "./dom.js";
import { chip, matches, matcherText } from "./labels.js";
import { recall, remember } from "./memory.js";
import { moment } from "./units.js";

const AUTHOR = "tocsin-author";

// Asks for how long and why the alerts with these labels shall be silent; labels may be left out to silence more of them.
export function openSilence(labels, shown, refresh) {
  const choices = Object.entries(labels).map(([name, value]) => ({ matcher: { name, value, isRegex: false, isEqual: true }, box: tick() }));
  const chosen = () => choices.filter(({ box }) => box.checked).map(({ matcher }) => matcher);
  const tell = () => {
    const covered = shown.filter((each) => matches(chosen(), each)).length;
    byId("silence-covers").textContent = chosen().length ? `Silences ${covered === 1 ? "this alert" : `${covered} alerts`} of those shown.` : "Choose at least one label.";
    byId("silence-confirm").disabled = chosen().length === 0;
  };
  byId("silence-matchers").replaceChildren(...choices.map(({ matcher, box }) => element("label", { class: "label" }, box, ` ${matcherText(matcher)}`)));
  byId("silence-matchers").onchange = tell;
  byId("silence-author").value ||= recall(AUTHOR);
  byId("silence-comment").value = "";
  tell();
  open("silence", async () => {
    const author = byId("silence-author").value.trim();
    await api.silence(chosen(), Number(byId("silence-for").value), author, byId("silence-comment").value.trim());
    remember(AUTHOR, author);
  }, refresh);
  byId(byId("silence-author").value ? "silence-comment" : "silence-author").focus();
}

export function openEnd(silence, refresh) {
  update(byId("end-silence-what"), ...described(silence));
  open("end-silence", () => api.endSilence(silence.id), refresh);
}

// Shows a dialog whose form does `act` once; what goes wrong is told inside, and the dialog stays.
function open(id, act, refresh) {
  const dialog = byId(id), form = dialog.querySelector("form"), trouble = dialog.querySelector(".trouble");
  trouble.hidden = true;
  let acting = false;
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (acting) return;
    acting = true;
    try {
      await act();
      dialog.close();
      refresh();
    } catch (error) {
      trouble.textContent = error.message;
      trouble.hidden = false;
    }
    acting = false;
  };
  dialog.showModal();
}

export function installDialogs() {
  for (const button of document.querySelectorAll("dialog .cancel")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
}

let listed = new Map();

export function installList(refresh) {
  byId("silences-list").addEventListener("click", ({ target }) => {
    const silence = listed.get(target.closest("[data-key]")?.dataset.key);
    if (silence && target.closest("button")) openEnd(silence, refresh);
  });
}

export function listSilences(silences) {
  listed = new Map(silences.map((silence) => [silence.id, silence]));
  byId("silences").hidden = !silences.length;
  byId("silences-count").textContent = silences.length;
  update(byId("silences-list"), ...silences.map((silence) => element("div", { class: "silence", "data-key": silence.id },
    element("div", {}, ...described(silence)),
    element("button", { type: "button" }, "Unsilence"))));
}

const described = ({ matchers, endsAt, createdBy, comment }) => [
  element("span", { class: "labels" }, ...matchers.map((matcher) => chip(matcherText(matcher)))),
  element("span", { class: "muted" }, `until ${moment(Date.parse(endsAt))} by ${createdBy}: ${comment}`),
];

function tick() {
  const box = element("input", { type: "checkbox" });
  box.checked = true;
  return box;
}

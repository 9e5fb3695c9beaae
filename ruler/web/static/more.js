// Long lists show their beginning, and the rest when asked.

const MOST = 2000;

// The items to show now, at first only `few`; `button` offers the others.
export function shownOf(button, items, few) {
  const most = button.dataset.all ? MOST : few;
  button.hidden = items.length <= most;
  button.disabled = Boolean(button.dataset.all);
  button.textContent = button.dataset.all ? `${items.length - MOST} more are not shown` : `Show all ${items.length}`;
  return items.slice(0, most);
}

export function installMore(button, refresh) {
  button.addEventListener("click", () => { button.dataset.all = "yes"; refresh(); });
}

/** Elements are made once and changed in place, so that focus and open parts stay. */

/** An element with attributes and children; strings become text, never markup. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** Writes only what differs: an unchanged text must not be read out again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Fills `element` anew when `key` differs from the last time. */
export function refill(element, key, make) {
  const text = JSON.stringify(key);
  if (element.filledWith === text) return;
  element.filledWith = text;
  element.replaceChildren(...make());
}

export function icon(name) {
  return h("span", { class: "icon", "data-icon": name, "aria-hidden": "true" });
}

export function chip({ word, icon: name, tone }) {
  return [icon(name), h("span", {}, word)].map((part) => {
    part.dataset.tone = tone;
    return part;
  });
}

// What the panels draw with. Text goes in as text only: markup in a symbol or a reason is shown, not run.

export const byId = (id) => document.getElementById(id);

export function node(tag, className = "", text = null) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  return made;
}

export function setText(id, text) {
  const target = byId(id);
  if (target.textContent !== text) target.textContent = text;
  return target;
}

/** Write a card's figure; one that would not fit in large type is written smaller. */
export function setFigure(id, text, tone = "", roomy = 10) {
  const target = setText(id, text);
  const className = `figure ${tone} ${text.length > roomy ? "long" : ""}`.trim();
  if (target.className !== className) target.className = className;
}

/** Make the children of `parent` those of `items`, keeping the nodes of keys that stay. Newest items come first. */
export function reconcile(parent, items, keyOf, make) {
  const keys = items.map((item) => String(keyOf(item)));
  const wanted = new Set(keys);
  const kept = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.dataset.key)) kept.set(child.dataset.key, child);
    else child.remove();
  }
  items.forEach((item, i) => {
    let child = kept.get(keys[i]);
    if (!child) {
      child = make(item);
      child.dataset.key = keys[i];
    }
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
}

export function row(cells, className = "") {
  const made = node("tr", className);
  for (const [text, cellClass] of cells) made.append(node("td", cellClass ?? "", text));
  return made;
}

export const newestFirst = (list) => [...list].reverse();

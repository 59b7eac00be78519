"""The script of a drawing's page: moving, zooming, details, finding, lineage.

It shows every text as text, never as markup, and asks nothing of the network.
"""

from __future__ import annotations

SCRIPT = """
(() => {
const one = (query) => document.querySelector(query);
const svg = one("main svg"), main = one("main"), card = one("aside"), search = one("input");
const steps = JSON.parse(one("#data").textContent);
const nodes = [...svg.querySelectorAll(".n")], edges = [...svg.querySelectorAll(".e")];
const heads = [...svg.querySelectorAll(".head")];
const ends = edges.map((edge) => edge.dataset.e.split(" ").map(Number));
const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
const view = { x: 0, y: 0, scale: 1 };
let pinned = -1, kind = "";

const draw = () => {
  const box = [view.x, view.y, main.clientWidth / view.scale, main.clientHeight / view.scale];
  svg.setAttribute("viewBox", box.join(" "));
  if (pinned >= 0) place(pinned);
};
const center = (x, y) => {
  view.x = x - main.clientWidth / view.scale / 2;
  view.y = y - main.clientHeight / view.scale / 2;
  draw();
};
const fit = () => {
  view.scale = Math.min(main.clientWidth / width, main.clientHeight / height, 1.25);
  center(width / 2, height / 2);
};
const zoom = (by, x = main.clientWidth / 2, y = main.clientHeight / 2) => {
  const scale = Math.min(4, Math.max(0.01, view.scale * by));
  view.x += x / view.scale - x / scale;
  view.y += y / view.scale - y / scale;
  view.scale = scale;
  draw();
};
const lookAt = (index) => {
  const [x, y, w, h] = steps[index].box;
  view.scale = Math.max(view.scale, 0.8);
  center(x + w / 2, y + h / 2);
};

const place = (index) => {
  const box = nodes[index].getBoundingClientRect(), room = 12;
  if (pinned === index) {
    const edge = innerWidth - card.offsetWidth - room, free = box.right < edge || box.left > innerWidth;
    card.style.left = (free ? edge : room) + "px";
    card.style.top = main.getBoundingClientRect().top + room + "px";
    return;
  }
  const right = box.right + room + card.offsetWidth < innerWidth;
  const left = right ? box.right + room : Math.max(room, box.left - room - card.offsetWidth);
  card.style.left = left + "px";
  card.style.top = Math.max(room, Math.min(box.top, innerHeight - card.offsetHeight - room)) + "px";
};
const add = (parent, tag, text, name) => {
  const element = parent.appendChild(document.createElement(tag));
  element.textContent = text;
  if (name) element.className = name;
  return element;
};
const show = (index) => {
  const step = steps[index];
  card.replaceChildren();
  add(card, "b", step.name);
  if (step.result) add(card, "i", step.result, "s-" + step.kind);
  const list = add(card, "dl", "");
  for (const [name, words] of step.details) { add(list, "dt", name); add(list, "dd", words); }
  card.hidden = false;
  card.classList.toggle("pinned", pinned === index);
  place(index);
  edges.forEach((edge, at) => edge.classList.toggle("near", ends[at].includes(index)));
};
const hide = () => {
  if (pinned >= 0) { show(pinned); return; }
  card.hidden = true;
  edges.forEach((edge) => edge.classList.remove("near"));
};
const reach = (index, from, to) => {
  const found = new Set([index]), stack = [index], next = new Map();
  ends.forEach((pair) => next.set(pair[from], [...(next.get(pair[from]) || []), pair[to]]));
  while (stack.length) for (const item of next.get(stack.pop()) || []) {
    if (!found.has(item)) { found.add(item); stack.push(item); }
  }
  return found;
};
const light = () => {
  const words = search.value.trim().toLowerCase();
  let lit = null, lines = null;
  if (pinned >= 0) {
    const up = reach(pinned, 1, 0), down = reach(pinned, 0, 1);
    lit = (index) => up.has(index) || down.has(index);
    lines = ([a, b]) => (up.has(a) && up.has(b)) || (down.has(a) && down.has(b));
  } else if (words || kind) {
    lit = (index) => steps[index].name.toLowerCase().includes(words) && (!kind || steps[index].kinds.includes(kind));
    lines = () => false;
  }
  svg.classList.toggle("some", lit !== null);
  const entered = new Set();
  edges.forEach((edge, at) => {
    const on = lines !== null && lines(ends[at]);
    if (on) entered.add(ends[at][1]);
    edge.classList.toggle("lit", on);
  });
  heads.forEach((head) => head.classList.toggle("lit", entered.has(Number(head.dataset.h))));
  nodes.forEach((node, index) => {
    node.classList.toggle("lit", lit !== null && lit(index));
    node.classList.toggle("pinned", index === pinned);
  });
};
const pin = (index) => {
  pinned = index === pinned ? -1 : index;
  light();
  hide();
};

nodes.forEach((node, index) => {
  node.setAttribute("tabindex", "0");
  node.setAttribute("role", "button");
  node.setAttribute("aria-label", steps[index].name + " " + steps[index].result);
  node.addEventListener("pointerenter", () => show(index));
  node.addEventListener("pointerleave", hide);
  node.addEventListener("focus", () => { if (node.matches(":focus-visible")) show(index); });
  node.addEventListener("keydown", (event) => { if (event.key === "Enter") pin(index); });
});

const touches = new Map();
let moved = 0;
main.addEventListener("pointerdown", (event) => {
  touches.set(event.pointerId, [event.clientX, event.clientY]);
  moved = 0;
});
addEventListener("pointermove", (event) => {
  const before = touches.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY], [x, y] = [now[0] - before[0], now[1] - before[1]];
  moved += Math.abs(x) + Math.abs(y);
  main.classList.toggle("moving", moved > 4);
  if (touches.size === 2) {
    const [other] = [...touches].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const apart = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]) || 1;
    const top = main.getBoundingClientRect();
    zoom(apart(now) / apart(before), (now[0] + other[0]) / 2 - top.left, (now[1] + other[1]) / 2 - top.top);
  } else if (moved > 4) {
    view.x -= x / view.scale;
    view.y -= y / view.scale;
    draw();
  }
  touches.set(event.pointerId, now);
});
const release = (event) => { touches.delete(event.pointerId); main.classList.remove("moving"); };
addEventListener("pointerup", release);
addEventListener("pointercancel", release);
main.addEventListener("click", (event) => {
  if (moved > 4) return;
  const node = event.target.closest(".n");
  if (node) pin(Number(node.dataset.n)); else if (pinned >= 0) pin(pinned);
});
main.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = main.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

let turn = 0;
const find = () => {
  const words = search.value.trim().toLowerCase();
  const fits = (index) => words && steps[index].name.toLowerCase().includes(words);
  const found = steps.map((_, index) => index).filter(fits);
  if (found.length) lookAt(found[turn++ % found.length]);
};
search.addEventListener("input", () => { turn = 0; pinned = -1; hide(); light(); });
search.addEventListener("keydown", (event) => { if (event.key === "Enter") find(); });
document.querySelectorAll("[data-z]").forEach((button) => button.addEventListener("click", () => {
  if (Number(button.dataset.z)) zoom(Number(button.dataset.z)); else fit();
}));
document.querySelectorAll("nav button").forEach((button) => button.addEventListener("click", () => {
  kind = kind === button.dataset.s ? "" : button.dataset.s;
  document.querySelectorAll("nav button").forEach((item) => item.setAttribute("aria-pressed", item.dataset.s === kind));
  pinned = -1;
  hide();
  light();
}));
addEventListener("keydown", (event) => {
  if (event.key === "Escape") { search.value = ""; search.blur(); if (pinned >= 0) pin(pinned); light(); }
  if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = 60 / view.scale;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (event.key === "/") { event.preventDefault(); search.focus(); }
  if (event.key === "+") zoom(1.3);
  if (event.key === "-") zoom(0.77);
  if (event.key === "0") fit();
  if (moves[event.key]) { view.x += moves[event.key][0]; view.y += moves[event.key][1]; draw(); }
});
addEventListener("resize", draw);

fit();
const wanted = decodeURIComponent(location.hash.slice(1));
const chosen = steps.findIndex((step) => wanted && step.name === wanted);
if (chosen >= 0) {
  if (view.scale < 0.5) lookAt(chosen);
  pin(chosen);
} else if (view.scale < 0.25 && steps.length) {
  const telling = ["failed", "running"].map((name) => steps.findIndex((step) => step.kind === name));
  lookAt(Math.max(0, telling.find((index) => index >= 0) ?? 0));
}
})();
"""

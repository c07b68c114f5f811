"use strict";
// Draws the provenance graph beside the list of messages: one row per message, one lane per author, time downwards.
// Everything from the run enters the page through textContent; nothing is ever parsed as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const messages = data.messages;
  const lanes = data.agents.filter((agent) => agent.lane !== null).sort((a, b) => a.lane - b.lane);
  const byId = (id) => document.getElementById(id);
  const graph = byId("graph"), list = byId("rows"), svg = byId("edges"), detail = byId("detail"), count = byId("count");
  const narrow = window.matchMedia("(max-width: 760px)");
  const children = messages.map(() => []);
  messages.forEach((message, at) => message.parents.forEach((parent) => children[parent].push(at)));

  let visible = messages.map((_, at) => at); // positions in `messages`, top to bottom
  let row = new Map(); // position -> row number
  let selected = null;
  let filter = { agent: "", sign: "" };

  // --- small things ---------------------------------------------------------------------------------------------
  function html(tag, attributes, ...content) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...content.filter((item) => item !== null && item !== undefined));
    return element;
  }
  function shape(tag, attributes, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }
  const sign = (reward) => (reward === null ? "none" : reward > 0 ? "pos" : reward < 0 ? "neg" : "zero");
  const glyph = { pos: "+", neg: "−", zero: "0", none: "" };
  const name = (message) => lanes[message.agent].name;

  function tone(reward) {
    if (reward === null) return "none";
    if (reward === 0) return "z";
    return (reward > 0 ? "p" : "n") + Math.max(1, Math.min(4, Math.ceil((4 * Math.abs(reward)) / data.max)));
  }
  function bar(reward) {
    const picture = shape("svg", { class: "bar", "aria-hidden": "true" });
    const half = reward && data.max ? (50 * Math.abs(reward)) / data.max : 0;
    picture.append(shape("rect", { class: "track", x: 0, y: "50%", width: "100%", height: 1 }));
    if (half) picture.append(shape("rect", { class: sign(reward), x: (reward < 0 ? 50 - half : 50) + "%", y: "20%", width: half + "%", height: "60%", rx: 2 }));
    picture.append(shape("rect", { class: "centre", x: "50%", y: 0, width: 1.5, height: "100%" }));
    return picture;
  }
  function chips(at) {
    const marks = [];
    if (at === data.first) marks.push(html("span", { class: "chip first" }, "first error"));
    if (messages[at].labels) marks.push(html("span", { class: "chip" }, "labelled"));
    if (at === data.answer) marks.push(html("span", { class: "chip" }, "answer"));
    return marks;
  }

  /** Keeps both ends: names of a team often differ in the last letters only. */
  function shorten(text, size) {
    const letters = [...text], tail = Math.floor((size - 1) / 2);
    return letters.length <= size ? text : letters.slice(0, size - 1 - tail).join("") + "…" + letters.slice(letters.length - tail).join("");
  }

  // --- rows -----------------------------------------------------------------------------------------------------
  function describe(at) {
    const message = messages[at];
    const marks = (at === data.first ? ", first error" : "") + (at === data.answer ? ", answer" : "");
    const reward = message.reward === null ? "not scored" : "reward " + message.signed;
    return `Message ${message.index} by ${name(message)}, ${reward}${marks}: ${message.line}`;
  }
  function makeRow(at) {
    const message = messages[at];
    const button = html("button", { type: "button", class: "row", "aria-label": describe(at), "data-at": at, tabindex: -1 },
      html("span", { class: "head" }, html("span", { class: "index" }, "#" + message.index), html("bdi", { class: "who" }, name(message))),
      html("span", { class: "line", dir: "auto" }, ...chips(at), message.line),
      bar(message.reward),
      html("span", { class: "value number " + sign(message.reward) }, message.signed));
    return html("li", {}, button);
  }
  const items = messages.map((_, at) => makeRow(at));
  const buttonOf = (at) => items[at].firstChild;

  // --- geometry -------------------------------------------------------------------------------------------------
  function geometry() {
    const height = narrow.matches ? 60 : 52; // --row of the style
    const room = graph.clientWidth * 0.34;
    const width = Math.max(12, Math.min(76, room / Math.max(1, lanes.length)));
    const margin = Math.max(14, 20 - width / 4);
    return { height, width, margin, total: Math.round(lanes.length * width + 2 * margin),
      x: (at) => margin + (messages[at].agent + 0.5) * width, y: (at) => (row.get(at) + 0.5) * height };
  }

  /** Nearest visible readings: straight parents, or through hidden messages (dashed). */
  function links() {
    const reach = [], found = [];
    messages.forEach((message, at) => {
      const direct = [], via = new Set();
      for (const parent of message.parents) {
        if (row.has(parent)) direct.push(parent);
        else reach[parent].forEach((ancestor) => via.add(ancestor));
      }
      direct.forEach((parent) => via.delete(parent));
      const indirect = [...via].sort((a, b) => b - a).slice(0, 3);
      reach.push([...direct, ...indirect]);
      if (!row.has(at)) return;
      direct.forEach((parent) => found.push([parent, at, false]));
      if (!direct.length) indirect.forEach((parent) => found.push([parent, at, true]));
    });
    return found;
  }

  function path(from, to, place) {
    const x1 = place.x(from), y1 = place.y(from), x2 = place.x(to), y2 = place.y(to);
    const gap = row.get(to) - row.get(from);
    if (gap <= 1) return `M${x1},${y1} C${x1},${(y1 + y2) / 2} ${x2},${(y1 + y2) / 2} ${x2},${y2}`;
    // Down a rail beside the lane of who is read, then over in the last row: edges of one source run as one bundle,
    // and none runs through the nodes between.
    const rail = x1 + (x2 < x1 ? -1 : 1) * Math.min(14, place.width * 0.32), turn = place.height * 0.75;
    return `M${x1},${y1} C${x1},${y1 + turn * 0.5} ${rail},${y1 + turn * 0.5} ${rail},${y1 + turn} L${rail},${y2 - turn} ` +
      `C${rail},${y2 - turn * 0.4} ${x2},${y2 - turn * 0.7} ${x2},${y2}`;
  }

  function drawNode(at, place) {
    const message = messages[at], kind = tone(message.reward), x = place.x(at), y = place.y(at);
    const size = message.reward === null ? 5 : data.max ? 8 + 4 * Math.sqrt(Math.abs(message.reward) / data.max) : 8;
    const radius = Math.min(size, Math.max(5, place.width * 0.46));
    const group = shape("g", { "data-node": at });
    if (at === data.first) group.append(shape("path", { class: at === selected ? "ring thick" : "ring", d: `M${x},${y - radius - 6} l${radius + 6},${radius + 6} l${-radius - 6},${radius + 6} l${-radius - 6},${-radius - 6} z` }));
    else if (at === selected) group.append(shape("circle", { class: "ring", cx: x, cy: y, r: radius + 3 }));
    group.append(shape("circle", { class: "node " + kind, cx: x, cy: y, r: radius }));
    if (radius > 6 && kind !== "none") group.append(shape("text", { class: "glyph" + (/[34]/.test(kind) ? " strong" : ""), x, y }, glyph[sign(message.reward)]));
    return group;
  }

  function drawLanes(place) {
    const head = shape("svg", { height: 0 });
    byId("lanes").replaceChildren(head); // in the page first: only there text has a length
    const labels = lanes.map((lane) => head.appendChild(shape("text", {}, lane.name)));
    const upright = labels.every((label) => label.getComputedTextLength() <= place.width - 6), tall = upright ? 34 : 112;
    head.setAttribute("height", tall);
    labels.forEach((label, at) => {
      const x = place.margin + (at + 0.5) * place.width, name = lanes[at].name, room = tall - 18;
      const where = upright ? { x, y: 21, "text-anchor": "middle" } : { transform: `translate(${x + 4} ${tall - 8}) rotate(-90)` };
      for (const [key, value] of Object.entries(where)) label.setAttribute(key, value);
      for (let size = 24; !upright && size > 3 && label.getComputedTextLength() > room; size--) label.textContent = shorten(name, size);
      label.append(shape("title", {}, name));
    });
  }

  function draw() {
    if (!lanes.length) return;
    const place = geometry();
    const tall = visible.length * place.height;
    svg.setAttribute("width", place.total);
    svg.setAttribute("height", tall);
    svg.classList.toggle("has-selection", selected !== null && row.has(selected));
    const guides = lanes.map((_, at) => {
      const x = place.margin + (at + 0.5) * place.width;
      return shape("line", { class: "guide", x1: x, x2: x, y1: 0, y2: tall });
    });
    const edges = links().map(([from, to, via]) =>
      shape("path", { class: "edge" + (via ? " via" : "") + (from === selected || to === selected ? " lit" : ""), d: path(from, to, place), "data-edge": from + "-" + to }));
    svg.replaceChildren(...guides, ...edges, ...visible.map((at) => drawNode(at, place)));
    list.querySelectorAll(".row").forEach((button) => { button.style.paddingLeft = place.total + "px"; });
    drawLanes(place);
  }

  // --- filter ---------------------------------------------------------------------------------------------------
  function apply(next) {
    filter = { ...filter, ...next };
    visible = messages.map((_, at) => at).filter((at) =>
      (filter.agent === "" || messages[at].agent === Number(filter.agent)) &&
      (filter.sign === "" || sign(messages[at].reward) === filter.sign));
    row = new Map(visible.map((at, number) => [at, number]));
    list.replaceChildren(...visible.map((at) => items[at]));
    byId("empty").hidden = visible.length > 0;
    byId("agent-filter").value = filter.agent;
    document.querySelectorAll("[data-sign]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.sign === filter.sign));
    count.textContent = visible.length === messages.length ? `${messages.length} messages` : `${visible.length} of ${messages.length} messages`;
    roam();
    draw();
  }
  /** One row is reachable by Tab; arrow keys move between rows. */
  function roam() {
    const at = row.has(selected) ? selected : visible[0];
    list.querySelectorAll('.row[tabindex="0"]').forEach((button) => button.setAttribute("tabindex", -1));
    if (at !== undefined) buttonOf(at).setAttribute("tabindex", 0);
  }

  // --- one message ----------------------------------------------------------------------------------------------
  function linkList(title, positions, note) {
    const shown = positions.slice(0, 12).map((at) => {
      const button = html("button", { type: "button", title: messages[at].line }, `#${messages[at].index} ${name(messages[at])}`);
      button.addEventListener("click", () => { reveal(at); select(at, true); });
      return button;
    });
    const rest = positions.length > 12 ? ` and ${positions.length - 12} more` : "";
    return html("p", { class: "links" }, title, ...shown, rest + note);
  }
  function partBlock(part) {
    const plain = part.type === "text";
    const block = html("section", { class: plain || part.type === "reasoning" ? "part" : "part code" });
    if (!plain) block.append(html("h4", {}, part.type + (part.name ? " · " + part.name : "")));
    if (part.text) block.append(html("pre", { dir: "auto" }, part.text));
    if (part.hidden) block.append(html("p", { class: "hidden-rest" }, `… ${part.hidden.toLocaleString("en")} more characters not shown here; the run store holds them`));
    return block;
  }
  function fillDetail(at) {
    const message = messages[at];
    const close = html("button", { type: "button", class: "close" }, "Close");
    close.addEventListener("click", () => unselect(true));
    const error = message.std_err === undefined ? null : html("span", { class: "quiet" }, "± " + message.std_err.toPrecision(2));
    const facts = [message.role, message.channel && "channel " + message.channel, message.to && "to " + message.to].filter(Boolean).join(" · ");
    const more = message.read - message.parents.length;
    detail.replaceChildren(
      html("header", {}, html("h3", {}, html("span", { class: "index" }, "#" + message.index), html("bdi", {}, name(message)), " ", ...chips(at)), close),
      html("p", { class: "quiet" }, facts),
      html("div", { class: "earned" }, html("span", { class: "number " + sign(message.reward) }, message.reward === null ? "not scored" : message.signed), error, bar(message.reward)),
      message.read ? linkList("Read ", message.parents, more > 0 ? ` and, through these, ${more} earlier` : "") : html("p", { class: "links" }, "Read nothing: an input"),
      children[at].length ? linkList("Newly read by ", children[at], "") : html("p", { class: "links" }, "Nobody read it"),
      ...(message.labels || []).map((text) => html("p", { class: "label", dir: "auto" }, text)),
      message.error ? html("p", { class: "label", dir: "auto" }, "Error: " + message.error) : "",
      ...(message.parts.length ? message.parts.map(partBlock) : [html("p", { class: "quiet" }, "This message is empty.")]));
    detail.hidden = false;
    detail.scrollTop = 0;
  }
  function select(at, focusDetail) {
    if (selected !== null) buttonOf(selected).removeAttribute("aria-current");
    selected = at;
    buttonOf(at).setAttribute("aria-current", "true");
    fillDetail(at);
    roam();
    draw();
    if (focusDetail) detail.focus({ preventScroll: true });
  }
  function unselect(refocus) {
    if (selected === null) return;
    const at = selected;
    buttonOf(at).removeAttribute("aria-current");
    selected = null;
    detail.hidden = true;
    draw();
    if (refocus && row.has(at)) buttonOf(at).focus();
  }
  function reveal(at) {
    if (!row.has(at)) apply({ agent: "", sign: "" });
    const box = buttonOf(at).getBoundingClientRect();
    const low = narrow.matches ? innerHeight * 0.2 : innerHeight - 40;
    if (box.top < 90 || box.bottom > low) window.scrollBy({ top: box.top - innerHeight * (narrow.matches ? 0.1 : 0.35) });
  }

  // --- events ---------------------------------------------------------------------------------------------------
  function move(event) {
    const at = Number(event.target.closest(".row")?.dataset.at ?? NaN);
    if (Number.isNaN(at) || event.altKey || event.ctrlKey || event.metaKey) return;
    const number = row.get(at), last = visible.length - 1;
    const target = { ArrowDown: visible[Math.min(last, number + 1)], ArrowUp: visible[Math.max(0, number - 1)], Home: visible[0], End: visible[last],
      ArrowLeft: messages[at].parents.find((parent) => row.has(parent)), ArrowRight: children[at].find((child) => row.has(child)) }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    buttonOf(target).focus();
    if (!detail.hidden && !narrow.matches) select(target, false);
    else { list.querySelectorAll('.row[tabindex="0"]').forEach((button) => button.setAttribute("tabindex", -1)); buttonOf(target).setAttribute("tabindex", 0); }
  }
  list.addEventListener("keydown", move);
  list.addEventListener("click", (event) => {
    const button = event.target.closest(".row");
    if (button) select(Number(button.dataset.at), event.detail === 0); // opened by key: focus follows
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") unselect(true); });
  byId("agent-filter").addEventListener("change", (event) => apply({ agent: event.target.value }));
  byId("clear").addEventListener("click", () => apply({ agent: "", sign: "" }));
  document.querySelectorAll("[data-sign]").forEach((button) => button.addEventListener("click", () => apply({ sign: button.dataset.sign })));

  const scored = messages.map((_, at) => at).filter((at) => messages[at].reward).sort((a, b) => messages[a].reward - messages[b].reward);
  const best = scored.at(-1), worst = scored[0];
  const jumps = { first: data.first, answer: data.answer,
    worst: worst !== undefined && messages[worst].reward < 0 ? worst : null, best: best !== undefined && messages[best].reward > 0 ? best : null };
  document.querySelectorAll("[data-jump]").forEach((button) => {
    const at = jumps[button.dataset.jump] ?? null;
    button.disabled = at === null;
    button.addEventListener("click", () => { reveal(at); select(at, true); });
  });

  byId("toolbar").hidden = false;
  graph.hidden = false;
  apply({});
  const total = scored.reduce((sum, at) => sum + messages[at].reward, 0);
  const start = data.first ?? (total > 0 ? best : worst) ?? data.answer;
  if (!narrow.matches && start !== null && start !== undefined) select(start, false);
  new ResizeObserver(() => draw()).observe(graph);
})();

"use strict";
// Filters, sorts and moves through what the page already holds; without scripts everything is there to read.
(() => {
  const byId = (id) => document.getElementById(id);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const LISTS = ["runs", "messages"], FIRST = { runs: 20, messages: 20 }, NOUN = { runs: "run", messages: "message" };
  const items = Object.fromEntries(LISTS.map((list) => [list, [...byId(list).children].map((element) => ({
    element,
    agents: new Set(element.dataset.agents.split(" ")),
    verdict: element.dataset.verdict,
    reasons: new Set((element.dataset.reasons || "").split(" ")),
    text: element.textContent.toLowerCase(),
  }))]));
  const everything = { agent: "", verdict: "", text: "", reason: "" };
  let filter = { ...everything };
  const whole = { runs: false, messages: false }; // whether a list is shown to its end

  // --- filter -----------------------------------------------------------------------------------------------------
  function matches(item, list) {
    return (!filter.agent || item.agents.has(filter.agent)) && (!filter.verdict || item.verdict === filter.verdict) &&
      (list !== "runs" || !filter.reason || item.reasons.has(filter.reason)) &&
      filter.text.split(/\s+/).every((word) => item.text.includes(word));
  }
  function show(list) {
    const found = items[list].filter((item) => matches(item, list));
    const shown = new Set(whole[list] ? found : found.slice(0, FIRST[list]));
    for (const item of items[list]) item.element.hidden = !shown.has(item);
    document.querySelector(`[data-empty="${list}"]`).hidden = found.length > 0;
    const rest = document.querySelector(`[data-rest="${list}"]`);
    rest.hidden = found.length === shown.size;
    rest.textContent = `Show ${found.length - shown.size} more`;
    const total = items[list].length, noun = NOUN[list] + (total === 1 ? "" : "s");
    return found.length === total ? `${total} ${noun}` : `${found.length} of ${total} ${noun}`;
  }
  function apply(next) {
    filter = { ...filter, ...next };
    if (Object.keys(next).length) LISTS.forEach((list) => { whole[list] = false; });
    byId("count").textContent = LISTS.map(show).join(" · ");
    byId("agent-filter").value = filter.agent;
    byId("verdict-filter").value = filter.verdict;
    if (byId("text-filter").value.trim().toLowerCase() !== filter.text) byId("text-filter").value = filter.text;
    byId("clear").disabled = Object.keys(everything).every((key) => filter[key] === "");
    for (const button of all("[data-reason]")) button.setAttribute("aria-pressed", button.dataset.reason === filter.reason);
    for (const button of all("[data-pick]")) button.setAttribute("aria-pressed", button.dataset.pick === filter.agent);
    for (const row of all("[data-agent]")) row.classList.toggle("picked", row.dataset.agent === filter.agent);
  }

  // --- agents -----------------------------------------------------------------------------------------------------
  function sort(by) {
    const number = (row, key) => Number(row.dataset[key]);
    const order = {
      mean: (a, b) => number(b, "mean") - number(a, "mean"), worst: (a, b) => number(a, "mean") - number(b, "mean"),
      runs: (a, b) => number(b, "runs") - number(a, "runs"), errors: (a, b) => number(b, "errors") - number(a, "errors"),
      name: (a, b) => a.querySelector("bdi").textContent.localeCompare(b.querySelector("bdi").textContent),
    }[by];
    byId("agents").append(...all("tr", byId("agents")).sort((a, b) => order(a, b) || number(a, "agent") - number(b, "agent")));
  }

  // --- movement ---------------------------------------------------------------------------------------------------
  function goTo(element) {
    element.scrollIntoView({ block: "start" });
    element.focus({ preventScroll: true });
  }
  function showRun(at) {
    if (items.runs[at].element.hidden) { apply(everything); whole.runs = true; apply({ }); }
    const details = items.runs[at].element.querySelector("details");
    details.open = true;
    goTo(details.querySelector("summary"));
  }
  function move(event) {
    if (event.target.tagName !== "SUMMARY" || event.altKey || event.ctrlKey || event.metaKey) return;
    const visible = all("li:not([hidden]) > details > summary", event.target.closest("ol"));
    const at = visible.indexOf(event.target);
    const target = { ArrowDown: visible[at + 1], ArrowUp: visible[at - 1], Home: visible[0], End: visible.at(-1) }[event.key];
    if (!target) return;
    event.preventDefault();
    target.focus();
  }
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      byId("text-filter").focus();
    } else if (event.key === "Escape" && !byId("clear").disabled) apply(everything);
  });

  // --- controls ---------------------------------------------------------------------------------------------------
  for (const list of LISTS) {
    byId(list).addEventListener("keydown", move);
    document.querySelector(`[data-rest="${list}"]`).addEventListener("click", () => {
      const next = items[list].find((item) => item.element.hidden && matches(item, list));
      whole[list] = true;
      apply({});
      next?.element.querySelector("summary").focus({ preventScroll: true });
    });
  }
  byId("agent-filter").addEventListener("change", (event) => apply({ agent: event.target.value }));
  byId("verdict-filter").addEventListener("change", (event) => apply({ verdict: event.target.value }));
  byId("text-filter").addEventListener("input", (event) => apply({ text: event.target.value.trim().toLowerCase() }));
  byId("clear").addEventListener("click", () => { apply(everything); byId("text-filter").focus(); });
  byId("sort").addEventListener("change", (event) => sort(event.target.value));
  for (const button of all("[data-pick]")) button.addEventListener("click", () => apply({ agent: filter.agent === button.dataset.pick ? "" : button.dataset.pick }));
  for (const button of all("[data-reason]")) button.addEventListener("click", () => apply({ reason: button.dataset.reason }));
  for (const button of all("[data-look]")) button.addEventListener("click", () => { apply({ ...everything, reason: button.dataset.look }); goTo(byId("runs-title")); });
  for (const button of all("[data-run]")) {
    button.hidden = false;
    button.addEventListener("click", () => showRun(Number(button.dataset.run)));
  }
  for (const hidden of ["toolbar", "reasons"]) byId(hidden).hidden = false;
  document.querySelector(".sort").hidden = false;
  apply({});
})();

"use strict";
// The page works without this script; with it, progress comes live, and keys judge papers.

const announce = (text) => { document.getElementById("announce").textContent = text; };

const live = document.querySelector("[data-events]");
if (live) {
  const source = new EventSource(live.dataset.events);
  source.addEventListener("state", (event) => {
    const open = live.querySelector("[popover]:popover-open");
    if (open) return; // a card that is being read stays
    live.innerHTML = JSON.parse(event.data).html; // made and escaped by the server
  });
  source.addEventListener("done", (event) => {
    source.close();
    if (JSON.parse(event.data).error) {
      live.setAttribute("aria-busy", "false");
      announce("There is no answer: see the message.");
      document.getElementById("stop")?.remove();
    } else {
      sessionStorage.setItem("announce", "The answer is complete.");
      location.reload();
    }
  });
}

const kept = sessionStorage.getItem("announce");
if (kept) {
  sessionStorage.removeItem("announce");
  setTimeout(() => announce(kept), 100); // a status is read out when it changes
}

const lists = document.getElementById("papers");
let shown = 20; // unread papers in the list
let sort = new URLSearchParams(location.search).get("sort") || "";

const papers = () => [...lists.querySelectorAll(".paper")].filter((one) => one.checkVisibility());
const current = () => document.activeElement?.closest?.(".paper");

function move(step) {
  const all = papers();
  if (!all.length) return;
  const at = all.indexOf(current());
  all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)].focus();
}

async function send(form, submitter) {
  const all = papers();
  const paper = form.closest(".paper");
  const screening = paper && paper.matches("#next ~ .paper"); // then the best unread one is next
  const next = paper ? all[all.indexOf(paper) + 1] || all[all.indexOf(paper) - 1] : current();
  const body = new URLSearchParams(new FormData(form, submitter));
  body.set("show", shown);
  body.set("sort", sort);
  try {
    const reply = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html-fragment" } });
    if (!reply.ok) throw new Error(reply.status);
    lists.innerHTML = await reply.text();
  } catch {
    announce("The verdict was not kept: is the program still running?");
    return;
  }
  const id = next?.dataset.paper;
  const same = id && lists.querySelector(`[data-paper="${id}"]`);
  ((screening && lists.querySelector("#next ~ .paper")) || same)?.focus();
  announce(lists.querySelector(".undo .dim").textContent);
}

if (lists) {
  lists.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.target, event.submitter);
  });
  lists.addEventListener("click", async (event) => {
    const more = event.target.closest(".more");
    const order = event.target.closest("[data-sort]");
    if (!more && !order) return;
    event.preventDefault();
    if (more) shown = Number(more.dataset.show);
    else sort = order.dataset.sort;
    const before = papers().length;
    const reply = await fetch(`/q/${lists.dataset.question}/papers?show=${shown}&sort=${sort}`);
    if (reply.ok) lists.innerHTML = await reply.text();
    if (more) papers()[before]?.focus();
    else lists.querySelector(`[data-sort="${sort}"]`)?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) return;
    const verdict = { y: "yes", p: "partly", n: "no" }[event.key];
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "u") send(lists.querySelector(".undo"));
    else if (verdict) {
      const paper = current() || lists.querySelector("#next ~ .paper") || papers()[0];
      const button = paper?.querySelector(`button[value="${verdict}"]`);
      if (button) send(button.form, button);
    } else return;
    event.preventDefault();
  });
}

const rows = document.querySelector("[data-rows]");
async function follow() {
  const reply = await fetch(rows.dataset.rows);
  if (!reply.ok) return;
  const text = await reply.text();
  if (!rows.querySelector("[popover]:popover-open")) rows.innerHTML = text;
  if (text.includes("data-filling")) setTimeout(follow, 700);
  else {
    rows.setAttribute("aria-busy", "false");
    announce("The table is filled.");
  }
}
if (rows) setTimeout(follow, 700);

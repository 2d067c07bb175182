// Styles, small state, htmx. No amount is ever computed here.
import "@fontsource-variable/inter";
import "@tabler/core/dist/css/tabler.min.css";
import "./theme.css";
import "./desk.css";
import "./loading.css";
import "./loading.js";
import "./uploads.js";
import "./refused.js";
import Alpine from "@alpinejs/csp";

Alpine.data("theme", () => ({
  toggle() {
    const next = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
    document.documentElement.dataset.bsTheme = next;
    localStorage.setItem("theme", next);
    document.dispatchEvent(new CustomEvent("themechange"));
  },
}));

Alpine.data("copy", () => ({
  label: "Copy",
  copy() {
    navigator.clipboard.writeText(this.$el.dataset.copy);
    this.label = "Copied";
    setTimeout(() => { this.label = "Copy"; }, 1500);
  },
}));

// Rows a person picked, and "all in the view".
Alpine.data("selection", () => ({
  picked: 0,
  whole: false,
  count() {
    const list = this.$root.querySelector("[data-picked]")?.value;
    this.picked = list ? list.split(",").length : this.$root.querySelectorAll("[data-row]:checked").length;
  },
  inGrid(event) { this.whole = event.detail.whole; this.count(); },
  all(event) {
    this.$root.querySelectorAll("[data-row]").forEach((box) => { box.checked = event.target.checked; });
    this.whole = false;
    this.count();
  },
  everything() { this.whole = true; },
  onlyPicked() { this.whole = false; },
  get none() { return this.picked === 0; },
  get some() { return this.picked > 0; },
  get partly() { return this.picked > 0 && !this.whole; },
  get scope() { return this.whole ? "view" : "selected"; },
}));

window.Alpine = Alpine;
Alpine.start();

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    document.getElementById("palette")?.showModal();
    document.getElementById("palette-input")?.focus();
  }
});
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    dialog?.showModal();
    dialog?.querySelector("[autofocus], input:not([type=hidden])")?.focus();
  }
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog")?.close();
  if (event.target.matches("dialog")) event.target.close();
  const row = event.target.closest("tr[data-href]");
  if (row && !event.target.closest("a, button, input, label, select")) {
    window.location.href = row.dataset.href;
  }
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-autosubmit]")) event.target.form.requestSubmit();
});
// Rows of a list by keyboard: j and k move, x selects, Enter opens, / goes to the search field.
function isTyping(target) {
  return target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog[open]");
}
function moveRow(table, step) {
  const rows = [...table.querySelectorAll("tbody tr[data-href]")];
  const at = rows.indexOf(document.activeElement.closest?.("tr[data-href]"));
  const row = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step];
  if (!row) return;
  row.tabIndex = -1;
  row.focus();
  row.scrollIntoView({ block: "nearest" });
}
document.addEventListener("keydown", (event) => {
  const table = document.querySelector("table[data-keys]");
  if (!table || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const row = document.activeElement.closest?.("table[data-keys] tr[data-href]");
  const box = row?.querySelector("[data-row]");
  if (event.key === "j") moveRow(table, 1);
  else if (event.key === "k") moveRow(table, -1);
  else if (event.key === "x" && box) box.click();
  else if (event.key === "Enter" && row === document.activeElement) window.location.href = row.dataset.href;
  else if (event.key === "/") document.querySelector("form.filters input[type=search]")?.focus();
  else return;
  event.preventDefault();
});

// On a phone the navigation and a page's tabs are lines that scroll: begin where one is.
document.querySelectorAll(".rail .items [aria-current], .tabs [aria-current]").forEach((here) => {
  const line = here.parentElement;
  if (line.scrollWidth > line.clientWidth) line.scrollLeft += here.getBoundingClientRect().left - line.getBoundingClientRect().left - 24;
});

// Paper is white: what is printed from the dark is printed as in the light.
let shown = null;
function printed(theme) {
  document.documentElement.dataset.bsTheme = theme;
  document.dispatchEvent(new CustomEvent("themechange"));
}
window.addEventListener("beforeprint", () => { shown = document.documentElement.dataset.bsTheme; printed("light"); });
window.addEventListener("afterprint", () => { if (shown) printed(shown); });

// What scrolls and holds nothing that takes the focus takes it itself, so that a keyboard can scroll it.
function reachable() {
  document.querySelectorAll(".scroll, .bills").forEach((place) => {
    const scrolls = place.scrollWidth > place.clientWidth || place.scrollHeight > place.clientHeight;
    if (scrolls && !place.hasAttribute("tabindex")) place.tabIndex = 0;
  });
}
["load", "resize"].forEach((name) => window.addEventListener(name, reachable));
document.addEventListener("htmx:afterSettle", reachable);

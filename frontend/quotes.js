// The quote builder: messages at their fields, focus after a swap. Amounts come from the server.
const form = document.getElementById("builder");
let isUnsaved = false;
function unsaved(value) {
  isUnsaved = value;
  form?.toggleAttribute("data-changed", value); // what says it is saved speaks of what was before
}

// A change swaps only the document, so that typing goes on; its messages go to their fields.
function placeProblems(preview) {
  form.querySelectorAll(".cell .error, .tiers .error").forEach((place) => { place.textContent = ""; });
  form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
  preview.querySelectorAll(".problems [data-problem]").forEach((link) => {
    const field = document.getElementById(link.dataset.problem);
    const place = document.getElementById(`${link.dataset.problem}_error`);
    if (place) place.textContent = link.nextElementSibling?.textContent ?? "";
    if (field) {
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", `${field.id}_error`);
    }
  });
}

// The buttons stay: one that was pressed while a change was being saved waits for its turn.
function placeWays(preview) {
  const ways = preview.querySelector("#ways");
  ["undo", "redo"].forEach((name) => {
    const button = form.querySelector(`button[name="do"][value="${name}"]`);
    if (!ways || !button) return;
    const words = ways.dataset[name];
    button.disabled = !words;
    button.title = words || `Nothing to ${name}`;
    button.setAttribute("aria-label", button.title);
  });
}

// What a line's term takes off; the line may have gone while the answer was on its way.
function placeTerms(preview) {
  preview.querySelectorAll("template[data-goes-to]").forEach((term) => {
    document.getElementById(term.dataset.goesTo)?.replaceChildren(term.content.cloneNode(true));
  });
}

let typed = 0; // times; what is typed while a slow answer is on its way is not in that answer
form?.addEventListener("input", () => { typed += 1; unsaved(true); });
document.addEventListener("htmx:beforeRequest", (event) => { event.detail.xhr.typed = typed; });
form?.addEventListener("submit", () => unsaved(false));
// An answer that leads elsewhere has saved what was typed: nothing asks whether to leave.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (event.detail.xhr.getResponseHeader("HX-Redirect")) unsaved(false);
});
document.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  if (target?.id === "preview") {
    placeProblems(target);
    placeWays(target);
    placeTerms(target);
  }
  if (target?.id === "preview" || target?.id === "panes") {
    unsaved(event.detail.xhr.typed < typed || document.querySelector("#preview [data-unsaved]") !== null);
  }
});
let focused = "";
document.addEventListener("htmx:beforeSwap", () => { focused = document.activeElement?.id ?? ""; });
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id !== "panes") return;
  const wanted = event.detail.target.querySelector("[data-focus]")?.dataset.focus || focused;
  if (wanted) document.getElementById(wanted)?.focus();
});

// The keyboard does what the buttons do: it presses the one of the line or phase the cursor is in.
function press(name) {
  const button = form.querySelector(`button[name="do"][value="${name}"]`);
  if (button && !button.disabled) button.click();
  return button !== null;
}
function onThis(verb) {
  const line = document.activeElement?.closest("[data-line]");
  if (line) return press(`${verb}-line:${line.dataset.line}`);
  const phase = document.activeElement?.closest("[data-phase]");
  return phase ? press(`${verb}-phase:${phase.dataset.phase}`) : false;
}
// To another phase: by the button of the line's menu, which is there while the menu is closed.
function toPhase(verb, step) {
  const place = document.activeElement?.closest("[data-line]")?.dataset.line;
  if (!place) return false;
  return press(`${verb}:${place}:${Number(place.split(":")[0]) + step}`);
}
function thisPhase() {
  return document.activeElement?.closest("[data-phase]")?.dataset.phase
    ?? form.querySelector("[data-phase]:last-of-type")?.dataset.phase ?? "0";
}
function goToPhase(step) {
  const phases = [...form.querySelectorAll("[data-phase]")];
  const at = phases.indexOf(document.activeElement?.closest("[data-phase]"));
  phases[at < 0 ? 0 : at + step]?.querySelector("input:not([type=hidden])")?.focus();
}
const withAlt = {
  KeyL: () => document.getElementById(`id_phases-${thisPhase()}-add`)?.focus(),
  KeyP: () => press("add-phase"),
  KeyT: () => press("add-trial"),
  KeyC: () => onThis("copy"),
  ArrowUp: () => onThis("up"),
  ArrowDown: () => onThis("down"),
  Delete: () => onThis("remove"),
  Backspace: () => onThis("remove"),
  PageUp: () => goToPhase(-1),
  PageDown: () => goToPhase(1),
};
const withAltShift = {
  KeyC: () => toPhase("copy-line-to", 1),
  ArrowUp: () => toPhase("move-line", -1),
  ArrowDown: () => toPhase("move-line", 1),
};
// What is typed and not saved yet is the field's own to undo; what was chosen is not.
const undoesItself = (field) => isUnsaved && field.matches("input:not([type=checkbox]), textarea");
const withCtrl = {
  KeyS: () => press("save"),
  Enter: () => press("send"),
  KeyZ: (event) => (event.shiftKey ? press("redo") : !undoesItself(event.target) && press("undo")),
  KeyY: () => press("redo"),
};
form?.ownerDocument.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const control = event.ctrlKey || event.metaKey;
  const typing = event.target.closest("input, textarea, select");
  let act = null;
  if (control && !event.altKey) act = withCtrl[event.code];
  else if (event.altKey && !control) act = (event.shiftKey ? withAltShift : withAlt)[event.code];
  else if (event.key === "?" && !typing) act = () => document.getElementById("keys")?.showModal();
  else if (event.key === "Enter" && typing?.matches(".adder select") && typing.value) {
    act = () => press(`add-line:${thisPhase()}`);
  }
  if (act && act(event) !== false) event.preventDefault();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-problem]");
  if (!link) return;
  event.preventDefault();
  document.getElementById(link.dataset.problem)?.focus();
});
window.addEventListener("beforeunload", (event) => {
  if (isUnsaved) event.preventDefault();
});

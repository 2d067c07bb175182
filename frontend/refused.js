// What was typed survives a refusal. A form that leads back to its page, where an alert says why
// nothing happened, has again what was typed into it; its dialog is open, with the reason in it.
const SENT = "sent";
const TYPED = "input:not([type=hidden], [type=password], [type=file]), select:not([data-autosubmit]), textarea";

function isChanged(field) {
  if (field.matches("[type=checkbox], [type=radio]")) return field.checked !== field.defaultChecked;
  if (field.matches("select")) return [...field.options].some((one) => one.selected !== one.defaultSelected);
  return field.value !== field.defaultValue;
}
function said(field) {
  if (field.matches("[type=checkbox], [type=radio]")) return field.checked;
  return field.multiple ? [...field.selectedOptions].map((one) => one.value) : field.value;
}
function say(field, value) {
  if (typeof value === "boolean") field.checked = value;
  else if (Array.isArray(value)) [...field.options].forEach((one) => { one.selected = value.includes(one.value); });
  else field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
}
// Forms of a page that lead to one address are told apart by their dialog, or by their place among
// them: the page may have others by now. (Attributes, as a button named "action" hides the property.)
const dialogOf = (form) => form.closest("dialog")?.id ?? "";
function alike(address, dialog) {
  return [...document.querySelectorAll("form[method=post]")].filter(
    (form) => form.getAttribute("action") === address && dialogOf(form) === dialog,
  );
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  const address = form.getAttribute("action");
  const fields = [...form.querySelectorAll(TYPED)];
  const typed = fields.flatMap((field, at) => (isChanged(field) ? [[at, field.name, said(field)]] : []));
  const dialog = dialogOf(form);
  const kept = { page: location.pathname, address, dialog, at: alike(address, dialog).indexOf(form), typed };
  sessionStorage.setItem(SENT, JSON.stringify(kept));
});

function fillAgain({ page, address, dialog: id, at, typed }, alert) {
  const form = page === location.pathname && alike(address, id)[at];
  if (!form) return;
  const fields = [...form.querySelectorAll(TYPED)];
  typed.forEach(([place, name, value]) => {
    if (fields[place]?.name === name) say(fields[place], value);
  });
  const dialog = form.closest("dialog");
  if (!dialog) return;
  dialog.showModal();
  (form.querySelector("h2") ?? dialog.querySelector("h2"))?.after(alert);
  form.querySelector(TYPED)?.focus();
}

const kept = sessionStorage.getItem(SENT);
sessionStorage.removeItem(SENT);
const refusal = document.querySelector("#alerts > .alert-s.bad");
if (kept && refusal) fillAgain(JSON.parse(kept), refusal);

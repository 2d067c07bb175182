// The quote builder: messages at their fields, focus after a swap. Amounts come from the server.
const form = document.getElementById("builder");
let isUnsaved = false;

// A change swaps only the document, so that typing goes on; its messages go to their fields.
function placeProblems(preview) {
  form.querySelectorAll(".cell .error, .tiers .error").forEach((place) => { place.textContent = ""; });
  form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
  preview.querySelectorAll("[data-problem]").forEach((link) => {
    const field = document.getElementById(link.dataset.problem);
    const place = document.getElementById(`${link.dataset.problem}_error`);
    if (place) place.textContent = link.nextElementSibling?.textContent ?? "";
    if (field) {
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", `${field.id}_error`);
    }
  });
}

form?.addEventListener("input", () => { isUnsaved = true; });
form?.addEventListener("submit", () => { isUnsaved = false; });
document.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  if (target?.id === "preview") placeProblems(target);
  if (target?.id === "preview" || target?.id === "panes") {
    isUnsaved = document.querySelector("#preview [data-unsaved]") !== null;
  }
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id !== "panes") return;
  const wanted = event.detail.target.querySelector("[data-focus]")?.dataset.focus;
  if (wanted) document.getElementById(wanted)?.focus();
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

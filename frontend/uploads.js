// A file on its way up: how far it is, and a way to stop. A line that is cut loses nothing: the file
// is still chosen, and can be sent again. Without this script the form is sent as forms are.
import { begin, end, failure, isSignIn, press, release, speak, tokenNow } from "./loading.js";

const toasts = document.getElementById("toasts");
const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
let told; // what failed before

function progress(names, stop) {
  const box = document.createElement("div");
  box.className = "sending";
  box.innerHTML = '<div class="actions"><strong></strong><span class="muted"></span><button type="button" class="linkish">Stop</button></div><progress max="1" value="0"></progress>';
  box.querySelector("strong").textContent = names;
  box.querySelector("progress").setAttribute("aria-label", `${names} is sent`);
  box.querySelector("button").addEventListener("click", stop);
  toasts.append(box);
  return box;
}

// The page it leads to, or this one with what was wrong.
function show(xhr, form) {
  if (new URL(xhr.responseURL).pathname !== new URL(form.action, window.location.href).pathname) {
    window.location.href = xhr.responseURL;
    return;
  }
  const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
  const main = document.getElementById("main");
  main.replaceChildren(...page.getElementById("main").childNodes);
  window.htmx.process(main);
  main.querySelector("[aria-invalid=true], [role=alert]")?.scrollIntoView({ block: "nearest" });
  main.querySelector("[aria-invalid=true]")?.focus();
}

function send(form, button) {
  if (button && !press(button)) return;
  told?.remove();
  const names = [...form.querySelectorAll("input[type=file]")].flatMap((field) => [...field.files]).map((file) => file.name).join(", ") || "The form";
  const xhr = new XMLHttpRequest();
  const box = progress(names, () => xhr.abort());
  const done = () => { box.remove(); end(form); if (button) release(button); };
  const failed = () => {
    done();
    const { status, responseURL: address } = xhr;
    told = failure({ what: "The file did not arrive. It is still chosen here.", status, address, again: () => send(form, button) });
    toasts.append(told);
  };
  xhr.upload.addEventListener("progress", (event) => {
    box.querySelector("progress").value = event.loaded / event.total;
    box.querySelector("span").textContent = `${size(event.loaded)} of ${size(event.total)}`;
  });
  xhr.upload.addEventListener("load", () => {
    box.querySelector("progress").removeAttribute("value");
    box.querySelector("span").textContent = "is being read";
    speak("The file is there and is being read …");
  });
  xhr.addEventListener("error", failed);
  xhr.addEventListener("abort", () => { done(); speak("Stopped. Nothing was sent."); });
  xhr.addEventListener("load", () => {
    if ((xhr.status >= 400 && xhr.status !== 422) || isSignIn(xhr.responseURL)) failed();
    else { done(); show(xhr, form); }
  });
  xhr.open("POST", form.action);
  xhr.setRequestHeader("X-CSRFToken", tokenNow() ?? "");
  begin(form);
  xhr.send(new FormData(form, button));
}

document.addEventListener("submit", (event) => {
  if (!("upload" in event.target.dataset) || event.defaultPrevented) return;
  event.preventDefault();
  send(event.target, event.submitter);
}, true);

// A slow or failing server: what waits says so where its answer will come, what was pressed is
// pressed once, what failed says so in words and can be tried again. One mechanism for htmx,
// links, forms and the grid.
const SOON = 120; // ms until waiting shows: an answer that comes at once makes nothing flicker
const SPOKEN = 1000; // until it is said to who cannot see it
const LONGEST = 20_000; // a link that brought a file leaves the page where it is
const PATIENT = { part: 60_000, again: 15_000 }; // ms until no answer is an answer: to a part, to one that asks again by itself
const AGAIN = [2, 4, 8, 15, 30]; // seconds between attempts to save by itself
const MOST_PATIENT = 30; // seconds a server may ask to be left alone

const speaker = document.getElementById("spoken");
const toasts = document.getElementById("toasts");
let speaking;
// What is told at the edge of the window hides nothing that one could not scroll into sight. (A class, as `:has()` on the root
// makes every change of a large grid cost seconds.)
if (toasts) {
  new MutationObserver(() => {
    document.documentElement.classList.toggle("toasted", toasts.childElementCount > 0);
    const field = document.activeElement;
    if (toasts.childElementCount && field.matches("input, textarea, select")) field.scrollIntoView({ block: "nearest" });
  }).observe(toasts, { childList: true });
}

export function speak(words, after = 0) {
  clearTimeout(speaking);
  speaking = setTimeout(() => { if (speaker) speaker.textContent = words; }, after);
}

// Waiting: counted, as several answers may be on their way to one place.
const waits = new WeakMap();
export function begin(place) {
  const one = waits.get(place) ?? { count: 0 };
  waits.set(place, one);
  one.count += 1;
  place.setAttribute("aria-busy", "true");
  if (one.count === 1) one.timer = setTimeout(() => show(place, one), SOON);
  speak("Loading …", SPOKEN);
}
function show(place, one) {
  place.classList.add("loading");
  if (place.childElementCount || place.textContent.trim() || place.matches("span, tr, tbody")) return;
  one.bones = Object.assign(document.createElement("div"), { className: "bones", innerHTML: "<i></i><i></i><i></i>" });
  place.append(one.bones);
}
export function end(place) {
  const one = waits.get(place);
  if (!one || (one.count = Math.max(0, one.count - 1)) > 0) return;
  clearTimeout(one.timer);
  one.bones?.remove();
  place.classList.remove("loading");
  place.removeAttribute("aria-busy");
  speak("");
}

// A pressed button keeps its size and its name; a second press does nothing.
const pressed = new Map();
export function press(button, cause) {
  const before = pressed.get(button);
  // One that waited for its turn is asked again for the same press.
  if (before) return "repeats" in button.dataset || (cause !== undefined && before.cause === cause);
  button.setAttribute("aria-busy", "true");
  pressed.set(button, { cause, timer: setTimeout(() => button.classList.add("pressed"), SOON) });
  return true;
}
export function release(button) {
  clearTimeout(pressed.get(button)?.timer);
  pressed.delete(button);
  button.classList.remove("pressed");
  button.removeAttribute("aria-busy");
}

// Words
export const isSignIn = (address) => new URL(address || "/", window.location.href).pathname.startsWith("/accounts/login");
export function why({ status = 0, address = "" }) {
  if (status === 401 || isSignIn(address)) return "You were signed out.";
  if (status === 0) return navigator.onLine ? "The server did not answer." : "You are offline.";
  if (status === 403) return "This is not allowed, or the page is too old.";
  if (status === 404) return "It is not there any more.";
  if (status === 413) return "It is larger than the server takes.";
  if (status === 429 || status === 503) return "The server is busy just now.";
  return "Something went wrong on our side.";
}
export function patience(header) { return Math.min(Number(header) || 0, MOST_PATIENT); }

export function failure({ what, status, address, again, role = "alert" }) {
  const box = document.createElement("div");
  box.className = "failed";
  box.setAttribute("role", role);
  const words = document.createElement("span");
  words.textContent = `${what} ${why({ status, address })}`;
  box.append(words);
  if (status === 401 || isSignIn(address)) {
    const link = document.createElement("a");
    Object.assign(link, { href: "/accounts/login/", target: "_blank", rel: "noopener", textContent: "Sign in" });
    box.append(link);
  }
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "linkish", textContent: "Try again" });
  button.addEventListener("click", () => { box.remove(); again(); });
  box.append(button);
  return box;
}

// htmx
const polls = (elt) => /(^|,)\s*every /.test(elt.getAttribute("hx-trigger") ?? "");
const standIn = (elt) => elt.querySelector(":scope > [data-waits], :scope > * > [data-waits]");
const ofForm = (elt) => elt.closest("form") ?? elt;
const failures = new Map(); // of an element, or of its form
const fails = new WeakMap(); // times in a row
const buttonOf = (elt) => elt.closest("button, a[hx-get]");

function settle(owner) {
  const one = failures.get(owner);
  if (!one) return;
  clearTimeout(one.timer);
  one.box.remove();
  failures.delete(owner);
}

// What failed, in words: a part of the page by its name, a form by what it says of itself.
const named = (part) => `${part[0].toUpperCase()}${part.slice(1)} could not be loaded.`;
function whatFailed({ elt, target, isPoll, isPost }) {
  const own = elt.closest("[data-failed]")?.dataset.failed;
  const part = standIn(target)?.dataset.waits;
  if (isPoll) return "This page is not up to date.";
  if (target.matches("span")) return "Not added up.";
  if (isPost && elt.matches("[data-autosave]")) return "Not saved yet; what you typed is kept here.";
  if (own) return own;
  if (isPost) return "This was not done; what you typed is kept here.";
  return part ? named(part) : "This could not be loaded.";
}

function place(box, { elt, target, inSight }) {
  if (inSight) {
    toasts.append(box);
  } else if (target.matches("span")) {
    target.replaceChildren(box);
  } else if (target.matches("tr")) {
    target.cells[0].append(box);
  } else {
    // The outline stays under the words, so that nothing moves.
    box.classList.toggle("over", standIn(target) !== null);
    target.prepend(box);
    if (elt.matches("a, button")) box.scrollIntoView({ block: "nearest" });
  }
}

function tell(event) {
  const { elt, target, requestConfig, xhr } = event.detail;
  if (!elt.isConnected || isGoing) return;
  const times = (fails.get(elt)?.times ?? 0) + 1;
  const wait = patience(xhr.getResponseHeader("Retry-After"));
  const later = 1000 * (wait || AGAIN[Math.min(times, AGAIN.length) - 1]);
  fails.set(elt, { times, until: times < 2 ? 0 : Date.now() + later });
  const isPoll = polls(elt) && !standIn(target);
  if (isPoll && times < 2) return; // it asks again by itself
  const isPost = requestConfig.verb !== "get" && !target.matches("span"); // which only adds up
  const isPreview = elt.matches("[data-preview]");
  const owner = isPost ? ofForm(elt) : elt;
  const again = () => {
    settle(owner);
    if (isPoll) fails.delete(elt);
    window.htmx.ajax(requestConfig.verb, requestConfig.path, { source: elt, target });
  };
  const what = whatFailed({ elt, target, isPoll, isPost });
  const box = failure({ what, status: xhr.status, address: xhr.responseURL, again, role: isPoll || isPreview ? "status" : "alert" });
  // What fails again in the same way stays as it is, with the focus that may be in it, and is not said anew.
  let one = failures.get(owner);
  if (one?.box.isConnected && isPoll && one.box.textContent === box.textContent) return;
  settle(owner);
  one = { box };
  failures.set(owner, one);
  place(box, { elt, target, inSight: isPost || isPoll });
  const saves = isPost && elt.matches("[data-autosave], [data-preview]");
  if (saves) one.timer = setTimeout(again, later);
  else if (!isPost && !isPoll && wait && times < AGAIN.length) one.timer = setTimeout(again, later);
}

document.addEventListener("htmx:confirm", (event) => {
  const button = buttonOf(event.detail.elt);
  if (button && !press(button, event.detail.triggeringEvent)) event.preventDefault();
});
document.addEventListener("htmx:validation:halted", (event) => {
  const button = buttonOf(event.detail.elt);
  if (button) release(button);
});
// Who signs in again, in another tab, has a new token; the one on this page is of no use.
export const tokenNow = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
document.addEventListener("htmx:configRequest", (event) => {
  const token = tokenNow();
  if (!token || event.detail.verb === "get") return;
  event.detail.headers["X-CSRFToken"] = token;
  if (event.detail.parameters.csrfmiddlewaretoken) event.detail.parameters.csrfmiddlewaretoken = token;
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, target, requestConfig, xhr } = event.detail;
  const isPoll = polls(elt) && !standIn(target);
  if (isPoll && Date.now() < (fails.get(elt)?.until ?? 0)) {
    event.preventDefault(); // a server in trouble is asked ever less often
    return;
  }
  if (requestConfig.verb === "get") xhr.timeout = isPoll ? PATIENT.again : PATIENT.part;
  if (isPoll) return;
  xhr.waitsAt = target;
  begin(target);
});
document.addEventListener("htmx:beforeCleanupElement", (event) => settle(event.detail.elt));
// A part that comes anew by itself leaves the focus, and what is scrolled aside, where they were.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt, target } = event.detail;
  if (!polls(elt) || standIn(target)) return;
  const around = target.parentElement;
  const one = document.activeElement;
  const alike = one.localName + (one.hasAttribute("href") ? `[href="${CSS.escape(one.getAttribute("href"))}"]` : "");
  const at = target.contains(one) && !one.id ? [...around.querySelectorAll(alike)].indexOf(one) : -1;
  const aside = [...around.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]);
  document.addEventListener("htmx:afterSwap", () => {
    if (at >= 0) around.querySelectorAll(alike)[at]?.focus({ preventScroll: true });
    around.querySelectorAll(".scroll").forEach((each, i) => { [each.scrollLeft, each.scrollTop] = aside[i] ?? [0, 0]; });
  }, { once: true });
});
document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, xhr, successful } = event.detail;
  if (xhr?.waitsAt) end(xhr.waitsAt);
  const button = buttonOf(elt);
  if (button) release(button);
  if (successful) {
    fails.delete(elt);
    settle(elt);
    settle(ofForm(elt));
  }
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isSignIn(event.detail.xhr.responseURL)) return;
  event.detail.shouldSwap = false; // the page to sign in on is no part of this one
  event.detail.isError = true;
});
["htmx:responseError", "htmx:sendError", "htmx:timeout"].forEach((name) => document.addEventListener(name, tell));
window.addEventListener("online", () => failures.forEach((one) => one.box.querySelector("button")?.click()));

// Pages: a slim bar while the next one is on its way.
let leaving;
let isGoing = false; // and what is on its way is broken off, which is nobody's fault
function stay() {
  clearTimeout(leaving);
  document.documentElement.classList.remove("leaving");
  document.getElementById("main")?.removeAttribute("aria-busy");
  [...pressed.keys()].forEach(release);
  speak("");
}
function leave(longest = LONGEST) {
  clearTimeout(leaving);
  document.getElementById("main")?.setAttribute("aria-busy", "true");
  document.documentElement.classList.add("leaving");
  speak("Loading …", SPOKEN);
  if (longest < Infinity) leaving = setTimeout(stay, longest);
}
document.addEventListener("submit", (event) => {
  const form = event.target;
  const method = form.getAttribute("method"); // a field of that name would hide the property
  if (event.defaultPrevented || method === "dialog" || form.getAttribute("target")) return;
  const token = method === "post" && tokenNow();
  const field = token && form.querySelector("input[name=csrfmiddlewaretoken]");
  if (field) field.value = token;
  if (event.submitter) press(event.submitter);
  leave(method === "post" ? Infinity : LONGEST); // an upload takes as long as its line
  // A second click on a slow answer must not send the form again.
  if (method === "post") {
    setTimeout(() => form.querySelectorAll("button:enabled").forEach((one) => { one.disabled = true; one.dataset.sent = ""; }));
  }
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const to = new URL(link.href, window.location.href);
  if (link.target || to.origin !== window.location.origin || (to.hash && to.pathname === window.location.pathname)) return;
  if (link.hasAttribute("download")) {
    event.preventDefault();
    bring(link);
  } else leave();
});
// Whoever comes back finds the page as it was, with its buttons.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  stay();
  document.querySelectorAll("[data-sent]").forEach((one) => { one.disabled = false; delete one.dataset.sent; });
});
window.addEventListener("beforeunload", (event) => {
  isGoing = !event.defaultPrevented;
  setTimeout(() => { isGoing = false; }, SOON * 20);
  if (event.defaultPrevented) setTimeout(stay, 50);
});

// A page instead of a file says why there is none.
async function refusalIn(answer) {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector("#alerts")?.textContent.trim() || "There is no such file now.";
}

// Files: the link is busy until the file is there.
async function bring(link) {
  if (!press(link)) return;
  settle(link);
  speak("Preparing the file …", SPOKEN);
  let answer = { status: 0, url: "" };
  try {
    answer = await fetch(link.href);
    if (!answer.ok || isSignIn(answer.url)) throw new Error(answer.status);
    if (answer.headers.get("Content-Type")?.startsWith("text/html")) throw new Error(await refusalIn(answer));
    const held = URL.createObjectURL(await answer.blob());
    const named = (answer.headers.get("Content-Disposition") ?? "").match(/filename\*?="?(?:utf-8'')?([^";]+)/i)?.[1];
    const save = Object.assign(document.createElement("a"), { href: held, download: decodeURIComponent(named ?? "") });
    save.click();
    setTimeout(() => URL.revokeObjectURL(held), 60_000);
    speak("The file is there.");
  } catch (error) {
    const status = answer.ok && !isSignIn(answer.url) ? 0 : answer.status;
    const box = failure({ what: "The file could not be made.", status, address: answer.url, again: () => bring(link) });
    if (answer.ok && error.message.includes(" ")) box.firstChild.textContent = error.message;
    failures.set(link, { box });
    toasts.append(box);
  }
  release(link);
}

// Reads the page as WCAG 2.2 AA asks: names, landmarks, headings, references, keyboard, contrast.
// Returns a list of [rule, where]; empty means that nothing was found.
() => {
  const found = [];
  const note = (rule, where) => found.push([rule, where]);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const style = (e) => getComputedStyle(e);

  const isVisible = (e) => {
    const box = e.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && style(e).visibility !== "hidden";
  };

  const where = (e) => {
    const classes = typeof e.className === "string" ? e.className.trim().split(/\s+/) : [];
    const tail = [e.id && `#${e.id}`, ...classes.slice(0, 2).map((one) => one && `.${one}`)];
    return e.tagName.toLowerCase() + tail.filter(Boolean).join("") + (e.name ? `[${e.name}]` : "");
  };

  const textOf = (ids) =>
    ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();

  const nameOf = (e) => {
    const labels = [...(e.labels ?? [])].map((label) => label.textContent).join(" ").trim();
    const picture = e.querySelector("img[alt], svg[aria-label]");
    return (
      e.getAttribute("aria-label") ||
      textOf(e.getAttribute("aria-labelledby") ?? "") ||
      labels ||
      (e.matches("input[type=submit], input[type=button]") && e.value) ||
      (e.matches("a, button, summary, [role=button]") && e.textContent.trim()) ||
      picture?.getAttribute("alt") ||
      picture?.getAttribute("aria-label") ||
      e.getAttribute("title") ||
      ""
    );
  };

  const needsName =
    "input:not([type=hidden]), select, textarea, a[href], button, summary, [role=button], iframe";
  all(needsName).filter((e) => isVisible(e) && !nameOf(e)).forEach((e) => note("name", where(e)));
  all("img:not([alt])").forEach((e) => note("alternative", where(e)));

  if (!document.documentElement.lang) note("language", "html");
  if (!document.title.trim()) note("title", "head");
  if (!document.querySelector("main")) note("landmark", "no main");
  const headings = all("h1, h2, h3, h4, h5, h6").filter(isVisible);
  if (!headings.some((e) => e.tagName === "H1")) note("heading", "no h1");
  headings.forEach((e, index) => {
    const before = index ? Number(headings[index - 1].tagName[1]) : 6;
    if (Number(e.tagName[1]) > before + 1) note("heading", `${where(e)} after h${before}`);
  });

  const ids = all("[id]").map((e) => e.id);
  new Set(ids.filter((id, index) => ids.indexOf(id) !== index)).forEach((id) => note("id", id));
  for (const attribute of ["aria-describedby", "aria-labelledby", "aria-controls"]) {
    for (const e of all(`[${attribute}]`)) {
      const missing = e.getAttribute(attribute).split(/\s+/).filter((id) => id && !ids.includes(id));
      missing.forEach((id) => note("reference", `${attribute}=${id} on ${where(e)}`));
    }
  }

  all("thead th")
    .filter((e) => isVisible(e) && !e.textContent.trim() && !e.querySelector("input, button"))
    .forEach((e) => note("column", `${where(e.closest("table"))}: a column without a heading`));

  all("[tabindex]").filter((e) => e.tabIndex > 0).forEach((e) => note("tab order", where(e)));
  const scrolls = (e) =>
    (e.scrollWidth > e.clientWidth + 2 && /auto|scroll/.test(style(e).overflowX)) ||
    (e.scrollHeight > e.clientHeight + 2 && /auto|scroll/.test(style(e).overflowY));
  const takesFocus = "a[href], button, input, select, textarea, [tabindex]";
  all(".scroll, pre")
    .filter((e) => isVisible(e) && scrolls(e) && e.tabIndex < 0 && !e.querySelector(takesFocus))
    .forEach((e) => note("keyboard", `${where(e)} scrolls and cannot be reached`));

  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const color = (text) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, below) =>
    [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const backgroundOf = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
      const layer = color(style(at).backgroundColor);
      if (layer[3] > 0) layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const [red, green, blue] = rgb
      .map((one) => one / 255)
      .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const unread = "script, style, noscript, option, :disabled, [aria-hidden=true], .visually-hidden";
  while (walker.nextNode()) {
    const words = walker.currentNode.data.trim();
    const e = walker.currentNode.parentElement;
    if (!words || !isVisible(e) || e.closest(unread)) continue;
    const ink = color(style(e).color);
    for (let at = e; at; at = at.parentElement) ink[3] *= Number(style(at).opacity);
    const ground = backgroundOf(e);
    const both = [luminance(over(ink, ground)), luminance(ground)];
    const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    const size = parseFloat(style(e).fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style(e).fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) note("contrast", `${where(e)} ${ratio.toFixed(2)}: ${words.slice(0, 30)}`);
  }
  return found;
}

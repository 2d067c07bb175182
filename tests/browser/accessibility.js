// Reads the page, or one part of it, with axe-core, and asks what axe leaves open.
// Returns a list of [rule, impact, where, why]; empty means that nothing was found.
async ([within, rules]) => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];
  const runOnly = rules ? { type: "rule", values: rules } : { type: "tag", values: tags };
  const wanted = { runOnly, resultTypes: ["violations", "incomplete"], iframes: false };
  const answer = await axe.run(within || document, wanted);
  const found = answer.violations.flatMap((rule) =>
    rule.nodes.map((node) => [
      rule.id, rule.impact, `${node.target.join(" ")} ${node.html.slice(0, 160)}`,
      (node.failureSummary ?? "").split("\n").slice(1).join(" ").trim(),
    ]),
  );

  // Ids and references: an id that is there twice takes the wrong answer of htmx; of a reference
  // to what is not there axe says that a person must look.
  const all = (selector) => [...document.querySelectorAll(selector)];
  const where = (e) => `${e.tagName.toLowerCase()}${e.id && `#${e.id}`} ${e.outerHTML.slice(0, 120)}`;
  const ids = all("[id]").map((e) => e.id);
  new Set(ids.filter((id, index) => ids.indexOf(id) !== index))
    .forEach((id) => found.push(["id", "serious", `#${id}`, "is there more than once"]));
  for (const attribute of ["aria-describedby", "aria-labelledby", "aria-controls"]) {
    for (const e of all(`[${attribute}]`)) {
      e.getAttribute(attribute).split(/\s+/).filter((id) => id && !ids.includes(id))
        .forEach((id) => found.push(["reference", "serious", where(e), `${attribute}: no #${id}`]));
    }
  }

  // Contrast that axe cannot measure: on a picture (each list's arrow), under something, one letter.
  const style = (e) => getComputedStyle(e);
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const color = (text) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
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
  const open = answer.incomplete.filter((rule) => rule.id === "color-contrast").flatMap((rule) => rule.nodes);
  for (const { target } of open) {
    const e = document.querySelector(target.at(-1));
    if (!e || e.closest(":disabled, [aria-hidden=true]")) continue;
    const ink = color(e instanceof SVGElement ? style(e).fill : style(e).color);
    for (let at = e; at; at = at.parentElement) ink[3] *= Number(style(at).opacity);
    const ground = backgroundOf(e);
    const both = [luminance(over(ink, ground)), luminance(ground)];
    const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    const size = parseFloat(style(e).fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style(e).fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(["contrast", "serious", where(e), ratio.toFixed(2)]);
  }
  return found;
}

// A long table that scrolls: the server's rows, fetched where one looks. Nothing is computed here.
import { TabulatorFull as Tabulator } from "tabulator-tables";
import "tabulator-tables/dist/css/tabulator_simple.min.css";
import { begin, end, failure, patience } from "./loading.js";
import "./grid.css";

const BLOCK = 50; // rows of one answer
const PAUSE = 60; // ms at rest before rows are fetched, so that flying past asks for nothing
const RETRY = 2; // seconds; longer every time, then only when a person asks
const TIMES = 3;

function read(tr) {
  const box = tr.querySelector("[data-row]");
  return {
    id: box ? box.value : "", href: tr.dataset.href || "", label: box ? box.getAttribute("aria-label") : "",
    cells: [...tr.cells].slice(1).map((td) => td.innerHTML),
  };
}

class Grid {
  constructor(table) {
    this.form = table.closest("form");
    this.address = table.dataset.grid;
    this.since = Date.now(); // the order of rows is that of now for as long as one stays
    this.rows = new Map(); // by place in the view
    this.asked = new Set();
    this.failures = 0; // in a row
    this.waiting = new Map(); // place -> the row that shows it
    this.picked = new Map(); // id -> its place; kept when the row is scrolled away
    const count = Number(table.dataset.count);
    const first = Number(table.dataset.first) - 1;
    [...table.tBodies[0].rows].forEach((tr, i) => this.rows.set(first + i, read(tr)));
    this.place = document.createElement("div");
    this.place.className = "desk-grid";
    this.place.dataset.gridReady = "";
    const columns = this.columns(table.tHead.rows[0]);
    table.closest(".scroll").replaceWith(this.place);
    document.querySelector("[data-pages]")?.remove();
    document.querySelector("[data-grid-keys]")?.removeAttribute("hidden");
    this.table = new Tabulator(this.place, {
      data: Array.from({ length: count }, (_, at) => ({ at })), index: "at", columns,
      height: "66vh", rowHeight: 34, renderVerticalBuffer: 240, layout: "fitDataStretch", headerSortElement: "", columnDefaults: { headerSort: false, resizable: "header" },
      selectableRange: 1, selectableRangeColumns: false, selectableRangeRows: false, selectableRangeClearCells: false,
      clipboard: "copy", clipboardCopyStyled: false, clipboardCopyRowRange: "range",
      clipboardCopyConfig: { rowHeaders: false, columnHeaders: false },
      rowFormatter: (row) => row.getElement().setAttribute("aria-rowindex", row.getData().at + 2),
    });
    const top = window.scrollY;
    this.table.on("tableBuilt", () => {
      this.describe(count);
      this.start(first);
      // The grid takes the focus for its keys, and with it the page would jump down to it.
      requestAnimationFrame(() => window.scrollTo({ top }));
      // Columns are as wide as what is in them: measured again once type and styles are there.
      document.fonts.ready.then(() => this.table.redraw());
      if (document.readyState !== "complete") window.addEventListener("load", () => this.table.redraw(), { once: true });
    });
    this.place.addEventListener("change", (event) => this.ticked(event));
    this.place.addEventListener("dblclick", (event) => this.open(event));
    this.place.addEventListener("keydown", (event) => this.key(event), true);
  }

  columns(head) {
    const titles = [...head.cells];
    const box = {
      field: "box", width: 38, resizable: false, clipboard: false, cssClass: "box stuck",
      title: '<input type="checkbox" aria-label="Select all in this view" data-whole>', titleFormatter: "html",
      formatter: (cell) => this.box(cell),
    };
    const others = titles.slice(1).map((th, i) => ({
      title: th.innerHTML, titleFormatter: "html", field: `c${i}`, cssClass: i === 0 ? "who stuck" : "",
      hozAlign: th.classList.contains("n") ? "right" : "left", headerHozAlign: th.classList.contains("n") ? "right" : "left",
      minWidth: i === 0 ? 120 : 64, width: i === 0 ? this.wide() : undefined, widthGrow: 1,
      formatter: (cell) => this.cell(cell, i), accessorClipboard: (_v, data) => this.text(data.at, i),
    }));
    return [box, ...others];
  }

  // On a screen of 1,280 points the thirteen months stand beside what changed.
  wide() {
    if (window.innerWidth < 600) return 130;
    return window.innerWidth < 1400 ? 184 : 220;
  }

  box(cell) {
    const { at } = cell.getData();
    const row = this.rows.get(at);
    if (!row) return "";
    const input = document.createElement("input");
    input.type = "checkbox";
    input.dataset.at = at;
    input.checked = this.whole || this.picked.has(row.id);
    input.setAttribute("aria-label", row.label);
    return input;
  }

  cell(cell, i) {
    const { at } = cell.getData();
    const row = this.rows.get(at);
    if (row) return row.cells[i]; // escaped by the server, as in the plain table
    if (i === 0) {
      this.waiting.set(at, cell.getRow());
      this.soon();
    }
    return '<span class="waits"></span>';
  }

  text(at, i) {
    const cell = document.createElement("div");
    cell.innerHTML = this.rows.get(at)?.cells[i] ?? "";
    return cell.textContent.replace(/\s+/g, " ").trim();
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetchShown(), PAUSE);
  }

  fetchShown() {
    const blocks = new Set();
    this.waiting.forEach((row, at) => {
      if (row.getElement().isConnected) blocks.add(Math.floor(at / BLOCK));
      else this.waiting.delete(at);
    });
    blocks.forEach((block) => this.fetchBlock(block));
  }

  async fetchBlock(block) {
    if (this.asked.has(block)) return;
    this.asked.add(block);
    begin(this.place);
    let answer = { status: 0, url: "" };
    try {
      answer = await fetch(`${this.address}&since=${this.since}&start=${block * BLOCK}`, { headers: { "HX-Request": "true" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(`<table><tbody>${await answer.text()}</tbody></table>`, "text/html");
      page.querySelectorAll("tr").forEach((tr, i) => this.rows.set(block * BLOCK + i, read(tr)));
      for (let at = block * BLOCK; at < (block + 1) * BLOCK; at += 1) {
        const row = this.waiting.get(at);
        if (row && this.rows.has(at)) { this.waiting.delete(at); row.reformat(); }
      }
      this.failures = 0;
      this.told?.remove();
    } catch {
      this.asked.delete(block);
      this.failed(answer);
    }
    end(this.place);
  }

  // The outline of the rows stays; over it stands why, and a way to ask again.
  failed(answer) {
    this.failures += 1;
    clearTimeout(this.again);
    const again = () => { this.told?.remove(); this.soon(); };
    this.told?.remove();
    this.told = failure({ what: "These rows could not be loaded.", status: answer.status, address: answer.url, again });
    this.told.classList.add("grid-failed");
    this.form.append(this.told);
    const wait = patience(answer.headers?.get("Retry-After")) || RETRY * this.failures;
    if (this.failures <= TIMES && !answer.redirected) this.again = setTimeout(() => this.soon(), 1000 * wait);
  }

  get whole() { return this.form.querySelector("[name=scope]")?.value === "view"; }

  ticked(event) {
    const box = event.target;
    if ("whole" in box.dataset) {
      this.picked.clear();
      if (box.checked) { this.rows.forEach((row, at) => { if (row.id) this.picked.set(row.id, at); }); }
      this.tell(box.checked);
    } else if (box.dataset.at) {
      const row = this.rows.get(Number(box.dataset.at));
      if (this.whole) { this.picked.clear(); this.rows.forEach((one, at) => one.id && this.picked.set(one.id, at)); }
      if (box.checked) this.picked.set(row.id, Number(box.dataset.at)); else this.picked.delete(row.id);
      this.tell(false);
    }
    this.place.querySelectorAll("input[data-at]").forEach((each) => {
      const row = this.rows.get(Number(each.dataset.at));
      each.checked = row !== undefined && this.picked.has(row.id);
    });
  }

  tell(whole) {
    const list = this.form.querySelector("[data-picked]");
    list.value = [...this.picked.keys()].join(",");
    list.dispatchEvent(new CustomEvent("picked", { bubbles: true, detail: { whole } }));
  }

  open(event) {
    const row = this.rows.get(this.at(event.target));
    if (row && !event.target.closest("input, a")) window.location.href = row.href;
  }

  at(target) {
    const element = target.closest(".tabulator-row");
    const row = element && this.table.getRows("visible").find((each) => each.getElement() === element);
    return row ? row.getData().at : undefined;
  }

  active() {
    const range = this.table.getRanges()[0];
    return range?.getRows()[0]?.getData().at;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox])")) return;
    const row = this.rows.get(this.active());
    const arrow = { j: "ArrowDown", k: "ArrowUp" }[event.key];
    if (arrow) {
      const code = arrow === "ArrowDown" ? 40 : 38;
      event.target.dispatchEvent(new KeyboardEvent("keydown", { key: arrow, keyCode: code, which: code, bubbles: true }));
    } else if (event.key === "Enter" && row) window.location.href = row.href;
    else if (event.key === "x" && row) this.place.querySelector(`input[data-at="${this.active()}"]`)?.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Who cannot see it is told how many rows there are, not only those that are drawn.
  describe(count) {
    const holder = this.place.querySelector(".tabulator-tableholder");
    holder.setAttribute("role", "rowgroup"); // what takes the focus in a grid has a part in it
    holder.querySelector(".tabulator-table").setAttribute("role", "presentation");
    this.place.removeAttribute("aria-owns");
    this.place.setAttribute("aria-label", document.querySelector("h1").textContent.trim());
    this.place.setAttribute("aria-rowcount", count + 1);
    this.place.setAttribute("aria-multiselectable", "true");
    this.place.querySelector(".tabulator-headers").setAttribute("aria-rowindex", 1);
  }

  start(first) {
    document.getElementById("everything")?.remove(); // the box in the head does it
    const wanted = Number(new URLSearchParams(window.location.hash.slice(1)).get("row")) || first;
    if (wanted > 0) this.table.scrollToRow(wanted, "top", false).catch(() => undefined);
    this.table.on("scrollVertical", () => {
      clearTimeout(this.kept);
      this.kept = setTimeout(() => {
        const top = this.table.getRows("visible")[0]?.getData().at;
        if (top !== undefined) window.history.replaceState(window.history.state, "", `#row=${top}`);
      }, 300);
    });
  }
}

document.querySelectorAll("table[data-grid]").forEach((table) => new Grid(table));

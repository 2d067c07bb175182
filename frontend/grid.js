// A large grid whose rows, sorting and formatting come from the server.
import { TabulatorFull as Tabulator } from "tabulator-tables";
import "tabulator-tables/dist/css/tabulator_simple.min.css";

document.querySelectorAll("[data-grid]").forEach((place) => {
  const columns = JSON.parse(document.getElementById(place.dataset.columns).textContent);
  new Tabulator(place, {
    ajaxURL: place.dataset.grid, columns, height: "68vh", layout: "fitDataStretch",
    sortMode: "remote", filterMode: "remote", progressiveLoad: "scroll", paginationSize: 100,
    placeholder: "Nothing matches these filters.",
  });
});

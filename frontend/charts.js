// Draws what the server computed: <div class="chart" data-chart="id of a JSON block">.
import * as echarts from "echarts/core";
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

echarts.use([BarChart, LineChart, GridComponent, LegendComponent, TooltipComponent, SVGRenderer]);

const PALETTE = ["#444ce7", "#2e90fa", "#12b76a", "#f79009", "#ee46bc", "#7a5af8", "#0e9384", "#98a2b3"];
const drawn = new Map();

// What is counted has no halves, also where nothing was.
const isWhole = (spec) => spec.series.every((one) => one.values.every((value) => Number.isInteger(Number(value ?? 0))));
function options(spec, place) {
  const style = getComputedStyle(place); // on paper it is light in the dark, too
  const ink = style.getPropertyValue("--tl-muted").trim();
  const line = style.getPropertyValue("--tl-line").trim();
  return {
    color: PALETTE,
    animation: false,
    textStyle: { fontFamily: "Inter Variable, Inter, sans-serif", fontSize: 11 },
    grid: { left: 8, right: 12, top: spec.series.length > 1 ? 34 : 14, bottom: 4, containLabel: true },
    legend: spec.series.length > 1 ? { type: "scroll", pageIconColor: ink, pageTextStyle: { color: ink }, top: 0, left: 0, icon: "roundRect", itemWidth: 10, itemHeight: 10, textStyle: { color: ink } } : undefined,
    tooltip: { trigger: "axis", backgroundColor: style.getPropertyValue("--tl-card").trim(), borderColor: line, textStyle: { color: style.getPropertyValue("--tl-ink").trim(), fontSize: 11 }, valueFormatter: (value) => (value === null || value === undefined ? "–" : Number(value).toLocaleString("en-US")) },
    xAxis: { type: "category", data: spec.labels, axisLabel: { color: ink, lineHeight: 14 }, axisLine: { lineStyle: { color: line } }, axisTick: { show: false } },
    yAxis: { type: "value", minInterval: isWhole(spec) ? 1 : undefined, axisLabel: { color: ink }, splitLine: { lineStyle: { color: line } } },
    series: spec.series.map((one) => ({
      name: one.name, type: spec.type === "line" ? "line" : "bar", data: one.values,
      stack: spec.stacked ? "all" : undefined, barMaxWidth: 34, showSymbol: false, smooth: false,
    })),
  };
}

function draw() {
  document.querySelectorAll("[data-chart]").forEach((place) => {
    const block = document.getElementById(place.dataset.chart);
    if (!block) return;
    const chart = drawn.get(place) ?? echarts.init(place, null, { renderer: "svg" });
    drawn.set(place, chart);
    chart.setOption(options(JSON.parse(block.textContent), place), true);
  });
}

draw();
document.addEventListener("themechange", draw);
document.addEventListener("htmx:afterSettle", draw);
window.addEventListener("resize", () => drawn.forEach((chart) => chart.resize()));

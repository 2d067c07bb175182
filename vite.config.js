import { cpSync, mkdirSync } from "node:fs";
import { defineConfig } from "vite";

// The print font is handed to WeasyPrint as a data: address, so it keeps a plain name.
const printFont = {
  name: "print-font",
  closeBundle() {
    mkdirSync("static_dist/fonts", { recursive: true });
    cpSync(
      "node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
      "static_dist/fonts/print-inter.woff2",
    );
  },
};

export default defineConfig({
  base: "/static/",
  build: {
    outDir: "static_dist",
    emptyOutDir: true,
    manifest: true,
    chunkSizeWarningLimit: 1200,
    rollupOptions: {
      input: { main: "frontend/main.js", grid: "frontend/grid.js", charts: "frontend/charts.js", quotes: "frontend/quotes.js" },
    },
  },
  plugins: [printFont],
});

import { cpSync, mkdirSync } from "node:fs";
import { defineConfig } from "vite";

// Python cuts the faces of printed documents out of these (monetization/documents/fonts.py), so they keep plain names.
const inter = "node_modules/@fontsource-variable/inter/files";
const printFonts = {
  name: "print-fonts",
  closeBundle() {
    mkdirSync("static_dist/fonts", { recursive: true });
    cpSync(`${inter}/inter-latin-wght-normal.woff2`, "static_dist/fonts/print-inter.woff2");
    cpSync(`${inter}/inter-latin-ext-wght-normal.woff2`, "static_dist/fonts/print-inter-ext.woff2");
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
  plugins: [printFonts],
});

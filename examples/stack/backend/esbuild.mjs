// Bundles each entry point into one CommonJS file: a start reads one file instead of a thousand,
// and `node -e "require('./dist/seeds/seedCategories.js')"` works as the runbook writes it.
import { readdirSync, rmSync } from "node:fs";
import { build } from "esbuild";

const seeds = readdirSync("src/seeds").filter((file) => file.startsWith("seed"));

rmSync("dist", { recursive: true, force: true });
await build({
  entryPoints: ["src/server.ts", ...seeds.map((file) => `src/seeds/${file}`)],
  outbase: "src",
  outdir: "dist",
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["pg-native"],
  logLevel: "warning",
});

// Bundles src/ into dist/: each file compressed as NAME.gz, its name changing with its content, and the page that names
// them. Fails if the dashboard grows beyond what it may weigh.
import { build } from "esbuild";
import { readFileSync, writeFileSync, rmSync, mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const MOST_BYTES = 150_000; // compressed, all files

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });

const common = {
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  minify: true,
  entryNames: "[name]-[hash]",
  legalComments: "none",
  write: false,
  metafile: true,
};
const scripts = await build({
  ...common,
  entryPoints: ["src/main.ts"],
  format: "esm",
  splitting: true, // what is imported on demand is loaded on demand
  target: "es2022",
  chunkNames: "[name]-[hash]",
  loader: { ".css": "empty" }, // there is one style sheet
});
const styles = await build({ ...common, entryPoints: ["src/style.css"] });

let bytes = 0;
function add(name, content) {
  const compressed = gzipSync(content, { level: 9 });
  writeFileSync(join(dist, `${name}.gz`), compressed);
  bytes += compressed.length;
}

const names = {};
const files = [...scripts.outputFiles, ...styles.outputFiles];
for (const [path, output] of Object.entries({ ...scripts.metafile.outputs, ...styles.metafile.outputs })) {
  if (output.entryPoint) names[basename(output.entryPoint)] = basename(path);
}
for (const file of files) add(basename(file.path), file.contents);
let page = readFileSync(join(root, "src/index.html"), "utf8");
for (const [entry, name] of Object.entries(names)) page = page.replaceAll(`{{${entry}}}`, `/assets/${name}`);
if (page.includes("{{")) throw new Error("index.html names a file that was not bundled");
add("index.html", page);
console.log(`dashboard: ${bytes} bytes compressed, in ${files.length + 1} files`);
if (bytes > MOST_BYTES) throw new Error(`the dashboard has ${bytes} bytes compressed, ${MOST_BYTES} are allowed`);

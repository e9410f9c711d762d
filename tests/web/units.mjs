// Parts of the dashboard that need no page, in plain node: node units.mjs MODULES SOURCES.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";

const [modules, sources] = process.argv.slice(2);
const { buildSync } = createRequire(modules)("esbuild");

/** What a source file exports. */
async function load(name) {
  const { outputFiles } = buildSync({ entryPoints: [join(sources, name)], bundle: true, format: "esm", write: false });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

const { Series } = await load("series.ts");
const { availability, NONE, stretch } = await load("format.ts");
const { patienceMs } = await load("live.ts");
const { outages } = await load("marks.ts");

const NOON = Date.UTC(2024, 0, 1, 12);

/** The event of an interval of a second that ended so many seconds after noon. */
function event(second, qps) {
  return {
    current: {
      timestamp: new Date(NOON + second * 1000).toISOString(), interval_seconds: 1, health_score: 100, overhead: {},
      query_metrics: { queries_per_second: qps, waits: null }, system_metrics: {}, target_metrics: {}, cache_metrics: {},
    },
  };
}

/** The tail as [seconds after noon, rate]; an interval stands where it began. */
function drawn(series) {
  const { times, column } = series.drawn(true);
  return times.map((time, i) => [Math.round(time * 1000 - NOON) / 1000, column("qps")[i]]);
}

test("a clock that is set back begins the tail anew", () => {
  const series = new Series();
  for (const second of [1, 2, 3]) series.append(event(second, second * 10), "");
  series.append(event(-3597, 40), "");
  series.append(event(-3596, 50), "");
  assert.deepEqual(drawn(series), [[-3598, 40], [-3597, 50]]);
});

test("an event that comes twice, or a little late, is drawn once", () => {
  const series = new Series();
  for (const second of [1, 2, 3]) series.append(event(second, second * 10), "");
  series.append(event(3, 30), "");
  series.append(event(1, 99), "");
  assert.deepEqual(drawn(series), [[0, 10], [1, 20], [2, 30]]);
});

test("within a step of the history no clock was set back", () => {
  const series = new Series();
  // A step of a minute reaches to 12:01, and events up to then are drawn at its end.
  series.take({ from: NOON, step_seconds: 60, columns: { qps: [7] } }, null);
  series.append(event(61, 10), "");
  series.append(event(30, 99), "");
  assert.deepEqual(drawn(series), [[0, 7], [60, 10]]);
});

test("where nothing of the history is written, what was heard stays", () => {
  const series = new Series();
  for (const second of [1, 2, 3, 100]) series.append(event(second, second), "");
  const heard = [[0, 1], [1, 2], [2, 3], [2.001, null], [99, 100]]; // of a minute and more between nothing was heard
  assert.deepEqual(drawn(series), heard);
  const nothing = { from: NOON - 200_000, step_seconds: 1, columns: { qps: new Array(300).fill(null) } };
  series.take(nothing, NOON + 100_000);
  assert.deepEqual(drawn(series).slice(-5), heard);
  // What is written takes the place of what was heard.
  series.take({ ...nothing, columns: { qps: new Array(300).fill(7) } }, NOON + 100_000);
  assert.deepEqual(drawn(series).filter(([, rate]) => rate !== 7), []);
});

test("an outage is told for how long it was, wherever in its steps that lies", () => {
  const told = (step, down) => outages({ charts: { from: NOON, step_seconds: step, columns: { down_seconds: down } } })
    .map(({ from, to, label }) => [(from - NOON) / 1000, (to - NOON) / 1000, label.replaceAll("\u00a0", " ")]);
  assert.deepEqual(told(1, [0, 0.4, 1, 0.3, null]), [[1, 4, "down"]]);
  assert.deepEqual(told(7200, [0, 3, 0, 3, 4]), [[7200, 14400, "down for 3 s"], [21600, 36000, "down for 7 s"]]);
  assert.deepEqual(told(60, [60, 60, 0]), [[0, 120, "down"]]);
});

test("a type that an event leaves out is not drawn as one that did not run", () => {
  const told = { queries_per_second: 5, waits: null };
  const types = (left, breakdown) => (second) => {
    const told = event(second, 10);
    told.types_left_out = left;
    told.current.query_metrics.query_type_breakdown = breakdown;
    return told;
  };
  const series = new Series();
  series.append(types(950, { chosen: told })(1), "chosen");
  series.append(types(950, { other: told })(2), "chosen");
  assert.deepEqual(drawn(series), [[0, 5]]);
  // Where all are told, what is not there did not run; and all types together are never left out.
  series.append(types(0, { other: told })(3), "chosen");
  series.append(types(950, { other: told })(4), "");
  assert.deepEqual(drawn(series), [[0, 5], [2, null], [3, 10]]);
});

test("the chosen type's median is drawn from the first event on", () => {
  const series = new Series();
  const told = event(1, 10);
  told.types_left_out = 0;
  told.current.query_metrics.query_type_breakdown = { chosen: { p50_response_time_seconds: 0.25, waits: null } };
  series.append(told, "chosen");
  assert.deepEqual(series.drawn(true).column("p50"), [0.25]);
});

test("an agent that looks around every half a minute is not lost in between", () => {
  const page = { collection_seconds: 30 };
  assert.equal(patienceMs({ state: null, page }), 150_000);
  assert.equal(patienceMs({ state: { interval_seconds: 1 }, page }), 150_000);
  assert.equal(patienceMs({ state: { interval_seconds: 60 }, page }), 300_000);
  assert.equal(patienceMs({ state: { interval_seconds: 1 }, page: { collection_seconds: 1 } }), 8_000);
});

test("an uptime does not read as more than it is", () => {
  const say = (value) => availability(value).replaceAll("\u00a0", " ");
  // 1000 s of a day; a millisecond of 30 days.
  for (const [value, shown] of [[1, "100 %"], [0.99954, "99.954 %"], [0.9999999, "99.999 %"], [1 - 1 / 2_592_000_000, "99.999 %"], [1 - 1000 / 86_400, "98.8 %"],
    [0.999, "99.9 %"], [99.9 / 100, "99.9 %"], [99.99 / 100, "99.99 %"], [0.9995, "99.95 %"], [0.99, "99 %"], [0.98999, "98.9 %"], [0.5, "50 %"], [0, "0 %"]]) {
    assert.equal(say(value), shown, String(value));
  }
  // An objective reads as it was written.
  for (let i = 99_000; i <= 100_000; ++i) assert.equal(say(i / 1000 / 100), `${i / 1000} %`);
  assert.equal(availability(null), NONE);
});

const { band, change, describe } = await load("flame_words.ts");

test("a frame says what it is and how much it changed", () => {
  const say = (flame, node) => describe(flame, node).replaceAll("\u00a0", " ");
  const samples = { unit: "samples", seconds: 10, before: {}, flame: { name: "path", value: 8, before: 8 } };
  // 3 of 8 samples, after 1 of 4: 37.5 % after 25 %.
  assert.equal(say(samples, { name: "search", value: 3, before: 2 }), "search (3 samples, 37.5 %; before 25 %: +12.5 percentage points)");
  assert.equal(say(samples, { name: "walk", value: 0, before: 2 }), "walk (0 samples, 0 %; before 25 %: −25.0 percentage points)");
  assert.equal(say({ ...samples, before: null }, { name: "search", value: 3 }), "search (3 samples, 37.5 %)");
  // 2 s waited in 10 s, after 1 s; 3 s in all, after 1 s.
  const waits = { unit: "seconds", seconds: 10, before: {}, flame: { name: "path", value: 3, before: 1 } };
  assert.equal(say(waits, { name: "lock", value: 2, before: 1 }), "lock (2 s waited, 66.7 %; per second 200 ms, before 100 ms: +33.3 percentage points)");
  assert.equal(change({ ...waits, flame: { value: 0, before: 0 } }, { value: 0, before: 0 }), 0);
});

test("the colours' steps are those of the agent's SVG", () => {
  for (const [by, step] of [[0, 0], [0.0049, 0], [-0.0049, 0], [0.005, 1], [-0.005, -1], [0.03, 2], [-0.0299, -1], [0.1, 3], [-0.1, -3], [1, 3]]) {
    assert.equal(band(by), step, String(by));
  }
});

test("a stretch says the day of its end where that is another", () => {
  const at = (day, hour, minute) => new Date(2024, 0, day, hour, minute).getTime();
  assert.equal(stretch(at(1, 10, 0), at(1, 10, 5)), "2024-01-01 10:00:00 to 10:05:00");
  assert.equal(stretch(at(1, 23, 50), at(2, 2, 10)), "2024-01-01 23:50:00 to 2024-01-02 02:10:00");
});

// Every second: fetch figures --> reply (totals since the service started)
//               subtract an earlier reply --> a point: what happened between the two
//               draw: tiles (last ten seconds), charts (five minutes), tables (since the start)

const INTERVAL = 1000;       // milliseconds between two requests for figures
const TILE_REPLIES = 10;     // a tile covers this many replies
const POINT_REPLIES = 5;     // a point of a chart covers this many replies, which smooths its line
const MAX_POINTS = 300;
const MIN_SAMPLES = {50: 1, 90: 10, 99: 100};  // with fewer, a percentile is just the maximum
const BUCKETS_START = 1e-6;  // seconds; the start of the first bucket, as in histogram.py

const replies = [];
const points = [];
let sortKey = "total";
let paused = false;

// --- numbers ---------------------------------------------------------------------------------

function formatCount(number) {
  return number.toLocaleString("en", {maximumFractionDigits: number < 10 ? 1 : 0});
}

function formatShare(share) {
  return (100 * share).toFixed(share > 0 && share < .1 ? 1 : 0) + " %";
}

function formatTime(seconds) {
  if (seconds == null) return "–";
  let scale = 1e6, unit = "µs";
  if (seconds >= 1) [scale, unit] = [1, "s"];
  else if (seconds >= 1e-3) [scale, unit] = [1e3, "ms"];
  return Number((seconds * scale).toPrecision(3)).toLocaleString("en") + " " + unit;
}

// Return figures without the percentiles that there are too few requests for.
function withoutUnreliable(figures) {
  const reliable = {...figures};
  for (const [percent, samples] of Object.entries(MIN_SAMPLES)) {
    if (figures.count < samples) reliable["p" + percent] = null;
  }
  return reliable;
}

// Subtract the older counts and return the count and the nearest-rank percentiles of the rest.
function subtractHistograms(older, newer, relativeError) {
  const counts = new Map();
  newer.counts.forEach((count, index) => counts.set(newer.first + index, count));
  older.counts.forEach((count, index) => {
    const bucket = older.first + index;
    counts.set(bucket, (counts.get(bucket) || 0) - count);
  });
  const buckets = [...counts.keys()].sort((a, b) => a - b);
  const growth = (1 + relativeError) / (1 - relativeError);
  const figures = {count: buckets.reduce((sum, bucket) => sum + counts.get(bucket), 0)};
  for (const percent of [50, 90, 99]) {
    const exactRank = +(percent * figures.count / 100).toFixed(9);
    const rank = Math.max(Math.ceil(exactRank), 1);
    let cumulative = 0;
    const bucket = buckets.find(bucket => (cumulative += counts.get(bucket)) >= rank);
    figures["p" + percent] = BUCKETS_START * growth ** bucket * (1 + relativeError);
  }
  return withoutUnreliable(figures);
}

// Return what happened between two replies.
function between(older, newer) {
  const error = newer.relative_error;
  const seconds = newer.now - older.now;
  const figures = subtractHistograms(older.requests, newer.requests, error);
  figures.now = newer.now;
  figures.rate = figures.count / seconds;
  for (const name of ["errors", "refused", "disconnected"]) {
    figures[name] = newer.requests[name] - older.requests[name];
    figures[name + "_rate"] = figures[name] / seconds;
  }
  const added = name => (newer.counts[name] || 0) - (older.counts[name] || 0);
  const hits = added("cache_hit");
  const lookups = hits + added("cache_miss");
  figures.hit_rate = lookups ? hits / lookups : null;
  figures.lag = subtractHistograms(older.event_loop_lag, newer.event_loop_lag, error).p90;
  return figures;
}

// --- tiles -----------------------------------------------------------------------------------

function drawTiles(workers, figures) {
  const tiles = [
    ["requests/s", formatCount(figures.rate)],
    ["P50", formatTime(figures.p50)],
    ["P90", formatTime(figures.p90)],
    ["P99", formatTime(figures.p99)],
    ["errors", formatCount(figures.errors), figures.errors > 0],
    ["rejected", formatCount(figures.refused)],
    ["disconnected", formatCount(figures.disconnected)],
    ["cache hits", figures.hit_rate == null ? "–" : formatShare(figures.hit_rate)],
    ["loop lag, P90", formatTime(figures.lag), figures.lag > .1],
    ["workers", formatCount(workers)],
  ];
  byId("tiles").replaceChildren(...tiles.map(([name, value, isBad]) => {
    const style = isBad ? {class: "bad"} : {};
    return element("div", {}, element("dt", {}, name), element("dd", style, value));
  }));
}

// --- tables ----------------------------------------------------------------------------------

// A column has a heading, the key that it's sorted by, if any, and a function that fills a cell.
function drawTable(id, columns, rows) {
  const table = byId(id);
  const sorted = rows.map(withoutUnreliable).sort((a, b) => (b[sortKey] ?? 0) - (a[sortKey] ?? 0));
  // Keep the keyboard's focus and the open plans when the table is replaced.
  const focused = table.contains(document.activeElement) && document.activeElement.dataset.key;
  const open = new Set([...table.querySelectorAll("details[open]")].map(plan => plan.dataset.of));

  const headings = columns.map(([name, key]) => {
    const isSorted = key === sortKey;
    const button = key &&
      element("button", {"data-key": key, "data-column": key}, name + (isSorted ? " ▾" : ""));
    const sort = isSorted ? "descending" : "none";
    return element("th", {scope: "col", "aria-sort": sort}, button || name);
  });
  const bodyRows = sorted.map(row => {
    const cells = columns.map(([, , cell]) => element("td", {}, cell(row, open)));
    return element("tr", {}, ...cells);
  });
  table.replaceChildren(
    element("thead", {}, element("tr", {}, ...headings)), element("tbody", {}, ...bodyRows));
  if (focused) {
    const keyed = [...table.querySelectorAll("[data-key]")];
    keyed.find(node => node.dataset.key === focused)?.focus();
  }
}

const timeColumns = ["total", "mean", "p50", "p90", "p99", "max"].map(key =>
  [key.replace(/^p/, "P"), key, row => formatTime(row[key])]);

function endpointColumns(totalTime) {
  return [
    ["endpoint", null, row => row.endpoint],
    ["requests", "count", row => formatCount(row.count)],
    ["share of time", "total", row => formatShare(row.total / totalTime)],
    ...timeColumns.slice(1),
    ["errors", "errors", row => row.errors],
    ["rejected", "refused", row => row.refused],
    ["disconnected", "disconnected", row => row.disconnected],
  ];
}

const statementColumns = [
  ["statement", null, statementCell],
  ["runs", "count", row => formatCount(row.count)],
  ...timeColumns,
];

function statementCell(row, open) {
  const sql = element("code", {}, row.sql.trim());
  const endpoint = element("span", {class: "where"}, row.endpoint);
  const cell = element("div", {}, sql, element("br"), endpoint);
  if (row.plan) cell.append(planDetails(row, open));
  return cell;
}

function planDetails(row, open) {
  const id = row.endpoint + row.sql;
  const scans = /\bSCAN\b/.test(row.plan);
  const summary = element("summary", {"data-key": id, ...(scans ? {class: "bad"} : {})},
    scans ? "plan: reads a whole table or index" : "plan");
  const state = open.has(id) ? {open: ""} : {};
  return element("details", {"data-of": id, ...state}, summary, element("pre", {}, row.plan));
}

// --- the page --------------------------------------------------------------------------------

const RATE_LINES = [
  {key: "rate", name: "all", colour: "--rate", dash: ""},
  {key: "errors_rate", name: "errors", colour: "--bad", dash: "6 3"},
  {key: "refused_rate", name: "rejected", colour: "--soft", dash: "2 3"},
];
const TIME_LINES = [
  {key: "p50", name: "P50", colour: "--p50", dash: ""},
  {key: "p90", name: "P90", colour: "--p90", dash: "6 3"},
  {key: "p99", name: "P99", colour: "--p99", dash: "2 3"},
];

function replyBefore(number) {
  return replies.at(-Math.min(number + 1, replies.length));
}

function draw() {
  const newest = replies.at(-1);
  drawTiles(newest.workers, between(replyBefore(TILE_REPLIES), newest));
  drawChart("rate", points, RATE_LINES, formatCount, false);
  drawChart("times", points, TIME_LINES, formatTime, true);
  const totalTime = newest.endpoints.reduce((sum, row) => sum + row.total, 0);
  drawTable("endpoints", endpointColumns(totalTime), newest.endpoints);
  drawTable("statements", statementColumns, newest.statements);
}

function addReply(reply) {
  const previous = replies.at(-1);
  reply.total = reply.endpoints.reduce((sum, row) => sum + row.count, 0);
  // If these are other totals, nothing can be subtracted: the service has restarted, or the number
  // of workers that they cover has changed.
  if (previous && (previous.complete !== reply.complete || previous.total > reply.total)) {
    replies.length = points.length = 0;
  }
  replies.push(reply);
  if (replies.length > 1) points.push(between(replyBefore(POINT_REPLIES), reply));
  if (points.length > MAX_POINTS) points.shift();
  if (replies.length > TILE_REPLIES + 1) replies.shift();
}

function showState(text, isBad) {
  byId("state").className = isBad ? "bad" : "";
  byId("state").textContent = text;
}

async function update() {
  if (paused || document.hidden) return;
  try {
    const response = await fetch("dashboard/figures");
    const reply = await response.json();
    addReply(reply);
    if (reply.complete) showState("live", false);
    else showState("Redis is unavailable: showing one worker only", true);
    if (replies.length > 1) draw();
  } catch (error) {
    showState("The service isn't responding: these figures are stale", true);
  }
}

function togglePause() {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", paused);
  byId("pause").textContent = paused ? "Resume" : "Pause";
  byId("state").textContent = paused ? "paused" : "live";
}

byId("pause").addEventListener("click", togglePause);
document.addEventListener("click", event => {
  const column = event.target.dataset.column;
  if (!column) return;
  sortKey = column;
  draw();
});

(async function run() {
  await update();
  setTimeout(run, INTERVAL);
})();

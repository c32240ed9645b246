// Every second: fetch figures --> reply (totals since the service started)
//               subtract an earlier reply --> a point: what happened between the two
//               draw: tiles (last ten seconds), charts (five minutes), tables (since the start,
//                     and in small print the last ten seconds)

const INTERVAL = 1000;       // milliseconds between two requests for figures
const TIME_LIMIT = 5000;     // milliseconds for a reply
const TILE_SECONDS = 10;     // a tile covers this time
const POINT_SECONDS = 5;     // a point of a chart covers this time, which smooths its line
const CHART_SECONDS = 300;
const MAX_STATEMENTS = 10;   // in a reply: those with the largest total time
const MIN_SAMPLES = {50: 1, 90: 10, 99: 100};  // with fewer, a percentile is just the maximum
const BUCKETS_START = 1e-6;  // seconds; the start of the first bucket, as in histogram.py

const replies = [];
const points = [];
let sortKey = "total";
let paused = false;

// --- numbers ---------------------------------------------------------------------------------

function formatCount(number) {
  if (number == null) return "–";
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
  for (const name of ["errors", "rejected", "disconnected"]) {
    figures[name] = newer.requests[name] - older.requests[name];
    figures[name + "_rate"] = figures[name] / seconds;
  }
  const added = name => (newer.counts[name] || 0) - (older.counts[name] || 0);
  const hits = added("cache_hit");
  const lookups = hits + added("cache_miss");
  figures.hit_rate = lookups ? hits / lookups : null;
  figures.loads = lookups ? added("cache_load") : null;
  figures.lag = subtractHistograms(older.event_loop_lag, newer.event_loop_lag, error).p90;
  return figures;
}

// --- tiles -----------------------------------------------------------------------------------

function drawTiles(newest, figures) {
  const {workers, gauges} = newest;
  const inProgress = formatCount(Math.max(gauges.in_progress - 1, 0));  // without this page's own
  const tiles = [
    ["requests/s", formatCount(figures.rate)],
    ["P50", formatTime(figures.p50)],
    ["P90", formatTime(figures.p90)],
    ["P99", formatTime(figures.p99)],
    ["errors", formatCount(figures.errors), figures.errors > 0],
    ["rejected", formatCount(figures.rejected)],
    ["disconnected", formatCount(figures.disconnected)],
    ["cache hits", figures.hit_rate == null ? "–" : formatShare(figures.hit_rate)],
    ["cache loads", figures.loads == null ? "–" : formatCount(figures.loads)],
    ["loop lag, P90", formatTime(figures.lag), figures.lag > .1],
    ["in progress", inProgress],
    ["workers", formatCount(workers), newest.uncounted_workers > 0],
  ];
  if (gauges.open_websockets) tiles.push(["WebSockets", formatCount(gauges.open_websockets)]);
  byId("tiles").replaceChildren(...tiles.map(([name, value, isBad]) => {
    const style = isBad ? {class: "bad"} : {};
    return element("div", {}, element("dt", {}, name), element("dd", style, value));
  }));
}

// --- the page --------------------------------------------------------------------------------

const RATE_LINES = [
  {key: "rate", name: "all", colour: "--rate", dash: ""},
  {key: "errors_rate", name: "errors", colour: "--bad", dash: "6 3"},
  {key: "rejected_rate", name: "rejected", colour: "--soft", dash: "2 3"},
];
const TIME_LINES = [
  {key: "p50", name: "P50", colour: "--p50", dash: ""},
  {key: "p90", name: "P90", colour: "--p90", dash: "6 3"},
  {key: "p99", name: "P99", colour: "--p99", dash: "2 3"},
];

// Return the newest reply that's this many seconds old, or else the oldest.
function replyBefore(seconds) {
  const newest = replies.at(-1);
  return replies.findLast(reply => newest.now - reply.now >= seconds) || replies[0];
}

function draw() {
  const newest = replies.at(-1);
  const older = replyBefore(TILE_SECONDS);
  drawTiles(newest, between(older, newest));
  drawChart("rate", points, RATE_LINES, formatCount, false);
  drawChart("times", points, TIME_LINES, formatTime, true);
  const endpoints = withRecent(older.endpoints, newest.endpoints, row => row.endpoint, 0);
  drawTable("endpoints", endpointColumns(endpoints), endpoints);
  const nameOf = row => row.endpoint + row.sql;
  const ifNew = older.statements.length < MAX_STATEMENTS ? 0 : null;  // it may have run before
  const statements = withRecent(older.statements, newest.statements, nameOf, ifNew);
  drawTable("statements", statementColumns, statements);
  const counts = withRecent(rowsOfCounts(older), rowsOfCounts(newest), row => row.name, 0);
  drawTable("counts", countColumns, counts);
  byId("counted").hidden = counts.length === 0;
}

function addReply(reply) {
  const previous = replies.at(-1);
  reply.now = Date.now() / 1000;  // because the clocks of several machines may differ
  reply.total = reply.endpoints.reduce((sum, row) => sum + row.count, 0);
  // If these are other totals, nothing can be subtracted: the service has restarted, or the number
  // of workers that they cover has changed.
  if (previous && (previous.complete !== reply.complete || previous.total > reply.total)) {
    replies.length = points.length = 0;
  }
  // The page was paused or hidden, the service didn't respond, or the browser's clock was set.
  if (previous && !(reply.now > previous.now && reply.now - previous.now < TILE_SECONDS)) {
    replies.length = 0;
    points.push({now: reply.now});  // a gap in the lines
  }
  replies.push(reply);
  if (replies.length > 1) points.push(between(replyBefore(POINT_SECONDS), reply));
  const isRecent = point => Math.abs(reply.now - point.now) <= CHART_SECONDS;
  while (points.length && !isRecent(points[0])) points.shift();
  while (replies.length > 2 && reply.now - replies[1].now > TILE_SECONDS) replies.shift();
}

function showState(text, isBad) {
  byId("state").className = isBad ? "bad" : "";
  byId("state").textContent = text;
}

function showReply(reply) {
  if (!reply.complete) {
    showState("Some workers' figures can't be read from Redis: these are too low", true);
  } else if (reply.uncounted_workers) {
    const advice = "pass redis= to PerformanceMonitor, and show what its merged() returns";
    showState(`Workers that aren't counted here: ${reply.uncounted_workers}; ${advice}`, true);
  } else {
    showState("live", false);
  }
}

async function update() {
  if (paused || document.hidden) return;
  try {
    const signal = AbortSignal.timeout(TIME_LIMIT);
    const response = await fetch("dashboard/figures", {signal});
    const reply = await response.json();
    if (paused) return;  // since the request was sent
    addReply(reply);
    showReply(reply);
    if (replies.length > 1) draw();
  } catch (error) {
    if (paused) return;
    showState("The service isn't responding: these figures are stale", true);
  }
}

function togglePause() {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", paused);
  byId("pause").textContent = paused ? "Resume" : "Pause";
  showState(paused ? "paused" : "waiting for figures", false);
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

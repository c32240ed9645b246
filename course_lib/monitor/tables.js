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

// Return rows with what was added since earlier rows: `recent` has their count, total and mean.
// `ifNew` is the earlier count of a row that wasn't there, or null if that's unknown.
function withRecent(olderRows, newerRows, nameOf, ifNew) {
  const older = new Map(olderRows.map(row => [nameOf(row), row]));
  return newerRows.map(row => {
    const before = older.get(nameOf(row)) || {count: ifNew, total: 0};
    if (before.count == null) return {...row, recent: {count: null, total: 0, mean: null}};
    const recent = {count: row.count - before.count, total: row.total - before.total};
    recent.mean = recent.count ? recent.total / recent.count : null;
    return {...row, recent};
  });
}

// Return a cell with the figure of all time, and below it that of the last ten seconds.
function twoLines(total, recent) {
  return element("div", {}, total, element("div", {class: "where"}, recent));
}

const countCell = row => twoLines(formatCount(row.count), formatCount(row.recent.count));
const meanCell = row => twoLines(formatTime(row.mean), formatTime(row.recent.mean));
const timeColumns = ["total", "mean", "p50", "p90", "p99", "max"].map(key =>
  [key.replace(/^p/, "P"), key, key === "mean" ? meanCell : row => formatTime(row[key])]);

function endpointColumns(rows) {
  const totalTime = rows.reduce((sum, row) => sum + row.total, 0);
  const recentTime = rows.reduce((sum, row) => sum + row.recent.total, 0);
  const shares = row => twoLines(
    formatShare(row.total / totalTime), formatShare(recentTime ? row.recent.total / recentTime : 0));
  return [
    ["endpoint", null, row => row.endpoint],
    ["requests", "count", countCell],
    ["share of time", "total", shares],
    ...timeColumns.slice(1),
    ["errors", "errors", row => row.errors],
    ["rejected", "rejected", row => row.rejected],
    ["disconnected", "disconnected", row => row.disconnected],
  ];
}

const statementColumns = [
  ["statement", null, statementCell],
  ["runs", "count", countCell],
  ...timeColumns,
];

const countColumns = [
  ["name", null, row => row.name],
  ["times", "count", countCell],
];

function rowsOfCounts(reply) {
  return Object.entries(reply.counts).map(([name, count]) => ({name, count, total: 0}));
}

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

"use strict";

// Elements of the page, and its charts: lines over time, in SVG.

const byId = id => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const isSvg = /^(path|line|text)$/.test(name);
  const node = isSvg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// The edges of the plot, inside a viewBox of 520 by 200.
const LEFT = 62, RIGHT = 452, TOP = 10, BOTTOM = 176;
const LABEL_HEIGHT = 14;

function linearTicks(max) {
  const power = 10 ** Math.floor(Math.log10(max / 2));
  const step = [5, 2, 1].map(digit => digit * power).find(step => 2 * step <= max);
  const ticks = [];
  for (let tick = 0; tick <= max; tick += step) ticks.push(tick);
  return ticks;
}

function logTicks(min, max) {
  const digits = max / min > 300 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = 10 ** Math.floor(Math.log10(min)); power <= max; power *= 10) {
    ticks.push(...digits.map(digit => digit * power));
  }
  return ticks.filter(tick => tick >= min && tick <= max);
}

// Return the smallest and largest value of the y axis.
function yRange(points, lines, isLog) {
  const values = points.flatMap(point => lines.map(line => point[line.key]))
    .filter(value => value != null && (!isLog || value > 0));
  const max = Math.max(...values, isLog ? 1e-3 : 1) * 1.1;
  return [isLog ? Math.min(...values, max / 10) : 0, max];
}

// Return the path of a line, with a gap wherever its value is unknown.
function linePath(points, key, x, y) {
  let path = "", drawing = false;
  for (const point of points) {
    const known = point[key] != null;
    if (known) path += `${drawing ? "L" : "M"}${x(point).toFixed(1)} ${y(point[key]).toFixed(1)}`;
    drawing = known;
  }
  return path;
}

// Return each line's name at its end, moved up where two would overlap.
function lineNames(newest, lines, y) {
  const known = lines.filter(({key}) => newest[key] != null);
  const heights = known.map(line => [y(newest[line.key]), line]);
  const lowestFirst = heights.sort((a, b) => b[0] - a[0]);
  let lowestFree = BOTTOM + 6;
  return lowestFirst.map(([height, {name, colour}]) => {
    const baseline = Math.min(height + 4, lowestFree);
    lowestFree = baseline - LABEL_HEIGHT;
    return element("text", {x: RIGHT + 6, y: baseline, style: `fill:var(${colour})`}, name);
  });
}

// Draw lines over time. Each differs by its colour, its dashes, and the name at its end.
function drawChart(id, points, lines, format, isLog) {
  const newest = points.at(-1);
  const [min, max] = yRange(points, lines, isLog);
  const scale = isLog ? Math.log : value => value;
  const fraction = value => (scale(Math.max(value, min)) - scale(min)) / (scale(max) - scale(min));
  const y = value => BOTTOM - (BOTTOM - TOP) * fraction(value);
  const span = Math.max(newest.now - points[0].now, 10);
  const x = point => RIGHT - (RIGHT - LEFT) * (newest.now - point.now) / span;

  const grid = (isLog ? logTicks(min, max) : linearTicks(max)).flatMap(tick => [
    element("line", {class: "grid", x1: LEFT, x2: RIGHT, y1: y(tick), y2: y(tick)}),
    element("text", {x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end"}, format(tick)),
  ]);
  const timeAxis = [
    element("text", {x: LEFT, y: 194}, `${Math.round(span)} s ago`),
    element("text", {x: RIGHT, y: 194, "text-anchor": "end"}, "now"),
  ];
  const paths = lines.map(({key, colour, dash}) => element("path", {
    d: linePath(points, key, x, y),
    stroke: `var(${colour})`,
    "stroke-dasharray": dash,
    "data-line": key,
  }));
  byId(id).replaceChildren(...grid, ...timeAxis, ...paths, ...lineNames(newest, lines, y));

  const values = lines.map(({key, name}) => {
    const value = newest[key];
    return `${name} ${value == null ? "unknown" : format(value)}`;
  });
  byId(id).setAttribute("aria-label", `Now: ${values.join(", ")}`);
}

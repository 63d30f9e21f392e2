'use strict';
// One Chart.js chart per canvas, made anew when what it shows changes.

const charts = new Map();
const BLUE = '#0072b2', ORANGE = '#e69f00', GREEN = '#009e73', GREY = '#8a8f98';  // Okabe and Ito

function ink(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

function axis(title, options = {}) {
  return {title: {display: true, text: title, color: ink('--dim')}, grid: {color: ink('--line')}, ticks: {color: ink('--dim')}, ...options};
}

function show(id, type, datasets, x, y, options = {}) {
  charts.get(id)?.destroy();
  charts.set(id, new Chart(document.getElementById(id), {
    type,
    data: {datasets, ...(options.labels ? {labels: options.labels} : {})},
    options: {
      animation: false, responsive: true, maintainAspectRatio: false, parsing: options.labels ? undefined : false,
      scales: {x, y}, elements: {point: {radius: options.points ?? 2}, line: {borderWidth: 2}},
      plugins: {
        legend: {display: datasets.length > 1, labels: {color: ink('--ink'), boxWidth: 14, filter: item => item.text !== ''}},
        title: {display: Boolean(options.title), text: options.title, color: ink('--ink')},
        tooltip: {filter: item => item.dataset.label !== '', callbacks: options.callbacks ?? {}},
      },
      onClick: options.onClick,
    },
  }));
}

function line(label, xs, ys, colour, more = {}) {
  const data = Array.from(xs, (x, i) => ({x, y: ys[i]})).filter(p => Number.isFinite(p.x) && Number.isFinite(p.y));
  return {label, data, borderColor: colour, backgroundColor: colour, ...more};
}

/** Least and largest of some numbers, a little wider, for a logarithmic axis. */
function logRange(values) {
  const positive = values.filter(v => v > 0 && Number.isFinite(v));
  return positive.length ? {min: Math.min(...positive) / 1.1, max: Math.max(...positive) * 1.1} : {};
}

/** A band between two lines. */
function band(xs, lows, highs, colour) {
  const edge = {borderWidth: 0, pointRadius: 0, backgroundColor: colour + '33'};
  return [line('', xs, lows, colour, edge), line('', xs, highs, colour, {...edge, fill: '-1'})];
}

function histogram(values, chanceBand, name) {
  const sorted = defined(values).filter(Number.isFinite).sort((a, b) => a - b);
  const whole = sorted.every(Number.isInteger), span = sorted[sorted.length - 1] - sorted[0];
  const bins = Math.max(1, Math.min(whole ? span + 1 : 40, 2 * Math.ceil(Math.sqrt(sorted.length)))), low = sorted[0], high = sorted[sorted.length - 1], width = (high - low) / bins || 1;
  const counts = new Array(bins).fill(0);
  for (const v of sorted) counts[Math.min(Math.floor((v - low) / width), bins - 1)] += 1;
  const labels = counts.map((_, i) => (whole && width < 1.01 ? String(low + i) : `${number(low + i * width)} to ${number(low + (i + 1) * width)}`));
  const title = chanceBand ? `chance (Gaussian heads): ${number(chanceBand[0])} ± ${number(chanceBand[1])}` : '';
  show('histogram', 'bar', [{label: 'heads', data: counts, backgroundColor: BLUE}], axis(name), axis('heads'), {labels, title});
}

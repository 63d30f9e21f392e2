'use strict';
// One Chart.js chart per canvas, rebuilt when its data changes.

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
      indexAxis: options.indexAxis, animation: false, responsive: true, maintainAspectRatio: false, parsing: options.labels ? undefined : false,
      scales: {x, y}, elements: {point: {radius: options.points ?? 2}, line: {borderWidth: 2}},
      plugins: {
        legend: {display: datasets.length > 1, labels: {color: ink('--ink'), boxWidth: 22, usePointStyle: true, filter: item => item.text !== '', generateLabels: legendItems}},
        title: {display: Boolean(options.title), text: options.title, color: ink('--ink')},
        tooltip: {filter: item => item.dataset.label !== '', callbacks: options.callbacks ?? {}},
      },
      onClick: options.onClick,
    },
  }));
}

/** Legend entries: lines as lines (dashed if they are dashed), everything else as boxes. */
function legendItems(chart) {
  return Chart.defaults.plugins.legend.labels.generateLabels(chart).map(item => {
    const dataset = chart.data.datasets[item.datasetIndex];
    const drawn = (dataset.type ?? chart.config.type) === 'line' ? dataset.showLine !== false : dataset.showLine === true;
    return {...item, pointStyle: drawn ? 'line' : 'rect', lineWidth: drawn ? 2 : 0, lineDash: dataset.borderDash ?? []};
  });
}

function line(label, xs, ys, colour, more = {}) {
  const data = Array.from(xs, (x, i) => ({x, y: ys[i]})).filter(p => Number.isFinite(p.x) && Number.isFinite(p.y));
  return {label, data, borderColor: colour, backgroundColor: colour, ...more};
}

/** Range of a logarithmic axis: the smallest and the largest of some numbers, with a margin. */
function logRange(values) {
  const positive = values.filter(v => v > 0 && Number.isFinite(v));
  return positive.length ? {min: Math.min(...positive) / 1.1, max: Math.max(...positive) * 1.1} : {};
}

/** Ticks between two numbers: 1, 2 and 5 times powers of ten; for a wide range only the powers, for a narrow one equal steps. */
function roundTicks(low, high) {
  const decades = Math.log10(high / low), digits = decades > 3 ? [1] : [1, 2, 5], out = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += Math.max(1, Math.round(decades / 8))) {
    out.push(...digits.map(d => d * 10 ** power).filter(v => v >= low && v <= high));
  }
  if (out.length >= 3) return out;
  const step = (high - low) / 4;
  return [0, 1, 2, 3, 4].map(i => Number((low + i * step).toPrecision(2))).filter(v => v >= low && v <= high);
}

/** A logarithmic axis for some values, with the given ticks, if any. */
function logAxis(title, values, ticks) {
  return axis(title, {type: 'logarithmic', ...logRange(values),
    afterBuildTicks: scale => { scale.ticks = (ticks ?? roundTicks(scale.min, scale.max)).map(value => ({value})); },
    ticks: {color: ink('--dim'), autoSkip: ticks !== undefined, autoSkipPadding: 6, maxRotation: 0, callback: value => number(value)}});
}

/** A band between two lines. */
function band(xs, lows, highs, colour) {
  const edge = {borderWidth: 0, pointRadius: 0, backgroundColor: colour + '33'};
  return [line('', xs, lows, colour, edge), line('', xs, highs, colour, {...edge, fill: '-1'})];
}

/** Histogram of the heads' values; `chanceBand`: mean and standard deviation of Gaussian heads, drawn if it is near. */
function histogram(values, chanceBand, name) {
  const sorted = defined(values).filter(Number.isFinite).sort((a, b) => a - b), low = sorted[0], high = sorted[sorted.length - 1];
  const censored = defined(values).filter(isCensored), beyond = censored.length ? `${censored.length} heads not shown: ${number(quantileOf(censored, 0))}` : '';
  if (sorted.length === 0) return show('histogram', 'bar', [], axis(name), axis('heads'), {title: beyond});
  const most = 2 * Math.ceil(Math.sqrt(sorted.length)), whole = sorted.every(Number.isInteger);
  // Integers lie in the middle of their bins.
  const width = whole ? Math.ceil((high - low + 1) / Math.min(most, 40)) : (high - low) / Math.min(most, 40) || 1, first = whole ? low - 0.5 : low;
  const bins = whole ? Math.ceil((high - low + 1) / width) : Math.max(1, Math.round((high - low) / width));
  const counts = new Array(bins).fill(0);
  for (const v of sorted) counts[Math.min(Math.floor((v - first) / width), bins - 1)] += 1;
  const bars = {label: 'heads', data: counts.map((y, i) => ({x: first + (i + 0.5) * width, y})), backgroundColor: BLUE, barThickness: 'flex', barPercentage: 0.96, categoryPercentage: 1};
  const span = bins * width, near = chanceBand && chanceBand[0] > first - 2 * span && chanceBand[0] < first + 3 * span;
  const ends = near ? [Math.min(first, chanceBand[0]), Math.max(first + span, chanceBand[0])] : [first, first + span];
  const chance = near ? [{...line(`chance ${number(chanceBand[0])}`, [chanceBand[0], chanceBand[0]], [0, Math.max(...counts)], ORANGE, {borderDash: [5, 4], pointRadius: 0}), type: 'line'}] : [];
  const title = chanceBand ? `${name} by chance (Gaussian heads): ${number(chanceBand[0])} ± ${number(chanceBand[1])}${near ? '' : ', outside this picture'}` : '';
  const titles = [title, beyond].filter(t => t !== '');
  show('histogram', 'bar', [bars, ...chance], axis(name, {type: 'linear', offset: false, min: ends[0] - 0.02 * span, max: ends[1] + 0.02 * span, ticks: {includeBounds: false, color: ink('--dim'), ...(whole ? {precision: 0} : {})}}), axis('number of heads', {ticks: {precision: 0, color: ink('--dim')}}), {title: titles.length > 1 ? titles : titles[0] ?? '',
    callbacks: {title: () => '', label: item => item.dataset.label === 'heads' ? `${number(first + item.dataIndex * width)} to ${number(first + (item.dataIndex + 1) * width)}: ${item.raw.y} heads` : item.dataset.label}});
}

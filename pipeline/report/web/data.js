'use strict';
// The measured data. For each field ("scope/context") and text ("" stands for the median over texts), REPORT holds every statistic of
// every head as 16-bit steps between the smallest and the largest value; 65535: no value. A decoded value is a number, NaN (nothing
// is known), or a Censored: a count that was not computed to its end.

const UNDEFINED_STEP = 65535;

function bytesOf(base64) {
  const raw = atob(base64), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; ++i) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

/** A number that is only known to lie between two others, of which one may be infinite. In sums and comparisons it is NaN. */
class Censored {
  constructor(low, high) { this.low = low; this.high = high; }
  valueOf() { return NaN; }
  /** Its finite bound, which pictures show. */
  get place() { return Number.isFinite(this.low) ? this.low : this.high; }
}

function unpack(packed) {
  const steps = new Uint16Array(bytesOf(packed.data).buffer), {least, largest, logarithmic} = packed;
  const above = packed.above ? bytesOf(packed.above) : null, below = packed.below ? bytesOf(packed.below) : null;
  const has = (bits, i) => bits !== null && (bits[i >> 3] >> (i & 7) & 1) === 1;
  return Array.from(steps, (s, i) => {
    if (s === UNDEFINED_STEP) return NaN;
    const part = s / (UNDEFINED_STEP - 1);
    const value = logarithmic ? least * Math.pow(largest / least, part) : least + part * (largest - least);
    return has(above, i) ? new Censored(value, Infinity) : has(below, i) ? new Censored(-Infinity, value) : value;
  });
}

const unpacked = new Map();
/** Values of all heads, layer by layer; null if the report does not hold them. */
function valuesOf(scope, context, text, statistic) {
  const key = [scope, context, text, statistic].join('/');
  if (!unpacked.has(key)) {
    const packed = REPORT.values[`${scope}/${context}/${text}`]?.[statistic];
    unpacked.set(key, packed ? unpack(packed) : null);
  }
  return unpacked.get(key);
}

function floatsOf(base64) { return new Float32Array(bytesOf(base64).buffer); }

/** Singular values and key profile of one head; undefined if the report does not hold them. */
function detailOf(scope, context, layer, head) {
  return REPORT.details[`${scope}/${context}`]?.[`${layer}/${head}`];
}

/** Values that count. A statistic of a KV head counts once, with the value of its first query head that has one. */
function counted(values, statistic) {
  const {group, statistics} = REPORT;
  if (!statistics.find(s => s.name === statistic).ofKvHead) return values;
  const out = [];
  for (let first = 0; first < values.length; first += group) out.push(defined(values.slice(first, first + group))[0] ?? NaN);
  return out;
}

function defined(values) { return Array.from(values).filter(v => !Number.isNaN(v)); }
const isCensored = value => value instanceof Censored;
const lowOf = value => (isCensored(value) ? value.low : value), highOf = value => (isCensored(value) ? value.high : value);
/** The number that a picture shows for a value. */
const placeOfValue = value => (isCensored(value) ? value.place : value);

function quantile(sorted, part) {
  if (sorted.length === 0) return NaN;
  const place = part * (sorted.length - 1), below = Math.floor(place), above = Math.min(below + 1, sorted.length - 1);
  if (place === below || sorted[below] === sorted[above] || !Number.isFinite(sorted[below])) return sorted[below];
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** A quantile of numbers and Censored values: a number if the censored values do not matter, else a Censored. */
function quantileOf(values, part) {
  const end = of => quantile(values.map(of).sort((a, b) => a - b), part), low = end(lowOf), high = end(highOf);
  if (low === high) return low;
  return Number.isFinite(low) || Number.isFinite(high) ? new Censored(low, high) : NaN;
}

/** Median and the middle half. */
function spreadOf(values) {
  const those = defined(values);
  return {low: quantileOf(those, 0.25), median: quantileOf(those, 0.5), high: quantileOf(those, 0.75), count: those.length,
          censored: those.filter(isCensored).length};
}

/** Slope of the straight line through (ln x, ln y); NaN if one of the ys is not known. */
function logSlope(xs, ys) {
  if (ys.some(isCensored)) return NaN;
  const points = xs.map((x, i) => [Math.log(x), Math.log(ys[i])]).filter(p => p.every(Number.isFinite));
  if (points.length < 2) return NaN;
  const mean = k => points.reduce((sum, p) => sum + p[k], 0) / points.length, mx = mean(0), my = mean(1);
  const numerator = points.reduce((sum, p) => sum + (p[0] - mx) * (p[1] - my), 0);
  return numerator / points.reduce((sum, p) => sum + (p[0] - mx) ** 2, 0);
}

function number(value) {
  if (isCensored(value)) {
    if (value.high === Infinity) return `> ${number(value.low)}`;
    return Number.isFinite(value.low) ? `${number(value.low)} to ${number(value.high)}` : `< ${number(value.high)}`;
  }
  if (value === null || value === undefined || Number.isNaN(value)) return 'not defined';
  if (!Number.isFinite(value)) return value > 0 ? 'infinite' : '-infinite';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

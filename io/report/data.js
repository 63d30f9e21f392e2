'use strict';
// What the program measured: REPORT holds, for each field ("scope/context") and text ("" stands for the median over texts), every
// statistic of every head as 16-bit steps between a least and a largest value, 65535 for none.

const UNDEFINED_STEP = 65535;

function bytesOf(base64) {
  const raw = atob(base64), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; ++i) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

function unpack(packed) {
  const steps = new Uint16Array(bytesOf(packed.data).buffer), {least, largest, logarithmic} = packed;
  return Float64Array.from(steps, s => {
    if (s === UNDEFINED_STEP) return NaN;
    const part = s / (UNDEFINED_STEP - 1);
    return logarithmic ? least * Math.pow(largest / least, part) : least + part * (largest - least);
  });
}

const unpacked = new Map();
/** Values of all heads, layer by layer; null where the report does not hold them. */
function valuesOf(scope, context, text, statistic) {
  const key = [scope, context, text, statistic].join('/');
  if (!unpacked.has(key)) {
    const packed = REPORT.values[`${scope}/${context}/${text}`]?.[statistic];
    unpacked.set(key, packed ? unpack(packed) : null);
  }
  return unpacked.get(key);
}

function floatsOf(base64) { return new Float32Array(bytesOf(base64).buffer); }

/** Singular values and key profile of one head; undefined where the report does not hold them. */
function detailOf(scope, context, layer, head) {
  return REPORT.details[`${scope}/${context}`]?.[`${layer}/${head}`];
}

/** Values that count: of what belongs to a KV head, one for each. */
function counted(values, statistic) {
  const {group, statistics} = REPORT;
  return statistics.find(s => s.name === statistic).ofKvHead ? values.filter((_, i) => i % group === 0) : values;
}

function defined(values) { return Array.from(values).filter(v => !Number.isNaN(v)); }

function quantile(sorted, part) {
  if (sorted.length === 0) return NaN;
  const place = part * (sorted.length - 1), below = Math.floor(place), above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** Median and the middle half. */
function spreadOf(values) {
  const sorted = defined(values).sort((a, b) => a - b);
  return {low: quantile(sorted, 0.25), median: quantile(sorted, 0.5), high: quantile(sorted, 0.75), count: sorted.length};
}

/** Slope of the straight line through (ln x, ln y). */
function logSlope(xs, ys) {
  const points = xs.map((x, i) => [Math.log(x), Math.log(ys[i])]).filter(p => p.every(Number.isFinite));
  if (points.length < 2) return NaN;
  const mean = k => points.reduce((sum, p) => sum + p[k], 0) / points.length, mx = mean(0), my = mean(1);
  const numerator = points.reduce((sum, p) => sum + (p[0] - mx) * (p[1] - my), 0);
  return numerator / points.reduce((sum, p) => sum + (p[0] - mx) ** 2, 0);
}

function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return 'not defined';
  if (!Number.isFinite(value)) return value > 0 ? 'infinite' : '-infinite';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

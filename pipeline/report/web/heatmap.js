'use strict';
// A map with layers down and heads across. Drawn without the charting library, which would hold an object per cell.

// Viridis: readable for the colour-blind and in grey.
const PALETTE = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121],
                 [110, 206, 88], [181, 222, 43], [253, 231, 37]];

function colourAt(part) {
  const place = Math.min(Math.max(part, 0), 1) * (PALETTE.length - 1), i = Math.min(Math.floor(place), PALETTE.length - 2);
  const mixed = PALETTE[i].map((c, k) => Math.round(c + (place - i) * (PALETTE[i + 1][k] - c)));
  return `rgb(${mixed.join(',')})`;
}

class HeatMap {
  constructor(canvas, select) {
    this.canvas = canvas;
    this.select = select;
    this.chosen = {layer: 0, head: 0};
    canvas.addEventListener('mousemove', e => this.hover(this.cellAt(e)));
    canvas.addEventListener('mouseleave', () => this.hover(null));
    canvas.addEventListener('click', e => this.choose(this.cellAt(e)));
    canvas.addEventListener('keydown', e => this.key(e));
  }

  show(values, onHover) {
    this.values = values;
    this.onHover = onHover;
    const sorted = values ? defined(values).map(placeOfValue).filter(Number.isFinite).sort((a, b) => a - b) : [];
    // A few extreme heads must not use up the colours.
    this.low = quantile(sorted, 0.01);
    this.high = quantile(sorted, 0.99);
    if (this.low === this.high) [this.low, this.high] = [sorted[0] ?? 0, sorted[sorted.length - 1] ?? 0];
    this.draw();
  }

  part(value) { return this.high > this.low ? (value - this.low) / (this.high - this.low) : 0.5; }

  draw() {
    const {layers, heads} = REPORT, room = this.canvas.parentElement.clientWidth, margin = 44, top = 3;
    const cell = Math.min(Math.max((room - margin) / heads, 2), 64), width = margin + cell * heads;
    const down = Math.min(Math.max(cell, layers > 60 ? 7 : 14), 30);
    this.geometry = {margin, cell, down, top};
    const scale = window.devicePixelRatio || 1;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${top + down * layers + 34}px`;
    this.canvas.width = width * scale;
    this.canvas.height = (top + down * layers + 34) * scale;
    const g = this.canvas.getContext('2d');
    g.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    for (let l = 0; l < layers; ++l) {
      for (let h = 0; h < heads; ++h) {
        const value = this.values?.[l * heads + h];
        g.fillStyle = value === undefined || Number.isNaN(value) ? style.getPropertyValue('--line') : colourAt(this.part(placeOfValue(value)));
        g.fillRect(margin + h * cell, top + l * down, Math.max(cell - (cell > 6 ? 1 : 0), 1), down - (down > 6 ? 1 : 0));
      }
    }
    g.fillStyle = style.getPropertyValue('--dim');
    g.font = '11px system-ui, sans-serif';
    const everyLayer = Math.ceil(14 / down), everyHead = Math.ceil(30 / cell), bottom = top + layers * down;
    g.textAlign = 'right';
    for (let l = 0; l < layers; l += everyLayer) g.fillText(`${hidesKeys(l) ? '*' : ''}${REPORT.firstLayer + l}`, margin - 6, top + l * down + Math.min(down, 14) / 2 + (down > 14 ? down / 2 - 3 : 4));
    g.fillText('layer', margin - 6, bottom + 14);
    g.textAlign = 'center';
    for (let h = 0; h < heads; h += everyHead) g.fillText(String(h), margin + (h + 0.5) * cell, bottom + 14);
    g.fillText('head', margin + heads * cell / 2, bottom + 29);
    const {layer, head} = this.chosen;
    // Black inside white is visible on every colour.
    for (const [colour, wide] of [['#ffffff', 4], ['#000000', 2]]) {
      g.strokeStyle = colour;
      g.lineWidth = wide;
      g.strokeRect(margin + head * cell, top + layer * down, Math.max(cell, 4), down);
    }
  }

  cellAt(event) {
    const {margin, cell, down, top} = this.geometry, box = this.canvas.getBoundingClientRect();
    const head = Math.floor((event.clientX - box.left - margin) / cell), layer = Math.floor((event.clientY - box.top - top) / down);
    const inside = head >= 0 && head < REPORT.heads && layer >= 0 && layer < REPORT.layers;
    return inside ? {layer, head} : null;
  }

  hover(cell) { this.onHover?.(cell ?? this.chosen); }

  choose(cell) {
    if (!cell) return;
    this.chosen = cell;
    this.draw();
    this.select(cell);
  }

  key(event) {
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
    if (!step) return;
    event.preventDefault();
    const clamp = (v, n) => Math.min(Math.max(v, 0), n - 1);
    this.choose({layer: clamp(this.chosen.layer + step[0], REPORT.layers), head: clamp(this.chosen.head + step[1], REPORT.heads)});
  }
}

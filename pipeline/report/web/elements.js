'use strict';
// Elements of the pages that show heads: choices, tables, the colour scale.

const choice = name => at(name).value;

function cell(row, content, name = '') {
  const td = row.insertCell();
  td.className = name;
  if (content instanceof Node) td.append(content); else td.textContent = content;
}

function table(id, heads, rows) {
  const t = at(id);
  t.replaceChildren();
  const head = t.createTHead().insertRow();
  for (const [title, name] of heads) {
    const th = document.createElement('th');
    th.textContent = title;
    th.className = name ?? '';
    head.append(th);
  }
  const body = t.createTBody();
  for (const {cells, bad} of rows) {
    const row = body.insertRow();
    if (bad) row.className = 'bad';
    cells.forEach((content, i) => cell(row, content, heads[i][1] ?? ''));
  }
}

/** Whether the layer's window hides keys in the longest context. */
function hidesKeys(layer) {
  const keys = REPORT.keysSeen?.[layer] ?? 0;
  return keys > 0 && keys < Math.max(...REPORT.contexts.map(Number));
}
function headName({layer, head}) {
  return `layer ${REPORT.firstLayer + layer}, head ${head}${hidesKeys(layer) ? ` (sees ${REPORT.keysSeen[layer]} keys)` : ''}`;
}

function statisticInfo(name) { return REPORT.statistics.find(s => s.name === name); }

/** Shows the description of the chosen statistic and returns its entry. */
function showMeaning() {
  const info = statisticInfo(choice('statistic'));
  at('meaning').textContent = `${info.name}: ${info.description}${info.units === '1' ? '' : ` (${info.units})`}`;
  return info;
}

/** The colours of a heat map with the values at their ends. */
function showScale(map) {
  at('low').textContent = number(map.low);
  at('high').textContent = number(map.high);
  const g = at('colours').getContext('2d'), width = at('colours').width;
  for (let i = 0; i < width; ++i) { g.fillStyle = colourAt(i / (width - 1)); g.fillRect(i, 0, 1, 12); }
}

function fill(id, options) { at(id).replaceChildren(...options.map(([value, label]) => new Option(label, value))); }

'use strict';
// The page: choices at the top, and everything that depends on them.

function withUnits(name) { const {units} = statisticInfo(name); return units === '1' ? name : `${name} (${units})`; }
function chosenValues(statistic = choice('statistic'), context = choice('context')) {
  return valuesOf(choice('scope'), context, choice('text'), statistic);
}
function chance(statistic) { return REPORT.nulls[`${choice('scope')}/${choice('context')}`]?.[statistic]; }

function headButton(place) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = headName(place);
  button.addEventListener('click', () => { map.choose(place); at('one').scrollIntoView(); });
  return button;
}

const map = new HeatMap(at('heatmap'), () => { showHead(); tellCell(map.chosen); });

function tellCell(place) {
  const value = chosenValues()?.[place.layer * REPORT.heads + place.head];
  at('cell').textContent = `${headName(place)}: ${choice('statistic')} ${number(value)}`;
}

function showMap() {
  const info = showMeaning(), values = chosenValues();
  map.show(values, tellCell);
  tellCell(map.chosen);
  showScale(map);
  if (!values) return;
  histogram(counted(values, info.name), chance(info.name), info.name);
  at('spread').textContent = spreadText(info.name, values);
}

/** The median, and the number of heads that it covers. */
function spreadText(statistic, values) {
  const those = counted(values, statistic), {median, count, censored} = spreadOf(those), missing = those.length - count;
  if (count === 0) return '';
  return `Median ${number(median)} over ${count} ${statisticInfo(statistic).ofKvHead ? 'KV heads' : 'heads'}` +
    (censored > 0 ? `; ${censored} of these values are only known to be beyond a bound` : '') +
    (missing > 0 ? `; ${missing} have no value (no certificate, or not defined)${missing > 0.05 * those.length ? '; with so many missing, the median of all heads may differ' : ''}` : '') + '.';
}

/** Share of the heads at or below a value; for a censored value, of the heads that are surely below it. */
function percentile(values, value) {
  const those = defined(values);
  return those.filter(v => (isCensored(value) ? highOf(v) <= value.low : highOf(v) <= value)).length / those.length;
}

function showHead() {
  const place = map.chosen, index = place.layer * REPORT.heads + place.head;
  at('head-name').textContent = headName(place)[0].toUpperCase() + headName(place).slice(1);
  table('head-table', [['statistic'], ['value', 'number'], ['heads at or below', 'number'], ['chance (± sd)', 'number wide'], ['meaning', 'wide']],
    REPORT.statistics.map(s => {
      const values = chosenValues(s.name), value = values?.[index], null_ = chance(s.name);
      return {cells: [s.name, number(value), values && !Number.isNaN(value) ? `${isCensored(value) ? '> ' : ''}${Math.round(100 * percentile(values, value))} %` : '',
                      null_ ? `${number(null_[0])} ± ${number(null_[1])}` : '', s.description]};
    }));
  const detail = detailOf(choice('scope'), choice('context'), place.layer, place.head);
  at('head-note').textContent = `Table: the field, context and text chosen above. ` + (detail ? `Pictures: text ${REPORT.texts[0]}.` :
    'To stay small, the report does not hold the spectrum of this head: it is in results.nc. For the longest context, the report holds the spectra of the heads under "extremes".');
  showSpectrum(detail);
  showProfile(detail);
}

function showSpectrum(detail) {
  const sigma = detail ? Array.from(floatsOf(detail.sigma)) : [], ks = sigma.map((_, i) => i + 1);
  const marks = detail ? [line(`rank bound ${detail.rankBound}`, [detail.rankBound, detail.rankBound], [Math.min(...sigma.filter(s => s > 0)), sigma[0]], GREY,
    {borderDash: [5, 4], pointRadius: 0})] : [];
  show('spectrum', 'line', [line('singular values', ks, sigma, BLUE), ...marks], axis('component', {type: 'linear', min: 0, max: 1 + Math.max(ks.length, detail?.rankBound ?? 1)}),
    logAxis('singular value (logit)', sigma), {title: 'spectrum', points: 1});
  let sum = 0;
  const total = detail?.energy ?? 1, shares = sigma.map(s => { sum += s * s; return sum / total; });
  const k90 = shares.findIndex(s => s >= 0.9) + 1;
  const k90Mark = k90 > 0 ? [line(`k90 = ${k90}`, [k90, k90], [0, 0.9], ORANGE, {borderDash: [5, 4]})] : [];
  show('cumulative', 'line', [line('share of the energy', ks, shares, BLUE), ...k90Mark], axis('components', {type: 'linear', min: 0, max: Math.max(ks.length, 1)}),
    axis('share of the energy', {min: 0, max: 1}), {title: 'cumulative energy', points: 1});
}

function showProfile(detail) {
  const withFirst = at('first-token').checked, context = Number(choice('context'));
  const shown = (bins, first) => {
    const shares = Array.from(bins);
    const positions = b => Math.floor((b + 1) * context / shares.length) - Math.floor(b * context / shares.length) - (b === 0 && !withFirst ? 1 : 0);
    if (!withFirst) shares[0] -= first;
    return shares.map((s, b) => (positions(b) > 0 ? s / positions(b) : NaN));  // energy share of one position, mean of the bin
  };
  const own = detail ? shown(floatsOf(detail.profile), detail.firstShare) : [];
  // A large report holds only extreme heads; their mean would describe no head.
  const held = Object.values(REPORT.details[`${choice('scope')}/${choice('context')}`] ?? {});
  const all = held.length === REPORT.layers * REPORT.heads ? held.filter(d => d.certified && Number.isFinite(d.firstShare)) : [];
  const mean = all.length ? shown(floatsOf(all[0].profile), 0).map(() => 0) : [];
  for (const other of all) shown(floatsOf(other.profile), other.firstShare).forEach((s, i) => { mean[i] += s / all.length; });
  const bins = Math.max(own.length, mean.length), xs = Array.from({length: bins}, (_, i) => (i + 0.5) * context / bins);
  show('profile', 'line', [line(headName(map.chosen), xs, own, ORANGE, {pointRadius: 0}), ...(all.length ? [line(`mean of ${all.length} heads`, xs, mean, BLUE, {pointRadius: 0})] : []),
    line('evenly spread', [0, context], [1 / context, 1 / context], GREY, {borderDash: [5, 4], pointRadius: 0})],
    axis('key position (token)', {type: 'linear', max: context}), logAxis('energy share of one position', [...own, ...mean, 1 / context]));
}

function showContexts() {
  const statistic = choice('statistic'), scopes = REPORT.scopes, datasets = [];
  scopes.forEach((scope, s) => {
    const colour = [BLUE, ORANGE, GREEN, GREY][s], xs = REPORT.contexts.map(Number);
    const spreads = REPORT.contexts.map(c => spreadOf(counted(valuesOf(scope, c, choice('text'), statistic) ?? [], statistic)));
    // A slope needs the same heads in every context.
    const counts = spreads.map(p => p.count).filter(c => c > 0), alike = Math.min(...counts) >= 0.95 * Math.max(...counts);
    const slope = alike ? logSlope(xs, spreads.map(p => p.median)) : NaN;
    datasets.push(line(`${scope}${Number.isNaN(slope) ? '' : `, slope ${slope.toFixed(2)}`}`, xs, spreads.map(p => p.median), colour),
      ...band(xs, spreads.map(p => p.low), spreads.map(p => p.high), colour));
    const nulls = REPORT.contexts.map(c => REPORT.nulls[`${scope}/${c}`]?.[statistic]?.[0] ?? NaN);
    if (nulls.some(Number.isFinite)) datasets.push(line(`${scope}, chance`, xs, nulls, colour, {borderDash: [4, 4]}));
  });
  show('by-context', 'line', datasets, logAxis('context (tokens)', REPORT.contexts.map(Number), REPORT.contexts.map(Number)),
    logAxis(withUnits(statistic), datasets.flatMap(d => d.data.map(p => p.y))));
}

/** All statistics, divided by their values for Gaussian heads. */
function showChance() {
  const rows = REPORT.statistics.filter(s => s.units !== 'position' && chance(s.name)?.[0] > 0)
    .map(s => ({name: s.name, null_: chance(s.name)[0], spread: spreadOf(counted(chosenValues(s.name) ?? [], s.name))})).filter(r => r.spread.median > 0);
  at('beside-chance').hidden = rows.length === 0;
  at('chance-note').textContent = rows.length === 0 ? 'Not measured: run with --null N to compare every statistic with Gaussian heads.' :
    'Each statistic, divided by its value for heads of Gaussian queries and keys of the same size: median over heads (dot) and the middle half (bar). 1 means equal to chance.';
  at('beside-chance').style.height = `${70 + 19 * rows.length}px`;
  const labels = rows.map(r => r.name), part = (r, key) => r.spread[key] / r.null_;
  const bars = {label: 'middle half', data: rows.map(r => [part(r, 'low'), part(r, 'high')]), backgroundColor: BLUE + '66', minBarLength: 3};
  const medians = {type: 'line', label: 'median', data: rows.map(r => part(r, 'median')), borderColor: BLUE, backgroundColor: BLUE, showLine: false, pointRadius: 4};
  const x = logAxis('measured over chance', [0.5, 2, ...rows.flatMap(r => [part(r, 'low'), part(r, 'high')])]);
  x.grid = {color: place => (place.tick?.value === 1 ? ORANGE : ink('--line')), lineWidth: place => (place.tick?.value === 1 ? 2 : 1)};
  show('by-chance', 'bar', [bars, medians], x,
    axis('', {ticks: {autoSkip: false, color: ink('--dim')}}), {labels, indexAxis: 'y'});
}

function showLayers() {
  const values = chosenValues() ?? [], xs = [], spreads = [];
  for (let l = 0; l < REPORT.layers; ++l) {
    xs.push(REPORT.firstLayer + l);
    spreads.push(spreadOf(counted(values.slice(l * REPORT.heads, (l + 1) * REPORT.heads), choice('statistic'))));
  }
  show('by-layer', 'line', [line('median', xs, spreads.map(s => s.median), BLUE), ...band(xs, spreads.map(s => s.low), spreads.map(s => s.high), BLUE)],
    axis('layer', {type: 'linear', ticks: {precision: 0, color: ink('--dim')}}), axis(withUnits(choice('statistic'))));
}

function showLearned() {
  const field = chosenValues('k90'), learned = chosenValues('learned_k90');
  const pairs = field && learned ? Array.from(field, (y, i) => ({x: learned[i], y: placeOfValue(y), i, known: !isCensored(y)})).filter(p => Number.isFinite(p.x) && Number.isFinite(p.y)) : [];
  at('learned-note').textContent = pairs.length === 0 ? 'Not known: a capture holds no weights, or k90 is unknown.' :
    'Each point is a head. Across: components with 90 % of the energy of W_Q^T W_K with the gains of the norms, from the weights alone. Upwards: the same for the measured field. Below the line, the text uses fewer components than the weights have; above it, more. Click a point to see the head.' +
    (pairs.some(p => !p.known) ? ' Orange: the field needs more components than were computed.' : '');
  const most = Math.max(1, ...pairs.map(p => Math.max(p.x, p.y)));
  show('gap', 'scatter', [{label: 'heads', data: pairs, backgroundColor: pairs.map(p => (p.known ? BLUE : ORANGE) + '99')}, line('equal', [0, most], [0, most], GREY, {showLine: true, borderDash: [5, 4], pointRadius: 0})],
    axis('k90 of W_Q^T W_K with gains'), axis('k90 of the field'), {points: 3, onClick: (_, items) => {
      if (items.length && items[0].datasetIndex === 0) { const i = pairs[items[0].index].i; map.choose({layer: Math.floor(i / REPORT.heads), head: i % REPORT.heads}); }
    }, callbacks: {label: item => item.raw.i === undefined ? '' : headName({layer: Math.floor(item.raw.i / REPORT.heads), head: item.raw.i % REPORT.heads})}});
}

function showTexts() {
  const statistic = choice('statistic'), names = REPORT.texts;
  const spreads = names.map((_, t) => spreadOf(counted(valuesOf(choice('scope'), choice('context'), String(t), statistic) ?? [], statistic)));
  const held = spreads.some(s => s.count > 0), medians = spreads.map(s => s.median), known = medians.every(Number.isFinite);
  at('texts-note').textContent = !held ? 'There is one text, or too many heads to show every text here: see heads.csv.' :
    `Median over heads and the middle half, for each text. ` + (known ? `The medians lie between ${number(Math.min(...medians))} and ${number(Math.max(...medians))}.` :
      `The medians: ${medians.map(number).join(', ')}.`);
  const bars = {label: 'middle half', data: spreads.map(s => [s.low, s.high]), backgroundColor: BLUE + '66', maxBarThickness: 160};
  show('by-text', 'bar', [bars, {type: 'line', label: 'median', data: spreads.map(s => s.median), borderColor: BLUE, backgroundColor: BLUE, showLine: false, pointRadius: 5}],
    axis('text'), axis(withUnits(statistic)), {labels: names});
}

function showExtremes() {
  const values = chosenValues() ?? [], order = Array.from(values, (v, i) => [v, i]).filter(p => !Number.isNaN(p[0])).sort((a, b) => placeOfValue(b[0]) - placeOfValue(a[0]));
  const shown = Math.min(5, Math.floor(order.length / 2));
  const row = (kind, [value, i]) => ({cells: [kind, headButton({layer: Math.floor(i / REPORT.heads), head: i % REPORT.heads}), number(value)]});
  table('extreme-table', [[''], ['head'], [choice('statistic'), 'number']],
    [...order.slice(0, shown).map(p => row('largest', p)), ...order.slice(order.length - shown).reverse().map(p => row('smallest', p))]);
}

function showCertificates() {
  const {total, certified, failedChecks, failures, worst} = REPORT.certificates;
  at('certificate-note').textContent = `${certified} of ${total} head measurements are certified: they passed all checks that the field is that of their Q and K. ` +
    (failedChecks === 0 ? 'These errors came closest to their bounds:' : `${failedChecks} checks failed (red${failures.length < failedChecks ? `; the first ${failures.length} are listed` : ''}). Below them: of the checks that hold, those closest to their bounds.`);
  const places = ({text, scope, context, layer, head}) => `${REPORT.texts[text]}, ${scope}, ${context} tokens`;
  table('certificate-table', [['check'], ['head'], ['where', 'wide'], ['error', 'number'], ['bound', 'number']],
    [...failures.map(f => ({bad: true, cells: [f.check, headButton(f), places(f), number(f.error), number(f.bound)]})),
     ...worst.map(w => ({cells: [w.check, headButton(w), places(w), number(w.error), number(w.bound)]}))]);
  at('verdict').textContent = `${certified} of ${total} head measurements certified`;
  at('verdict').className = certified < total ? 'bad' : '';
}

function showAll() {
  showMap(); showHead(); showContexts(); showChance(); showLayers(); showLearned(); showTexts(); showExtremes();
}

const SCOPES = {full: 'full: all keys', causal: 'causal: the keys that the softmax sees', 'causal-mean': 'causal-mean: means over keys up to the query, unmasked',
                'causal-unwindowed': 'causal-unwindowed: all keys up to the query, even in layers with windows'};

/** The model and the run in a sentence or two. */
function card() {
  const {type, layers, heads, kvHeads, headDim, texts, contexts, losses} = REPORT;
  const parts = [`${type}, ${layers} layers of ${heads} heads${kvHeads === heads ? '' : ` (${kvHeads} KV heads)`} of dimension ${headDim}`,
                 `${texts.length === 1 ? 'text' : `${texts.length} texts:`} ${texts.slice(0, 4).join(', ')}${texts.length > 4 ? ', ...' : ''}`,
                 contexts.length === 1 ? `${contexts[0]} tokens` : `contexts of ${contexts[0]} to ${contexts[contexts.length - 1]} tokens`];
  const windowed = REPORT.keysSeen.filter((_, layer) => hidesKeys(layer));
  if (windowed.length) parts.push(`${windowed.length} layers (*) see ${[...new Set(windowed)].join(' or ')} keys only: causal fields and attention cover only these keys`);
  if (losses.length) parts.push(`next-token loss (nats) ${losses.slice(0, 4).map(number).join(', ')}${losses.length > 4 ? ', ...' : ''}`);
  return parts.join(' \u00b7 ');
}

function start() {
  at('model').textContent = REPORT.model;
  at('incomplete').hidden = REPORT.measured === REPORT.planned;
  at('incomplete').textContent = `This run is not complete: ${REPORT.measured} of ${REPORT.planned} layers over all texts are measured, ` +
    'and this page shows only these. The same command with --resume measures the rest.';
  at('card').textContent = card();
  fill('statistic', REPORT.statistics.map(s => [s.name, s.name]));
  fill('scope', REPORT.scopes.map(s => [s, SCOPES[s]]));
  fill('context', REPORT.contexts.map(c => [c, `${c} tokens`]));
  fill('text', [['', REPORT.texts.length > 1 ? 'median over texts' : REPORT.texts[0]], ...(REPORT.texts.length > 1 && REPORT.holdsTexts ? REPORT.texts.map((t, i) => [String(i), t]) : [])]);
  at('statistic').value = 'k90';
  at('context').value = REPORT.contexts[REPORT.contexts.length - 1];
  table('provenance-table', [['what'], ['value']], REPORT.provenance.map(([name, value]) => ({cells: [name, value]})));
  for (const id of ['statistic', 'scope', 'context', 'text']) at(id).addEventListener('change', showAll);
  at('first-token').addEventListener('change', showHead);
  at('choices').addEventListener('submit', e => e.preventDefault());
  startTheme(showAll);
  let width = innerWidth;
  addEventListener('resize', () => { if (innerWidth !== width) { width = innerWidth; map.draw(); } });
  showCertificates();
  showAll();
}

start();

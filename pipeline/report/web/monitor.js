'use strict';
// The page of a monitor: one statistic over training, every head at one checkpoint, and the alerts.

// Explains each kind of alert to someone who sees it for the first time.
const KINDS = {
  jump: 'left the band of its own recent history',
  drift: 'has changed since its beginning differently from the other heads',
  chance: 'is far from the value of Gaussian heads',
  entropy_collapse: 'its attention has become much narrower',
  rank_collapse: 'its field or keys use far fewer dimensions',
  dead: 'almost no field is left: its queries vanish or its keys are all the same',
  model_drift: 'all heads move in the same direction without slowing down (median over heads)',
  max_logit: 'its largest logit is above the limit',
  not_finite: 'holds NaN or infinity',
  certificate: 'failed its certificate; its values are not used',
};

const indexOf = ({layer, head}) => layer * REPORT.heads + head;
const valuesAt = (step, statistic = choice('statistic')) => valuesOf('', '', String(step), statistic);
const isOf = (alert, place) => alert.layer === place.layer && alert.head === place.head;

/** A map with rings around the heads that have alerted so far. */
class AlertMap extends HeatMap {
  draw() {
    super.draw();
    const g = this.canvas.getContext('2d'), {margin, cell, down} = this.geometry, step = Number(choice('step'));
    for (const {step: since, layer, head} of REPORT.alerts) {
      if (layer === null || head === null || since > step) continue;
      g.lineWidth = 3;
      g.strokeStyle = '#000000';
      g.strokeRect(margin + head * cell + 3, layer * down + 3, Math.max(cell - 7, 2), Math.max(down - 7, 2));
      g.lineWidth = 1.5;
      g.strokeStyle = '#ffffff';
      g.strokeRect(margin + head * cell + 3, layer * down + 3, Math.max(cell - 7, 2), Math.max(down - 7, 2));
    }
  }
}

const map = new AlertMap(at('heatmap'), () => { showTimeline(); tellCell(map.chosen); });

function tellCell(place) {
  const value = valuesAt(choice('step'))?.[indexOf(place)];
  at('cell').textContent = `${headName(place)}, step ${choice('step')}: ${choice('statistic')} ${number(value)}`;
}

/** The place of a step on the axis; a logarithmic axis shows step 0 at 1. */
function placeOf(step) { return at('log-steps').checked ? Math.max(step, 1) : step; }

function stepAxis() {
  const places = REPORT.checkpoints.map(c => placeOf(c.step)), logarithmic = at('log-steps').checked;
  return axis(logarithmic ? 'step (logarithmic; step 0 is shown at 1)' : 'step',
    {type: logarithmic ? 'logarithmic' : 'linear', min: Math.min(...places), max: Math.max(...places)});
}

function chooseNearest(place) {
  const steps = [...REPORT.steps].sort((a, b) => Math.abs(placeOf(a) - place) - Math.abs(placeOf(b) - place));
  at('step').value = String(steps[0]);
  showAll();
}

function showTimeline() {
  const statistic = choice('statistic'), steps = REPORT.steps, xs = steps.map(placeOf), place = map.chosen;
  const spreads = steps.map(s => spreadOf(valuesAt(s) ?? [])), own = steps.map(s => valuesAt(s)?.[indexOf(place)] ?? NaN);
  const dashed = (label, value, colour) => line(label, [xs[0], xs[xs.length - 1]], [value, value], colour, {borderDash: [5, 4], pointRadius: 0});
  const mine = REPORT.alerts.filter(a => (isOf(a, place) || a.kind === 'model_drift') && a.statistic === statistic);
  const crossed = mine.map(a => (a.low !== null && a.value < a.low ? a.low : a.high));
  const datasets = [
    line(headName(place), xs, own, ORANGE),
    line('median of all heads', xs, spreads.map(s => s.median), BLUE),
    ...band(xs, spreads.map(s => s.low), spreads.map(s => s.high), BLUE),
    ...(statistic in REPORT.chance && statistic !== 'max_logit' ? [dashed('chance (Gaussian heads)', REPORT.chance[statistic], GREY)] : []),
    ...(statistic === 'max_logit' ? [dashed('alert above', REPORT.maxLogit, GREY)] : []),
    ...(mine.length ? [line('alert', mine.map(a => placeOf(a.step)), mine.map(a => a.value), '#d55e00', {showLine: false, pointStyle: 'triangle', pointRadius: 9})] : []),
    ...(mine.length ? [line('limit that it crossed', mine.map(a => placeOf(a.step)), crossed, '#d55e00', {showLine: false, pointStyle: 'line', pointRadius: 9, borderWidth: 2})] : []),
  ];
  at('timeline-note').textContent = `The median over heads with the middle half of them, and ${headName(place)}. Click a point to see that checkpoint below.` +
    (steps.length < REPORT.checkpoints.filter(c => c.measured).length ? ` To stay small, this page holds ${steps.length} of the checkpoints; series.csv holds all.` : '');
  show('by-step', 'line', datasets, stepAxis(), axis(statistic),
    {points: 3, onClick: (event, _, chart) => chooseNearest(chart.scales.x.getValueForPixel(event.x))});
}

function showMap() {
  at('map-title').textContent = `Every head at step ${choice('step')}`;
  showMeaning();
  map.show(valuesAt(choice('step')), tellCell);
  tellCell(map.chosen);
  showScale(map);
}

/** A button that shows the step, the statistic and the head (if any) of an alert. */
function alertButton(alert) {
  const ofModel = alert.kind === 'model_drift';
  if (alert.layer === null && !ofModel) return 'outside the layers (embedding, output)';
  if (alert.head === null && !ofModel) return `layer ${REPORT.firstLayer + alert.layer}`;
  const name = ofModel ? 'all heads' : headName(alert);
  if (!REPORT.steps.length) return name;
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = name;
  button.addEventListener('click', () => {
    if (statisticInfo(alert.statistic)) at('statistic').value = alert.statistic;
    if (!ofModel) map.chosen = {layer: alert.layer, head: alert.head};
    chooseNearest(placeOf(alert.step));
    at('timeline').scrollIntoView();
  });
  return button;
}

function bandText({low, high}) {
  if (low === null && high === null) return '';
  if (low === null) return `at most ${number(high)}`;
  return high === null ? `at least ${number(low)}` : `${number(low)} to ${number(high)}`;
}

function showAlerts() {
  const {alerts, alertCount, checkpoints} = REPORT;
  at('alert-note').textContent = alertCount === 0 ? 'None.' :
    'Click a head to see it over training. Alerts are listed at the step where they begin.' +
    (alerts.length < alertCount ? ` The first ${alerts.length} of ${alertCount}; alerts.jsonl holds all.` : '');
  table('alert-table', alertCount === 0 ? [] : [['step', 'number'], ['head'], ['what happened'], ['statistic', 'wide'], ['value', 'number'], ['should be', 'number wide']],
    alerts.map(a => ({cells: [String(a.step), alertButton(a), `${a.kind.replaceAll('_', ' ')}: ${KINDS[a.kind]}`, a.statistic,
                              a.value === null ? '' : number(a.value), bandText(a)]})));
  const steps = checkpoints.map(c => c.step);
  at('verdict').textContent = `${steps.length} checkpoints, step ${Math.min(...steps)} to ${Math.max(...steps)}: ` +
    (alertCount === 0 ? 'no alert' : `${alertCount} alert${alertCount === 1 ? '' : 's'}`);
  at('verdict').className = alertCount > 0 ? 'bad' : '';
}

function showLoss() {
  const known = REPORT.checkpoints.filter(c => c.loss !== null);
  at('losses').hidden = known.length === 0;
  at('loss-note').textContent = 'Mean next-token loss of the texts on which the heads are measured.';
  if (known.length) show('loss', 'line', [line('loss', known.map(c => placeOf(c.step)), known.map(c => c.loss), BLUE)], stepAxis(), axis('nats per token'));
}

function showCheckpoints() {
  const link = c => {
    if (!c.measured) return 'not measured: weights are not finite';
    const a = document.createElement('a');
    a.href = c.report;
    a.textContent = c.report.split('/')[0];
    return a;
  };
  table('checkpoint-table', [['step', 'number'], ['loss', 'number'], ['alerts', 'number'], ['heads without certificate', 'number wide'], ['its report', 'number']],
    REPORT.checkpoints.map(c => ({cells: [String(c.step), c.loss === null ? '' : number(c.loss), c.alerts ? String(c.alerts) : '', c.failed ? String(c.failed) : '', link(c)]})));
}

function showAll() {
  showLoss();
  if (!REPORT.steps.length) return;
  showMap();
  showTimeline();
}

function start() {
  at('model').textContent = `${REPORT.model}: heads over training`;
  fill('statistic', REPORT.statistics.map(s => [s.name, s.name]));
  fill('step', REPORT.steps.map(s => [s, `step ${s}`]));
  at('step').value = String(REPORT.steps[REPORT.steps.length - 1]);
  for (const id of ['timeline', 'map']) at(id).hidden = !REPORT.steps.length;
  const positive = REPORT.steps.filter(s => s > 0);
  // Doubling steps need a logarithmic axis.
  at('log-steps').checked = positive.length > 2 && positive[Math.floor(positive.length / 2)] < positive[positive.length - 1] / 4;
  for (const id of ['statistic', 'step', 'log-steps']) at(id).addEventListener('change', showAll);
  at('choices').addEventListener('submit', e => e.preventDefault());
  table('threshold-table', [['option'], ['value', 'number'], ['meaning']], REPORT.thresholds.map(t => ({cells: [t.name, number(t.value), t.meaning]})));
  const first = REPORT.alerts.find(a => a.layer !== null && a.head !== null);
  const shown = first ?? REPORT.alerts.find(a => a.kind === 'model_drift');
  if (first) map.chosen = {layer: first.layer, head: first.head};
  if (shown && statisticInfo(shown.statistic)) at('statistic').value = shown.statistic;
  showAlerts();
  showCheckpoints();
  startTheme(showAll);
  let width = innerWidth;
  addEventListener('resize', () => { if (innerWidth !== width && REPORT.steps.length) { width = innerWidth; map.draw(); } });
  showAll();
}

start();

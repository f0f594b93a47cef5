// What verify measured: ticks and crosses, figures, KL divergence along the text.
// Candidates by what tells them apart: their paths without the folders that all have in common.
function sharedFolder(paths) {
  const folders = paths.map((path) => path.split('/').slice(0, -1));
  const differs = folders[0].findIndex((name, i) => folders.some((other) => other[i] !== name));
  return differs < 0 ? folders[0].length : differs;
}

const common = verification ? sharedFolder(verification.results.map((result) => result.model)) : 0;
const modelName = (model) => model.split('/').slice(common).join('/');
const resultName = (result) => `${modelName(result.model)} on ${result.provider}`;

function mark(passed) {
  return make('span', { class: passed ? 'pass' : 'fail' },
    make('span', { 'aria-hidden': 'true' }, passed ? '✓' : '✗'),
    make('span', { class: 'unseen' }, passed ? 'passed' : 'failed'));
}

function reason(result) {
  const parts = [...result.failures];
  if (result.error && !parts.includes(result.error)) parts.push(result.error);
  if (result.first_bad) parts.push(result.first_bad);
  return parts.join('; ');
}

function matrix() {
  const models = [...new Set(verification.results.map((result) => result.model))];
  const providers = [...new Set(verification.results.map((result) => result.provider))];
  const cell = (model, provider) => {
    const result = verification.results.find((one) => one.model === model && one.provider === provider);
    if (!result) return make('td', {}, '–');
    const why = reason(result);
    return make('td', { class: 'mark' }, mark(result.passed),
      why ? make('small', {}, why) : null);
  };
  return make('div', { class: 'scroll' }, make('table', { class: 'matrix' },
    make('thead', {}, make('tr', {}, make('th', { scope: 'col' }, 'candidate'),
      ...providers.map((provider) => make('th', { scope: 'col' }, provider)))),
    make('tbody', {}, ...models.map((model) => make('tr', {}, make('th', { scope: 'row', title: model }, modelName(model)),
      ...providers.map((provider) => cell(model, provider)))))));
}

function languageColumns() {
  const figureOf = (key) => (result) => result.language[key];
  return [
    { title: 'candidate', value: (result) => modelName(result.model) },
    { title: 'on', value: (result) => result.provider },
    { title: 'KL mean', value: figureOf('kl_mean'), text: short, number: true },
    { title: '99 %', value: figureOf('kl_p99'), text: short, number: true },
    { title: 'largest', value: figureOf('kl_max'), text: short, number: true },
    { title: 'top-1', value: figureOf('top1'), text: (share) => percent(share, 2), number: true },
    { title: 'top-5', value: figureOf('top5'), text: (share) => percent(share, 2), number: true },
    { title: 'perplexity', value: (result) => result.language.perplexity.value, text: short, number: true },
    { title: 'logit error', value: figureOf('largest_logit_error'), text: short, number: true },
    { title: 'greedy', value: (result) => (result.greedy ? result.greedy.same : null), number: true,
      text: (same, result) => (result.greedy ? `${same}/${result.greedy.steps}` : '–') },
    { title: 'ms/token', number: true, text: short,
      value: (result) => (result.greedy?.seconds_per_token ? result.greedy.seconds_per_token * 1e3 : null) },
    { title: 'NaN', value: figureOf('nan'), text: exact, number: true },
    { title: 'Inf', value: figureOf('inf'), text: exact, number: true },
  ];
}

function outputColumns() {
  return [
    { title: 'candidate', value: (row) => modelName(row.model) },
    { title: 'on', value: (row) => row.provider },
    { title: 'output', value: (row) => row.name },
    { title: 'max error', value: (row) => row.max_error, text: short, number: true },
    { title: 'mean error', value: (row) => row.mean_error, text: short, number: true },
    { title: 'cosine', value: (row) => row.cosine, text: (value) => (value === null ? '–' : value.toFixed(7)),
      number: true },
    { title: 'NaN', value: (row) => row.nan, text: exact, number: true },
    { title: 'Inf', value: (row) => row.inf, text: exact, number: true },
  ];
}

// Runs of positions without a gap: a position with NaN or Inf has no divergence.
function runs(values) {
  const found = [];
  values.forEach((value, i) => {
    if (value === null) return;
    if (i === 0 || values[i - 1] === null) found.push([]);
    found[found.length - 1].push([i, value]);
  });
  return found;
}

const LOWEST_KL = 1e-12;

// One scale for all, so that charts can be compared.
function klLimits(results) {
  const positive = results.flatMap((result) => result.language.kl_by_position.largest).filter((value) => value > 0);
  const low = Math.max(LOWEST_KL, positive.reduce((a, b) => Math.min(a, b), 1e-2));
  return [low, positive.reduce((a, b) => Math.max(a, b), low * 10)];
}

function klChart(result, [low, high], width) {
  const { each, largest } = result.language.kl_by_position;
  const [left, right, top, bottom] = [48, width - 10, 12, 190];
  const axis = logAxis(low, high, top, bottom);
  const x = (i) => left + (right - left) * (i + 0.5) / largest.length;
  const half = Math.max(0.75, (right - left) / largest.length / 2);
  const chart = svg('svg', { width, height: bottom + 42, class: 'kl-chart' }, ...gridLines(axis, left, right));
  for (const run of runs(largest)) {
    const path = run.map(([i, value], n) => `${n ? 'L' : 'M'}${x(i).toFixed(1)} ${axis.y(value).toFixed(1)}`);
    chart.append(svg('path', { class: 'course', d: path.join('') + (run.length === 1 ? 'h.1' : '') }));
  }
  const mean = result.language.kl_mean;
  if (mean > 0) {
    chart.append(svg('line', { class: 'mean', x1: left, x2: right, y1: axis.y(mean), y2: axis.y(mean) }));
  }
  const text = (i) => (each === 1 ? `position ${exact(i)}` : `positions ${exact(i * each)} to ${exact((i + 1) * each - 1)}`);
  const marks = largest.map((value, i) => {
    const bad = value === null;
    const spot = svg('rect', { class: bad ? 'spot bad' : 'spot', x: x(i) - half, y: top, width: 2 * half,
      height: bottom - top });
    chart.append(spot);
    return withTip(spot, bad ? `${text(i)}: NaN or Inf` : `${text(i)}: KL ${short(value)}`);
  });
  const count = 1 + Math.max(1, Math.min(8, Math.floor((right - left) / 90)));
  for (let n = 0; n < count; n += 1) {
    const i = Math.round((largest.length - 1) * n / (count - 1));
    chart.append(svg('text', { class: 'tick', x: x(i), y: bottom + 17,
      'text-anchor': n === 0 ? 'start' : n === count - 1 ? 'end' : 'middle' }, exact(i * each)));
  }
  chart.append(svg('text', { class: 'tick', x: (left + right) / 2, y: bottom + 36, 'text-anchor': 'middle' },
    'position in the text'));
  return figure(`KL divergence by position: ${resultName(result)}`, walkable(chart, marks),
    legend([[each === 1 ? 'KL in nats' : `largest KL of ${each} positions, in nats`, 'var(--c2)', 'line'],
      ['mean', 'var(--muted)', 'dash'],
      ...(largest.includes(null) ? [['NaN or Inf', 'var(--bad)']] : [])]),
    ['position', 'KL'], largest.map((value, i) => [exact(i * each), value === null ? 'NaN or Inf' : short(value)]));
}

const decibels = (value) => (value === null ? '–' : value.toFixed(1));
const layerName = (layer) => (layer === null ? 'outside' : String(layer));

// What each layer hands on, as bars, and its worst value, as a line below.
function layersChart(result, high, width) {
  const [left, right, top, bottom] = [48, width - 10, 12, 190];
  const { layers } = result;
  const axis = linearAxis(high, top, bottom);
  const y = (value) => Math.min(bottom, axis.y(value ?? 0));
  const step = (right - left) / layers.length;
  const chart = svg('svg', { width, height: bottom + 42, class: 'layers-chart' }, ...gridLines(axis, left, right));
  const marks = layers.map(({ layer, last, worst }, i) => {
    const bad = Boolean(last.bad);
    const bar = svg('rect', { class: bad ? 'bar over' : 'bar safe', x: left + i * step + step * 0.15,
      y: bad ? top : y(last.sqnr_db), width: Math.max(1, step * 0.7),
      height: Math.max(1.5, bottom - (bad ? top : y(last.sqnr_db))), rx: Math.min(2, step / 4) });
    chart.append(bar);
    return withTip(bar, `layer ${layerName(layer)}: ${last.name} ` +
      (bad ? 'has NaN or Inf' : `${decibels(last.sqnr_db)} dB`) +
      `; worst ${worst.name} ${worst.bad ? 'has NaN or Inf' : `${decibels(worst.sqnr_db)} dB`}`);
  });
  const path = layers.map(({ worst }, i) =>
    `${i ? 'L' : 'M'}${(left + (i + 0.5) * step).toFixed(1)} ${(worst.bad ? bottom : y(worst.sqnr_db)).toFixed(1)}`);
  chart.append(svg('path', { class: 'worst', d: path.join('') + (layers.length === 1 ? 'h.1' : '') }));
  let lastText = -40;
  layers.forEach(({ layer }, i) => {
    const x = left + (i + 0.5) * step;
    if (x - lastText < (layer === null ? 48 : 24)) return;
    lastText = x;
    chart.append(svg('text', { class: 'tick', x, y: bottom + 17, 'text-anchor': 'middle' }, layerName(layer)));
  });
  chart.append(svg('text', { class: 'tick', x: (left + right) / 2, y: bottom + 36, 'text-anchor': 'middle' }, 'layer'));
  const anyBad = layers.some(({ last }) => last.bad);
  return figure(`Error by layer: ${resultName(result)}`, walkable(chart, marks),
    legend([['signal to noise of what the layer hands on, in dB', 'var(--c2)'],
      ['of its worst value', 'var(--text)', 'line'],
      ...(anyBad ? [['NaN or Inf', 'var(--bad)']] : [])]),
    ['layer', 'last value', 'dB', 'cosine', 'worst value', 'dB'],
    layers.map(({ layer, last, worst }) => [layerName(layer), last.name, decibels(last.sqnr_db),
      last.cosine === null ? '–' : last.cosine.toFixed(7), worst.name, decibels(worst.sqnr_db)]));
}

function layersSection(results) {
  const ratios = results.flatMap((result) => result.layers.map(({ last }) => last.sqnr_db ?? 0));
  const high = Math.max(10, ...ratios);
  return section('layers', 'Error by layer', 'Signal to noise of inner values against the reference’s: ' +
    '20 dB more is a tenth of the error.', ...results.map((result) =>
    make('div', { class: 'course-block' }, make('h3', {}, resultName(result)),
      drawn(make('div'), (width) => layersChart(result, high, width)))));
}

function verifySection() {
  const { results } = verification;
  const failed = results.filter((result) => !result.passed).length;
  const language = results.filter((result) => result.language);
  const outputs = results.flatMap((result) => (result.outputs || []).map((output) =>
    ({ ...output, model: result.model, provider: result.provider })));
  const note = `Against ${verification.reference}` +
    (verification.tokens ? `, over ${exact(verification.tokens)} tokens. ` : '. ') +
    (failed ? `${failed} of ${results.length} failed.` : 'All passed.');
  const parts = [section('verify', 'Verification', note, matrix())];
  if (language.length) {
    parts.push(section('figures', 'How far they part', 'KL divergence from the reference in nats; shares of equal first choices.',
      simpleTable('Figures of language models', languageColumns(), language)));
  }
  if (outputs.length) {
    parts.push(section('outputs', 'How far they part', 'Errors of each output.',
      simpleTable('Errors of outputs', outputColumns(), outputs)));
  }
  const courses = language.filter((result) => result.language.kl_by_position?.largest.length);
  if (courses.length) {
    const limits = klLimits(courses);
    parts.push(section('kl', 'KL divergence by position', null, ...courses.map((result) =>
      make('div', { class: 'course-block' }, make('h3', {}, resultName(result)),
        result.language.kl_by_position.largest.every((value) => value === null)
          ? make('p', { class: 'nothing' }, 'NaN or Inf at every position.')
          : drawn(make('div'), (width) => klChart(result, limits, width))))));
  }
  const inside = results.filter((result) => result.layers);
  if (inside.length) parts.push(layersSection(inside));
  return parts;
}

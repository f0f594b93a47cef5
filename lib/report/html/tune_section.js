// What tune found: what each size costs, and how the weights of the chosen size are stored.
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

// At most so many points: names and figures for each are read one by one.
function someOf(points, most) {
  if (points.length <= most) return points;
  return points.filter((_, i) => i === points.length - 1 ||
    Math.floor((i * most) / points.length) !== Math.floor(((i - 1) * most) / points.length));
}

// Single points beside the front: [text, bytes, nats].
function tunedPoints() {
  return [
    ['before', tuning.bytes_before, tuning.predicted_kl_before],
    ['chosen', tuning.bytes, tuning.predicted_kl],
    ['measured on other text', tuning.bytes, tuning.measured_kl],
  ].filter(([, bytes, kl]) => bytes > 0 && kl !== null && kl > 0);
}

function frontChart(width) {
  const [left, right, top, bottom] = [64, width - 24, 12, 260];
  const front = someOf(tuning.front.filter((point) => point.kl > 0), 400);
  const singles = tunedPoints();
  const costs = [...front.map((point) => point.kl), ...singles.map(([, , kl]) => kl)];
  const sizes = [...front.map((point) => point.bytes), ...singles.map(([, bytes]) => bytes)];
  const axis = logAxis(Math.min(...costs), Math.max(...costs), top, bottom);
  const least = Math.min(...sizes);
  const span = Math.max(1, Math.max(...sizes) - least);
  const x = (bytes) => left + (right - left) * (bytes - least) / span;
  const ticks = Array.from({ length: 6 }, (_, i) => least + (span * i) / 5);
  const corners = front.flatMap((point, i) => [
    ...(i > 0 ? [`${x(point.bytes)},${axis.y(front[i - 1].kl)}`] : []),
    `${x(point.bytes)},${axis.y(point.kl)}`,
  ]);
  const text = (name, bytes, kl) => `${name}: ${megabytes(bytes)}, KL ${short(kl)} nats per token`;
  const spots = front.map((point) => withTip(
    svg('circle', { class: 'spot', cx: x(point.bytes), cy: axis.y(point.kl), r: 7 }),
    text('predicted', point.bytes, point.kl)));
  const marks = singles.map(([name, bytes, kl], i) => withTip(
    svg('circle', { class: 'bar', cx: x(bytes), cy: axis.y(kl), r: 5, fill: `var(--c${i})` }),
    text(name, bytes, kl)));
  const chart = svg('svg', { class: 'front-chart', width, height: 300, viewBox: `0 0 ${width} 300` },
    ...gridLines(axis, left, right),
    ...ticks.map((bytes, i) => svg('text', { class: 'tick', x: x(bytes), y: 280,
      'text-anchor': i === 0 ? 'start' : i === ticks.length - 1 ? 'end' : 'middle' }, megabytes(bytes))),
    svg('polyline', { class: 'course', points: corners.join(' ') }), ...spots, ...marks);
  const rows = [...singles.map(([name, bytes, kl]) => [name, exact(bytes), short(kl)]),
    ...front.map((point) => ['front', exact(point.bytes), short(point.kl)])];
  return figure('What each size costs', walkable(chart, [...spots, ...marks]),
    legend([['least predicted KL at each size', 'var(--c2)', 'line'],
      ...singles.map(([name], i) => [name, `var(--c${i})`])]),
    ['', 'bytes', 'KL, nats per token'], rows);
}

function tunedWeights() {
  const groups = new Map();
  for (const weight of tuning.weights) {
    const key = `${weight.role || '–'}\n${weight.format}`;
    const group = groups.get(key) || { count: 0, bytes: 0, kl: 0 };
    groups.set(key, { count: group.count + 1, bytes: group.bytes + weight.bytes, kl: group.kl + weight.kl });
  }
  const rows = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, group]) =>
    [...key.split('\n'), exact(group.count), megabytes(group.bytes), short(group.kl)]);
  const heads = ['role', 'stored as', 'weights', 'size', 'predicted KL'];
  return make('div', { class: 'scroll' }, make('table', {},
    make('thead', {}, make('tr', {}, ...heads.map((head) => make('th', { scope: 'col' }, head)))),
    make('tbody', {}, ...rows.map((row) => make('tr', {}, ...row.map((cell) => make('td', {}, cell)))))));
}

function tuneSection() {
  const chosen = tuning.bytes > 0
    ? `${tuning.dtype}: ${exact(tuning.bytes)} bytes at a predicted KL of ${short(tuning.predicted_kl)} nats per token.`
    : `${tuning.dtype}: nothing was chosen.`;
  return section('tuning', 'What each byte buys', chosen,
    tuning.front.length ? drawn(make('div'), frontChart) : null,
    tuning.weights.length ? tunedWeights() : null);
}

// The plan's charts: bytes by role and format, peaks by layer.
function bytesByRole(output) {
  const roles = new Map();
  for (const tensor of output.tensors) {
    const role = tensor.role || 'other';
    if (!roles.has(role)) roles.set(role, { role, bytes: 0, input: 0, formats: new Map() });
    const entry = roles.get(role);
    const found = entry.formats.get(tensor.format) || { bytes: 0, tensors: 0 };
    found.bytes += tensor.bytes;
    found.tensors += 1;
    entry.bytes += tensor.bytes;
    entry.formats.set(tensor.format, found);
  }
  return [...roles.values()].sort((a, b) => b.bytes - a.bytes || (a.role < b.role ? -1 : 1));
}

function bytesChart(output, width) {
  const rows = bytesByRole(output);
  const formats = [...new Set(output.tensors.map((tensor) => tensor.format))].sort();
  const label = 'Bytes by role and format';
  const total = rows.reduce((sum, row) => sum + row.bytes, 0);
  const longest = Math.max(1, ...rows.map((row) => row.bytes));
  const narrow = width < 560;
  const left = narrow ? 4 : 150;
  const right = narrow ? width - 4 : width - 130;
  const height = narrow ? 44 : 30;
  const marks = [];
  const chart = svg('svg', { width, height: rows.length * height + 8, class: 'bytes-chart' });
  rows.forEach((row, i) => {
    const top = i * height + (narrow ? 20 : 4);
    const labelY = narrow ? top - 6 : top + 15;
    chart.append(svg('text', { class: 'label', x: narrow ? 4 : left - 10, y: labelY,
      'text-anchor': narrow ? 'start' : 'end' }, row.role));
    let x = left;
    for (const format of formats) {
      const part = row.formats.get(format);
      if (!part) continue;
      const size = Math.max(1.5, (right - left) * part.bytes / longest);
      const bar = svg('rect', { class: 'bar', x, y: top, width: size, height: 21, rx: 2,
        style: `fill: ${formatColour(format)}`, 'data-role': row.role, 'data-format': format });
      marks.push(withTip(bar, `${row.role}, ${format}: ${bytesText(part.bytes)} in ${part.tensors} ` +
        `${part.tensors === 1 ? 'tensor' : 'tensors'}, ${percent(part.bytes / total)}`));
      chart.append(bar);
      x += size + 1;
    }
    chart.append(svg('text', { class: 'value', x: narrow ? width - 4 : x + 8, y: labelY,
      'text-anchor': narrow ? 'end' : 'start' }, `${bytesText(row.bytes)} · ${percent(row.bytes / total)}`));
  });
  const figures = rows.flatMap((row) => [...row.formats].map(([format, part]) =>
    [row.role, format, part.tensors, exact(part.bytes)]));
  return figure(label, walkable(chart, marks),
    legend(formats.map((format) => [format, formatColour(format)])),
    ['role', 'format', 'tensors', 'bytes'], figures);
}

// What was measured of the residual stream, in the graph's order: one entry for each sum.
function residualPeaks() {
  if (!ranges || !plan || plan.outputs.length === 0) return [];
  const peaks = [];
  for (const node of plan.outputs[0].nodes) {
    if (node.role !== 'residual') continue;
    for (const name of node.outputs) {
      const value = ranges.values[name];
      if (value) peaks.push({ name, layer: node.layer, peak: value.peak, p99: value.p99_9 ?? null });
    }
  }
  return peaks;
}

function peaksChart(peaks, width) {
  const [left, right, top, bottom] = [64, width - 10, 28, 250];
  const highest = Math.max(FP16_MAX, ...peaks.map((value) => value.peak));
  const lowest = Math.min(...peaks.map((value) => value.peak).filter((peak) => peak > 0), 1000);
  // Near the limit, how far from it matters; far from it, how many powers of ten.
  const most = Math.max(...peaks.map((value) => value.peak));
  const near = most > FP16_MAX / 10 && most < FP16_MAX * 10;
  const axis = near ? linearAxis(highest * 1.02, top, bottom)
    : logAxis(Math.max(lowest / 2, 1e-3), highest * 1.05, top, bottom);
  const chart = svg('svg', { width, height: bottom + 42, class: 'peaks-chart' }, ...gridLines(axis, left, right));
  const step = (right - left) / peaks.length;
  const marks = peaks.map((value, i) => {
    const y = axis.y(value.peak);
    const over = value.peak > FP16_MAX;
    const bar = svg('rect', { class: over ? 'bar over' : 'bar safe', x: left + i * step + step * 0.1, y,
      width: Math.max(1, step * 0.8), height: Math.max(1.5, bottom - y), rx: Math.min(2, step / 4) });
    chart.append(bar);
    return withTip(bar, `layer ${value.layer ?? '–'}, ${value.name}: peak ${short(value.peak)}, ` +
      (over ? `${(value.peak / FP16_MAX).toFixed(2)} times float16's limit` :
        `${percent(value.peak / FP16_MAX)} of float16's limit`));
  });
  let last = -40;
  peaks.forEach((value, i) => {
    const x = left + i * step;
    if (value.layer === null || (i > 0 && peaks[i - 1].layer === value.layer) || x - last < 24) return;
    last = x;
    chart.append(svg('text', { class: 'tick', x: x + step / 2, y: bottom + 17, 'text-anchor': 'middle' }, value.layer));
  });
  const limit = axis.y(FP16_MAX);
  chart.append(
    svg('text', { class: 'tick', x: (left + right) / 2, y: bottom + 36, 'text-anchor': 'middle' }, 'layer'),
    svg('line', { class: 'limit', x1: left, x2: right, y1: limit, y2: limit }),
    svg('text', { class: 'limit-label', x: left + 6, y: limit - 6 }, 'float16 ends at 65504'));
  return figure('Residual peaks by layer', walkable(chart, marks),
    legend([['float16 holds it', 'var(--c2)'], ['becomes Inf in float16', 'var(--bad)']]),
    ['layer', 'value', 'peak', '99.9 %'],
    peaks.map((value) => [value.layer ?? '', value.name, short(value.peak), short(value.p99)]));
}

function peaksNote(peaks) {
  const over = peaks.filter((value) => value.peak > FP16_MAX);
  const measured = `Largest magnitude of each sum of the residual stream over ${exact(ranges.tokens)} tokens. `;
  if (over.length === 0) return `${measured}All fit float16.`;
  const most = Math.max(...over.map((value) => value.peak));
  return `${measured}${over.length} of ${peaks.length} exceed float16’s range, first in layer ` +
    `${over[0].layer}; the largest is ${short(most)}.`;
}

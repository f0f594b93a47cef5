// The page: its parts in order, the choice of an output, light and dark.
const main = document.getElementById('main');

function card(output, choose) {
  const notes = [`${exact(output.casts)} casts put in`,
    `${exact(output.half_values)} values in half precision, ${exact(output.float32_values)} in float32`];
  return make('button', { type: 'button', class: 'card', 'data-dtype': output.dtype, onclick: choose },
    make('span', { class: 'dtype' }, output.dtype),
    make('span', { class: 'size' }, bytesText(output.bytes)),
    make('span', { class: 'meter', 'aria-hidden': 'true' },
      make('span', { style: `width: ${Math.min(100, 100 * output.bytes / Math.max(1, plan.input_bytes))}%` })),
    make('span', { class: 'share' }, `${percent(output.bytes / Math.max(1, plan.input_bytes))} of the input`),
    ...notes.map((text) => make('span', { class: 'small' }, text)));
}

function facts(output) {
  const list = make('dl', { class: 'facts' });
  const add = (term, ...lines) => {
    if (lines.length) list.append(make('dt', {}, term), ...lines.map((line) => make('dd', {}, line)));
  };
  add('Policy', output.policy);
  add('Files', ...output.files.map((file) => `${file.name}, ${exact(file.bytes)} bytes`));
  if (output.residual) add('Residual stream', output.residual);
  if (output.rope_cache) add('Rotary tables', output.rope_cache);
  return make('div', {}, list, output.warnings.length ? make('details', { class: 'warnings', open: output.warnings.length < 6 },
    make('summary', {}, `${exact(output.warnings.length)} ${output.warnings.length === 1 ? 'warning' : 'warnings'}`),
    make('ul', {}, ...output.warnings.slice(0, 500).map((text) => make('li', {}, text)))) : null);
}

function planParts() {
  const holder = make('div');
  const about = make('div');
  const table = planTable();
  let chosen = plan.outputs[0];
  let width = 0;
  const cards = plan.outputs.map((output) => card(output, () => show(output)));

  function drawBytes() {
    if (width > 0) holder.replaceChildren(bytesChart(chosen, width));
  }

  function show(output) {
    chosen = output;
    cards.forEach((button) => button.setAttribute('aria-pressed', String(button.dataset.dtype === output.dtype)));
    about.replaceChildren(facts(output));
    drawBytes();
    table.show(output);
  }

  new ResizeObserver(() => {
    const now = Math.round(holder.clientWidth);
    if (now === width) return;
    width = now;
    drawBytes();
  }).observe(holder);
  const note = `${plan.input}, ${bytesText(plan.input_bytes)}` +
    (plan.seconds > 0 ? `; written in ${plan.seconds.toFixed(1)} s.` : '; planned, nothing written yet.');
  const parts = [
    section('sizes', 'Outputs', note,
      make('div', { class: 'cards', role: 'group', 'aria-label': 'The output that is shown' }, ...cards), about),
    section('bytes', 'Where the bytes go', 'Weights by what reads them, scales and zero points included.', holder),
  ];
  const peaks = residualPeaks();
  if (peaks.length) {
    parts.push(section('peaks', 'Residual peaks', peaksNote(peaks),
      drawn(make('div'), (size) => peaksChart(peaks, size))));
  } else if (ranges) {
    parts.push(section('peaks', 'Residual peaks',
      'The ranges hold no value of a residual stream of this model.'));
  }
  parts.push(section('plan', 'The plan', 'Press a name to see why.', table.element));
  show(chosen);
  return parts;
}

function setUpTheme() {
  const button = document.getElementById('theme');
  const system = matchMedia('(prefers-color-scheme: dark)');
  let picked = null;
  const update = () => {
    const dark = picked ? picked === 'dark' : system.matches;
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    button.textContent = dark ? 'Light colours' : 'Dark colours';
  };
  button.onclick = () => {
    picked = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    update();
  };
  system.addEventListener('change', update);
  update();
}

setUpTheme();
const subject = plan ? plan.input : verification ? verification.reference : check ? check.path : tuning ? tuning.model : '';
document.getElementById('subject').textContent = subject;
document.title = `onnxquant: ${subject.split('/').pop()}`;
const parts = [];
if (plan && plan.outputs.length) parts.push(...planParts());
if (verification) parts.push(...verifySection());
if (check) parts.push(checkSection());
if (tuning) parts.push(tuneSection());
main.append(...parts);
document.body.dataset.state = 'ready';

// Pieces that all charts are made of. Every mark can be reached with the mouse or the Tab key and then
// shows its figures; every chart has its figures as a table, too.
const tip = document.getElementById('tip');

function withTip(mark, text) {
  mark.setAttribute('aria-label', text);
  const show = (event) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = mark.getBoundingClientRect();
    const x = event.type === 'focus' ? box.left + box.width / 2 : event.clientX;
    const y = event.type === 'focus' ? box.top : event.clientY;
    tip.style.left = `${Math.max(8, Math.min(x + 12, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(8, y - tip.offsetHeight - 10)}px`;
  };
  mark.addEventListener('pointermove', show);
  mark.addEventListener('focus', show);
  for (const end of ['pointerleave', 'blur']) mark.addEventListener(end, () => { tip.hidden = true; });
  return mark;
}

// Arrow keys, Home and End go from mark to mark; Tab enters and leaves the chart as a whole.
function walkable(chart, marks) {
  marks.forEach((mark, i) => {
    mark.setAttribute('tabindex', i === 0 ? '0' : '-1');
    mark.setAttribute('role', 'img');
  });
  chart.addEventListener('keydown', (event) => {
    const at = marks.indexOf(document.activeElement);
    const steps = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1,
      Home: 0, End: marks.length - 1 };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(marks.length - 1, steps[event.key]));
    marks[at].setAttribute('tabindex', '-1');
    marks[next].setAttribute('tabindex', '0');
    marks[next].focus();
  });
  return chart;
}

function figure(label, chart, legend, headings, rows) {
  const shown = rows.slice(0, 2000);
  const table = make('details', { class: 'figures' }, make('summary', {}, 'Figures'),
    make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${label}: figures` },
      make('table', {},
        make('thead', {}, make('tr', {}, ...headings.map((text) => make('th', { scope: 'col' }, text)))),
        make('tbody', {}, ...shown.map((row) =>
          make('tr', {}, ...row.map((cell) => make('td', {}, String(cell)))))))));
  chart.setAttribute('role', 'group');
  chart.setAttribute('aria-label', label);
  return make('figure', {}, legend, make('div', { class: 'chart' }, chart), table);
}

function legend(entries) {
  return make('ul', { class: 'legend' }, ...entries.map(([text, colour, kind]) =>
    make('li', {}, make('i', { class: kind || 'box', style: `--mark: ${colour}` }), text)));
}

// A logarithmic axis with lines at powers of ten.
function logAxis(low, high, top, bottom) {
  const from = Math.floor(Math.log10(low));
  const to = Math.max(from + 1, Math.ceil(Math.log10(high)));
  const y = (value) => bottom - (bottom - top) *
    Math.max(0, Math.min(1, (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from)));
  const step = Math.max(1, Math.ceil((to - from) / 8));
  const ticks = [];
  for (let power = from; power <= to; power += step) ticks.push([10 ** power, powerText(power)]);
  return { y, ticks };
}

function linearAxis(high, top, bottom) {
  const rough = high / 5;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * ten).find((one) => one >= rough);
  const end = Math.ceil(high / step) * step;
  const ticks = [];
  for (let value = 0; value <= end; value += step) ticks.push([value, exact(value)]);
  return { y: (value) => bottom - (bottom - top) * value / end, ticks };
}

const SUPERSCRIPTS = { '-': '⁻', 0: '⁰', 1: '¹', 2: '²', 3: '³', 4: '⁴', 5: '⁵', 6: '⁶', 7: '⁷', 8: '⁸', 9: '⁹' };

function powerText(power) {
  if (power === 0) return '1';
  if (power > 0 && power < 4) return String(10 ** power);
  return `10${[...String(power)].map((digit) => SUPERSCRIPTS[digit]).join('')}`;
}

function gridLines(axis, left, right) {
  return axis.ticks.flatMap(([value, text]) => {
    const y = axis.y(value);
    return [svg('line', { class: 'grid', x1: left, x2: right, y1: y, y2: y }),
      svg('text', { class: 'tick', x: left - 8, y: y + 4, 'text-anchor': 'end' }, text)];
  });
}

// Charts are drawn for the width they have, and again when it changes.
function drawn(holder, draw) {
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.round(holder.clientWidth);
    if (now === width || now === 0) return;
    width = now;
    const open = holder.querySelector('details')?.open;
    holder.replaceChildren(draw(width));
    const details = holder.querySelector('details');
    if (details && open) details.open = true;
  }).observe(holder);
  return holder;
}

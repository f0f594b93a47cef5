// What the page is given, and how it writes numbers.
const FP16_MAX = 65504;

function block(id) {
  const element = document.getElementById(id);
  return element ? JSON.parse(element.textContent) : null;
}

const plan = block('plan-data');
const ranges = block('ranges-data');
const verification = block('verify-data');
const check = block('check-data');
const tuning = block('tune-data');

function bytesText(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toPrecision(3)} ${units[unit]}`;
}

function exact(number) {
  return number.toLocaleString('en-US').replaceAll(',', '\u202f');
}

function short(number) {
  if (number === null || number === undefined) return '–';
  if (number === 0) return '0';
  const size = Math.abs(number);
  if (size >= 1e4 && size < 1e7) return exact(Math.round(number));
  return size >= 1e5 || size < 1e-3 ? number.toExponential(2) : String(Number(number.toPrecision(4)));
}

function percent(share, digits = 1) {
  if (share === null || share === undefined) return '–';
  const smallest = 10 ** -digits;
  if (share > 0 && 100 * share < smallest / 2) return `< ${smallest} %`;
  return `${(100 * share).toFixed(digits)} %`;
}

// Names come from models and are only ever set as text, never as HTML.
function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'onclick' || name === 'oninput') element[name] = value;
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function section(id, title, note, ...children) {
  return make('section', { id, 'aria-labelledby': `${id}-title` },
    make('h2', { id: `${id}-title` }, title), note ? make('p', { class: 'note' }, note) : null, ...children);
}

const FORMAT_FAMILIES = ['float32', 'bfloat16', 'float16', 'int8', 'int4'];

// One colour for each family of formats, the same in every chart: its number among style's --c0 … --c5.
function formatColour(format) {
  const family = FORMAT_FAMILIES.findIndex((name) => format.includes(name));
  return `var(--c${family < 0 ? FORMAT_FAMILIES.length : family})`;
}

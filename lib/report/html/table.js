// Tables that sort by any column, filter, and show long lists a page at a time.
const PAGE = 200;

function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined || a === '') return 1;
  if (b === null || b === undefined || b === '') return -1;
  return typeof a === 'number' && typeof b === 'number' ? a - b
    : String(a).localeCompare(String(b), 'en', { numeric: true });
}

// columns: [{title, value(row), text(value, row), number}]; detail(row): lines shown below the row.
function sortableTable(label, columns, detail) {
  let rows = [];
  let sorted = -1;
  let down = false;
  let shown = PAGE;
  const body = make('tbody');
  const heads = columns.map((column, i) => make('th', { scope: 'col', class: column.number && 'number', 'aria-sort': 'none' },
    make('button', { type: 'button', onclick: () => sortBy(i) }, column.title)));
  const more = make('button', { type: 'button', class: 'more', onclick: () => { shown += 5 * PAGE; draw(); } });
  const count = make('p', { class: 'count', role: 'status' });

  function cells(row) {
    return columns.map((column, i) => {
      const value = column.value(row);
      const text = column.text ? column.text(value, row) : String(value ?? '');
      const content = i === 0 && detail ? make('button', { type: 'button', class: 'open', 'aria-expanded': 'false' }, text) : text;
      return make(i === 0 ? 'th' : 'td', { scope: i === 0 && 'row', class: column.number && 'number' }, content);
    });
  }

  function draw() {
    const order = sorted < 0 ? rows : [...rows].sort((a, b) => {
      const [x, y] = [columns[sorted].value(a), columns[sorted].value(b)];
      const nothing = (value) => value === null || value === undefined || value === '';
      // What has no value stays at the end in either direction.
      return (down && !nothing(x) && !nothing(y) ? -1 : 1) * compare(x, y);
    });
    body.replaceChildren(...order.slice(0, shown).map((row) => {
      const line = make('tr', {}, ...cells(row));
      if (detail) {
        const button = line.querySelector('button.open');
        button.onclick = () => toggle(line, row, button);
      }
      return line;
    }));
    heads.forEach((head, i) => {
      head.setAttribute('aria-sort', i !== sorted ? 'none' : down ? 'descending' : 'ascending');
    });
    count.textContent = `${exact(rows.length)} ${rows.length === 1 ? 'row' : 'rows'}` +
      (rows.length > shown ? `, the first ${exact(shown)} shown` : '');
    more.hidden = rows.length <= shown;
    more.textContent = `Show ${exact(Math.min(5 * PAGE, Math.max(0, rows.length - shown)))} more`;
  }

  function toggle(line, row, button) {
    const open = button.getAttribute('aria-expanded') === 'true';
    button.setAttribute('aria-expanded', String(!open));
    if (open) {
      line.nextElementSibling.remove();
    } else {
      line.after(make('tr', { class: 'why' }, make('td', { colspan: columns.length },
        make('ol', {}, ...detail(row).map((text) => make('li', {}, text))))));
    }
  }

  function sortBy(i) {
    // Numbers are asked for largest first.
    down = sorted === i ? !down : Boolean(columns[i].number);
    sorted = i;
    draw();
  }

  const element = make('div', { class: 'table' }, count,
    make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label },
      make('table', { class: 'rows' }, make('thead', {}, make('tr', {}, ...heads)), body)), more);
  return { element, set: (given) => { rows = given; shown = PAGE; draw(); } };
}

function simpleTable(label, columns, rows) {
  const table = sortableTable(label, columns);
  table.set(rows);
  table.element.querySelector('.count').remove();
  return table.element;
}

function chooser(label, id, oninput) {
  const select = make('select', { id, oninput });
  return { select, element: make('label', { for: id }, make('span', {}, label), select) };
}

function setChoices(select, values) {
  const kept = select.value;
  const known = [...new Set(values)].sort((a, b) => compare(a, b));
  select.replaceChildren(make('option', { value: '' }, 'all'), ...known.map((value) =>
    make('option', { value: String(value) }, value === '' ? '(none)' : String(value))));
  select.value = known.map(String).includes(kept) ? kept : '';
}

const PLAN_KINDS = {
  tensors: {
    title: 'Tensors', format: (row) => row.format,
    columns: [
      { title: 'tensor', value: (row) => row.name },
      { title: 'shape', value: (row) => row.shape.join('×') },
      { title: 'role', value: (row) => row.role },
      { title: 'layer', value: (row) => row.layer, number: true },
      { title: 'stored as', value: (row) => row.format },
      { title: 'bytes', value: (row) => row.bytes, text: exact, number: true },
      { title: 'of input', value: (row) => (row.input_bytes ? row.bytes / row.input_bytes : null),
        text: (share) => percent(share, 0), number: true },
    ],
    detail: (row) => row.why,
  },
  nodes: {
    title: 'Nodes', format: (row) => row.compute,
    columns: [
      { title: 'node', value: (row) => row.name },
      { title: 'operator', value: (row) => row.op },
      { title: 'role', value: (row) => row.role },
      { title: 'layer', value: (row) => row.layer, number: true },
      { title: 'computes in', value: (row) => row.compute },
    ],
    detail: (row) => (row.evidence ? [`${row.role}: ${row.evidence}`, ...row.why] : row.why),
  },
  values: {
    title: 'Inputs and outputs', format: (row) => row.type,
    columns: [
      { title: 'value', value: (row) => row.name },
      { title: 'direction', value: (row) => row.direction },
      { title: 'role', value: (row) => row.role },
      { title: 'type', value: (row) => row.type },
    ],
    detail: (row) => row.why,
  },
};

// The plan's table with what narrows it down; `show(output)` fills it.
function planTable() {
  let output = null;
  let kind = 'tensors';
  const tables = Object.fromEntries(Object.entries(PLAN_KINDS).map(([name, { title, columns, detail }]) =>
    [name, sortableTable(title, columns, detail)]));
  const search = make('input', { type: 'search', id: 'filter-text', placeholder: 'name, operator or reason', oninput: narrow });
  const role = chooser('Role', 'filter-role', narrow);
  const format = chooser('Format', 'filter-format', narrow);
  const layer = chooser('Layer', 'filter-layer', narrow);
  const holder = make('div');
  const buttons = Object.entries(PLAN_KINDS).map(([name, { title }]) => make('button', {
    type: 'button', 'data-kind': name, onclick: () => choose(name) }, title));

  function matches(row, words) {
    const text = [row.name, row.op, ...row.why].join('\n').toLowerCase();
    return words.every((word) => text.includes(word));
  }

  function narrow() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    tables[kind].set(output[kind].filter((row) =>
      (role.select.value === '' || (row.role || '(none)') === role.select.value) &&
      (format.select.value === '' || PLAN_KINDS[kind].format(row) === format.select.value) &&
      (layer.select.value === '' || String(row.layer ?? '(none)') === layer.select.value) &&
      matches(row, words)));
  }

  function choose(name) {
    kind = name;
    buttons.forEach((button) => button.setAttribute('aria-pressed', String(button.dataset.kind === name)));
    layer.element.hidden = name === 'values';
    setChoices(role.select, output[kind].map((row) => row.role || '(none)'));
    setChoices(format.select, output[kind].map(PLAN_KINDS[kind].format));
    setChoices(layer.select, output[kind].map((row) => row.layer ?? '(none)'));
    holder.replaceChildren(tables[kind].element);
    narrow();
  }

  const element = make('div', { class: 'plan-table' },
    make('div', { class: 'choice', role: 'group', 'aria-label': 'What to list' }, ...buttons),
    make('div', { class: 'filters' },
      make('label', { for: 'filter-text', class: 'wide' }, make('span', {}, 'Search'), search),
      role.element, format.element, layer.element), holder);
  return { element, show: (given) => { output = given; choose(kind); } };
}

// What check found: a verdict, and each fault with its evidence and remedy.
function faultNode(finding) {
  const where = finding.count > 1 ? `${exact(finding.count)} places, the first is ` : '';
  const layer = finding.layer === null ? '' : `, layer ${finding.layer}`;
  return make('article', { class: `finding ${finding.severity}` },
    make('h3', {}, make('span', { class: 'severity' }, finding.severity), ` ${finding.kind}`),
    make('p', { class: 'where' }, where, make('code', {}, finding.place), layer),
    make('p', {}, finding.evidence),
    make('p', {}, make('strong', {}, 'Remedy: '), finding.remedy),
    finding.places.length > 1 ? make('details', {}, make('summary', {}, 'all places'),
      make('ul', {}, ...finding.places.slice(0, 500).map((place) => make('li', {}, place)))) : null);
}

function checkSection() {
  const facts = [check.layers ? `${exact(check.layers)} layers` : null,
    check.half_type || 'nothing in 16 bits', `on ${check.target}`].filter(Boolean).join(', ');
  const plural = (count, word) => `${exact(count)} ${word}${count === 1 ? '' : 's'}`;
  const verdict = check.findings.length
    ? `${plural(check.errors, 'error')}, ${plural(check.warnings, 'warning')}.` : 'Nothing wrong was found.';
  return section('check', 'Check', `${check.path} (${facts}): ${verdict}`,
    ...check.findings.map(faultNode),
    check.command ? make('p', { class: 'command' }, 'To mend it: ', make('code', {}, check.command)) : null);
}

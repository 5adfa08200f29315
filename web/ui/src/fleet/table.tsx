// The fleet as a table: sorted by a click, filtered as you type.
import { useMemo, useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { known, t } from '../i18n';
import { Button, Empty } from '../kit/bits';
import { Icon } from '../kit/icons';
import { UnitRow } from './row';
import { filtered, sorted, type Column, type Sort, type Unit } from './units';

function kept(): Sort {
  try {
    const sort = JSON.parse(localStorage.getItem('fleet.sort') ?? '') as Sort;
    if (typeof sort.column === 'string') return sort;
  } catch {
    // nothing kept yet
  }
  return { column: 'state', down: false };
}

const downFirst: ReadonlySet<Column> = new Set(['fill', 'servers', 'hour', 'today']);

export function FleetTable({ list, query, onAll }: { list: readonly Unit[]; query: string; onAll: () => void }) {
  const [, go] = useLocation();
  const [sort, setSort] = useState<Sort>(kept);
  const rows = useMemo(() => sorted(filtered(list, query, (s) => known('node.state', s)), sort), [list, query, sort]);
  const by = (column: Column) => {
    const next = { column, down: sort.column === column ? !sort.down : downFirst.has(column) };
    setSort(next);
    localStorage.setItem('fleet.sort', JSON.stringify(next));
  };
  const head = (column: Column, label: string, extra = '') => (
    <th class={extra} aria-sort={sort.column === column ? (sort.down ? 'descending' : 'ascending') : undefined}>
      <button type="button" onClick={() => by(column)}>{label}{sort.column === column && <Icon name={sort.down ? 'down' : 'up'} size={12} />}</button>
    </th>
  );
  if (rows.length === 0 && query) return <Empty icon="search" title={t('list.none', { query })}><Button onClick={onAll}>{t('list.all')}</Button></Empty>;
  return (
    <div class="table-box">
      <table class="table fleet">
        <thead>
          <tr>
            {head('name', t('name'), 'cell-name')}
            {head('state', t('state'), 'cell-state')}
            {head('fill', t('node.memory'), 'cell-meter hide-phone')}
            {head('servers', t('servers'), 'cell-num cell-servers hide-phone')}
            {head('hour', t('fleet.price'), 'cell-num cell-price hide-phone')}
            {head('today', t('fleet.today'), 'cell-num cell-money hide-narrow')}
            {head('paid', t('fleet.paidUntil'), 'cell-paid hide-phone')}
            <th class="cell-more"><span class="visually-hidden">{t('actions')}</span></th>
          </tr>
        </thead>
        <tbody>{rows.map((u) => <UnitRow key={u.key} unit={u} onOpen={(name) => go(`/fleet/${encodeURIComponent(name)}`)} />)}</tbody>
      </table>
    </div>
  );
}

// The fleet: every node and every rented machine, what they cost, and who waits for room.
import { useMemo, useState } from 'preact/hooks';
import { useTitle } from '../frame/title';
import { t, tn } from '../i18n';
import { Button, Empty } from '../kit/bits';
import { Icon } from '../kit/icons';
import { useFresh } from '../live/resource';
import { AddNode } from '../nodes/add';
import { nodes } from '../servers/store';
import { Cloudless } from './cloudless';
import { Queue } from './queue';
import { Stale } from './stale';
import { machines, scaling, touches, withGone } from './store';
import { FleetStrip } from './strip';
import { FleetTable } from './table';
import { past, units } from './units';

export default function FleetPage() {
  useTitle(t('fleet'));
  useFresh(nodes, 2_000, touches);
  useFresh(machines, 5_000, touches);
  useFresh(scaling, 5_000, touches);
  const [adding, setAdding] = useState(false);
  const [query, setQuery] = useState('');
  const [n, m, s] = [nodes.value.value, machines.value.value, scaling.value.value];
  const all = useMemo(() => units(n ?? [], m ?? []), [n, m]);
  const shown = useMemo(() => (withGone.value ? all : all.filter((u) => !past(u))), [all, withGone.value]);
  const known = n !== undefined && (m !== undefined || machines.problem.value !== undefined);
  const add = <Button tone="primary" icon="plus" onClick={() => setAdding(true)}>{t('node.add')}</Button>;
  return (
    <section>
      <header class="page-head">
        <h1>{t('fleet')} {known && <span class="count">{shown.length}</span>}</h1>
        <div class="page-tools">
          {all.length > 0 && (
            <label class="search">
              <Icon name="search" />
              <input type="search" id="filter" placeholder={t('list.filter')} aria-label={t('list.filter')} value={query} onInput={(e) => setQuery(e.currentTarget.value)} />
              <kbd aria-hidden="true">/</kbd>
            </label>
          )}
          {add}
        </div>
      </header>
      <Stale reads={[{ resource: nodes, what: t('nodes') }, { resource: machines, what: t('fleet.machines') }, { resource: scaling, what: t('scaling') }]} />
      {s && !s.available && <Cloudless scaling={s} />}
      {s && (s.available || s.machines > 0) && <FleetStrip scaling={s} />}
      {s && <Queue waiting={s.waiting ?? []} />}
      {!known && !nodes.problem.value && <div class="skeleton" aria-busy="true" aria-label={t('loading')}>{[0, 1, 2].map((i) => <div key={i} />)}</div>}
      {known && shown.length === 0 && <Empty icon="nodes" title={t('node.none')}><p class="soft">{t('node.noneText')}</p>{add}</Empty>}
      {shown.length > 0 && <FleetTable list={shown} query={query} onAll={() => setQuery('')} />}
      {known && (all.length > 0 || s?.available || withGone.value) && (
        <label class="check soft gone-too">
          <input type="checkbox" checked={withGone.value} onChange={(e) => { withGone.value = e.currentTarget.checked; void machines.refresh(); }} />
          <span>{t('fleet.goneToo')}</span>
        </label>
      )}
      <p class="visually-hidden" aria-live="polite">{s && tn('fleet.waiting', (s.waiting ?? []).length)}</p>
      {adding && <AddNode taken={new Set(all.map((u) => u.name))} onClose={() => setAdding(false)} />}
    </section>
  );
}

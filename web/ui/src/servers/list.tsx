// The servers list: live, sortable, filtered as you type, 10,000 rows without a hitch.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { known, t, tn } from '../i18n';
import { Button, Empty, Trouble } from '../kit/bits';
import { ConfirmByName } from '../kit/dialog';
import { Icon } from '../kit/icons';
import { useFresh } from '../live/resource';
import { useTitle } from '../frame/title';
import { BulkBar } from './bulk';
import { TemplateCards } from './cards';
import { Row, rowHeight } from './row';
import { order, servers, templates } from './store';
import { filtered, select, slice, sorted, type Column, type Sort } from './table';

function keptSort(): Sort {
  try {
    const kept = JSON.parse(localStorage.getItem('servers.sort') ?? '') as Sort;
    if (typeof kept.column === 'string') return kept;
  } catch {
    // nothing kept yet
  }
  return { column: 'name', down: false };
}

export function ServersPage() {
  useTitle(t('servers'));
  useFresh(servers, 5_000, (e) => e.type.startsWith('server.') || e.type.startsWith('node.') || e.type.startsWith('player.'));
  const list = servers.value.value;
  if (!list) {
    return servers.problem.value ? <Trouble problem={servers.problem.value}><Button small onClick={() => void servers.refresh()}>{t('retry')}</Button></Trouble> : <Loading />;
  }
  if (list.length === 0) return <First />;
  return <List />;
}

function Loading() {
  return <div class="skeleton" aria-busy="true" aria-label={t('loading')}>{[0, 1, 2, 3].map((i) => <div key={i} />)}</div>;
}

function First() {
  useFresh(templates, 60_000, () => false);
  const [, go] = useLocation();
  return (
    <section class="first">
      <Empty icon="box" title={t('first.title')}>
        <p class="soft">{t('first.text')}</p>
      </Empty>
      <TemplateCards onPick={(name) => go(`/servers/new?template=${encodeURIComponent(name)}`)} />
    </section>
  );
}

function List() {
  const [, go] = useLocation();
  const [query, setQuery] = useState('');
  const [sort, setSort] = useState<Sort>(keptSort);
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const [deleting, setDeleting] = useState<string>();
  const last = useRef<string>();
  const all = servers.value.value!;
  const rows = useMemo(() => sorted(filtered(all, query, (s) => known('state', s)), sort), [all, query, sort]);
  const names = rows.map((s) => s.name);
  const body = useRef<HTMLTableSectionElement>(null);
  const view = useWindow(body, rows.length);
  const handlers = useRef({ choose: (_: string, __: boolean) => {}, open: (name: string) => go(`/servers/${name}`), remove: setDeleting });
  handlers.current.choose = (name, shift) => {
    setChosen(select(chosen, names, name, last.current, shift));
    last.current = name;
  };
  const [choose] = useState(() => (name: string, shift: boolean) => handlers.current.choose(name, shift));

  const sortBy = (column: Column) => {
    const next = { column, down: sort.column === column ? !sort.down : column === 'players' || column === 'memory' || column === 'cpu' };
    setSort(next);
    localStorage.setItem('servers.sort', JSON.stringify(next));
  };
  const head = (column: Column, label: string, extra = '') => (
    <th class={extra} aria-sort={sort.column === column ? (sort.down ? 'descending' : 'ascending') : undefined}>
      <button type="button" onClick={() => sortBy(column)}>{label}{sort.column === column && <Icon name={sort.down ? 'down' : 'up'} size={12} />}</button>
    </th>
  );
  const selected = rows.filter((s) => chosen.has(s.name));

  return (
    <section>
      <header class="page-head">
        <h1>{t('servers')} <span class="count">{all.length}</span></h1>
        <div class="page-tools">
          <label class="search">
            <Icon name="search" />
            <input type="search" id="filter" placeholder={t('list.filter')} aria-label={t('list.filter')} value={query} onInput={(e) => setQuery(e.currentTarget.value)} />
            <kbd aria-hidden="true">/</kbd>
          </label>
          <a class="button primary" href="/servers/new"><Icon name="plus" /><span>{t('create')}</span></a>
        </div>
      </header>
      {servers.problem.value && <Trouble problem={servers.problem.value} />}
      <BulkBar chosen={selected} onClear={() => setChosen(new Set())} />
      {rows.length === 0 ? <Empty icon="search" title={t('list.none', { query })}><Button onClick={() => setQuery('')}>{t('list.all')}</Button></Empty> : (
        <div class="table-box">
          <table class="table servers">
            <thead>
              <tr>
                <th class="cell-check"><label class="hit"><input type="checkbox" aria-label={t('list.chooseAll')} checked={selected.length === rows.length}
                  onClick={() => setChosen(selected.length === rows.length ? new Set() : new Set(names))} /></label></th>
                {head('name', t('name'), 'cell-name')}
                {head('state', t('state'), 'cell-state')}
                {head('players', t('players'), 'cell-num hide-phone')}
                {head('memory', t('memory'), 'cell-meter hide-phone')}
                {head('cpu', t('cpu'), 'cell-num hide-narrow')}
                {head('node', t('node'), 'hide-narrow')}
                <th class="cell-address hide-phone">{t('address')}</th>
                <th class="cell-more"><span class="visually-hidden">{t('actions')}</span></th>
              </tr>
            </thead>
            <tbody ref={body}>
              {view.before > 0 && <tr class="spacer" aria-hidden="true"><td colSpan={9} style={{ height: `${view.before}px` }} /></tr>}
              {rows.slice(view.from, view.to).map((s) => (
                <Row key={s.id} server={s} chosen={chosen.has(s.name)} onChoose={choose} onOpen={handlers.current.open} onDelete={setDeleting} />
              ))}
              {view.after > 0 && <tr class="spacer" aria-hidden="true"><td colSpan={9} style={{ height: `${view.after}px` }} /></tr>}
            </tbody>
          </table>
        </div>
      )}
      <p class="visually-hidden" aria-live="polite">{query && tn('list.found', rows.length)}</p>
      {deleting && <ConfirmByName title={t('delete.title', { name: deleting })} name={deleting} text={t('delete.text')} action={t('verb.delete')}
        onClose={() => setDeleting(undefined)} onConfirm={async () => { await order(deleting, 'delete'); }} />}
    </section>
  );
}

/** Follows the page's scrolling; long lists draw only what is seen. */
function useWindow(body: { current: HTMLElement | null }, count: number) {
  const [at, setAt] = useState({ top: 0, view: innerHeight });
  useEffect(() => {
    if (count <= 60) return;
    let frame = 0;
    const read = () => {
      frame = 0;
      const box = body.current?.getBoundingClientRect();
      if (box) setAt({ top: -box.top, view: innerHeight });
    };
    const ask = () => { frame ||= requestAnimationFrame(read); };
    read();
    addEventListener('scroll', ask, { passive: true });
    addEventListener('resize', ask);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', ask);
      removeEventListener('resize', ask);
    };
  }, [count > 60]);
  return slice(count, rowHeight, at.top, at.view);
}

// The page of one node or machine: how it does, what it costs, why it is there, what is on it.
import { useMemo } from 'preact/hooks';
import { useTitle } from '../frame/title';
import { t } from '../i18n';
import { Ago, Empty } from '../kit/bits';
import { sentence } from '../kit/format';
import { Icon } from '../kit/icons';
import { StateMark } from '../kit/state';
import { useFresh } from '../live/resource';
import { NodeBody } from '../nodes/body';
import { nodes, servers } from '../servers/store';
import { UnitActions } from './actions';
import { MachineFacts } from './machine';
import { UnitNotes } from './notes';
import { Stale } from './stale';
import { machines, pending, shownState, touches } from './store';
import { lineOf, stateOf, units } from './units';

export default function UnitPage({ name }: { name: string }) {
  useTitle(name);
  useFresh(nodes, 2_000, touches);
  useFresh(machines, 5_000, touches);
  useFresh(servers, 5_000, (e) => e.type.startsWith('server.'));
  const [n, m] = [nodes.value.value, machines.value.value];
  const all = useMemo(() => units(n ?? [], m ?? []), [n, m]);
  const u = all.find((each) => each.name === name) ?? all.find((each) => each.machine?.name === name);
  if (!u) {
    if (!n || (!m && !machines.problem.value)) return nodes.problem.value ? <Stale reads={[{ resource: nodes, what: t('nodes') }]} /> : <div class="skeleton" aria-busy="true" aria-label={t('loading')}><div /><div /></div>;
    return <Empty icon="question" title={t('fleet.nobody', { name })}><a class="button" href="/fleet"><span>{t('fleet.toList')}</span></a></Empty>;
  }
  const state = shownState(u.name, stateOf(u));
  const line = lineOf(u);
  const here = (servers.value.value ?? []).filter((s) => u.node && s.node === u.node.name);
  const trouble = line.text && state !== 'ready' && state !== 'serving' && u.node?.state !== 'degraded';
  return (
    <section class="unit-page">
      <header class="page-head unit-head">
        <h1>{u.name}</h1>
        <StateMark state={state} node />
        {u.node && <span class="soft small-text">{t('node.seen')} <Ago time={u.node.last_seen} none={t('node.never')} /></span>}
        <span class="unit-tags">{[...(u.node?.roles ?? [u.machine!.role]), u.machine?.type ?? u.node?.class, u.machine?.location].filter(Boolean).map((tag) => <span class="tag" key={tag}>{tag}</span>)}</span>
        <div class="page-tools"><UnitActions unit={u} buttons /></div>
      </header>
      {pending.value[u.name] && <div class="progress-line" role="progressbar" aria-label={t('working')} />}
      <Stale reads={[{ resource: nodes, what: t('nodes') }, { resource: machines, what: t('fleet.machines') }]} />
      <UnitNotes name={u.name} />
      {trouble && (
        <div class={`notice ${line.bad ? 'bad' : 'busy'}`}>
          <Icon name="warn" />
          <div class="notice-text"><p>{sentence(line.text)}</p>{line.next && <p class="soft">{sentence(line.next)}</p>}</div>
        </div>
      )}
      {u.machine && <MachineFacts machine={u.machine} />}
      {u.node && <NodeBody node={u.node} />}
      {u.node && (
        <section class="panel" aria-labelledby="here-title">
          <h2 id="here-title">{t('servers')} <span class="count">{here.length}</span></h2>
          {here.length === 0 ? <p class="soft">{t('fleet.nothingHere')}</p> : (
            <ul class="here">{here.map((s) => <li key={s.id}><a href={`/servers/${s.name}`}>{s.name}</a><StateMark state={s.state} /></li>)}</ul>
          )}
        </section>
      )}
    </section>
  );
}

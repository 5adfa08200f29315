// How one node does: what is booked, what its checks say, what it is.
import type { Node } from '../api/types';
import { known, locale, t, tn } from '../i18n';
import { Ago, Meter } from '../kit/bits';
import { bytes, number, sentence } from '../kit/format';
import { Icon } from '../kit/icons';

export function NodeBody({ node: n }: { node: Node }) {
  const fmt = (v: number) => bytes(v, locale.value);
  const revoked = n.state === 'revoked';
  const healthBad = n.health && !n.health.ok;
  return (
    <article class={`panel node${revoked ? ' off' : ''}`} aria-label={n.name}>
      <h2>{t('node')}</h2>
      {n.state === 'degraded' && n.degraded.length > 0 && (
        <div class="notice busy"><Icon name="warn" /><div class="notice-text"><p>{t('node.degradedText')}</p><ul class="reasons small-text">{n.degraded.map((d) => <li key={d}>{sentence(d)}</li>)}</ul></div></div>
      )}
      {!revoked && (
        <div class="node-bars">
          <Meter label={t('node.memory')} used={n.memory_booked_bytes} whole={n.memory_schedulable_bytes} text={`${fmt(n.memory_booked_bytes)} / ${fmt(n.memory_schedulable_bytes)}`} />
          <Meter label={t('node.cpu')} used={(n.usage?.cpu_busy ?? 0) * 100} whole={100} text={n.usage ? `${number(n.usage.cpu_busy * 100, locale.value)} %` : '–'} />
          <Meter label={t('node.disk')} used={n.disk_booked_bytes} whole={n.disk_total_bytes} text={`${fmt(n.disk_booked_bytes)} / ${fmt(n.disk_total_bytes)}`} />
          <Meter label={t('node.ports')} used={n.ports_booked} whole={n.port_to - n.port_from + 1} text={`${n.ports_booked} / ${Math.max(0, n.port_to - n.port_from + 1)}`} />
        </div>
      )}
      <p class="node-line soft small-text">
        <span>{t('node.servers', { running: n.running, all: n.servers })}</span>
        {n.health && <span class={healthBad ? 'bad-text' : undefined}><Icon name={healthBad ? 'cross' : 'check'} size={12} /> {healthBad ? t('node.sick') : t('node.healthy')} <Ago time={n.health.at} /></span>}
        {n.connected && n.rtt_ms > 0 && <span>{t('node.rtt', { ms: number(n.rtt_ms, locale.value, n.rtt_ms < 10 ? 1 : 0) })}</span>}
        {Math.abs(n.clock_skew_ms) > 2000 && <span class="bad-text">{t('node.skew', { s: number(n.clock_skew_ms / 1000, locale.value, 1) })}</span>}
      </p>
      {healthBad && <ul class="reasons bad-text small-text">{(n.health!.problems ?? []).map((p) => <li key={p}>{p}</li>)}</ul>}
      {n.state !== 'degraded' && (n.degraded ?? []).length > 0 && (
        <details class="small-text">
          <summary>{tn('node.degraded', n.degraded.length)}</summary>
          <ul class="reasons">{n.degraded.map((d) => <li key={d}>{d}</li>)}</ul>
        </details>
      )}
      <details class="small-text">
        <summary>{t('node.details')}</summary>
        <dl class="facts">
          <dt>{t('node.machine')}</dt><dd>{[n.os, n.arch, n.kernel].filter(Boolean).join(' · ') || '–'}</dd>
          <dt>Docker</dt><dd>{n.docker || '–'}</dd>
          <dt>{t('node.agent')}</dt><dd>{n.agent_version || '–'}</dd>
          <dt>{t('address')}</dt><dd class="mono">{(n.addresses ?? []).join(', ') || '–'}</dd>
          <dt>{t('node.total')}</dt><dd>{t('node.totalText', { total: fmt(n.memory_total_bytes), reserve: fmt(n.memory_reserve_bytes) })}</dd>
          <dt>{t('node.portRange')}</dt><dd class="mono">{n.port_from}–{n.port_to}</dd>
          {n.usage && <><dt>{t('node.now')}</dt><dd>{t('node.nowText', { memory: fmt(n.usage.memory_used), disk: fmt(n.usage.disk_used), load: number(n.usage.load1, locale.value, 2) })}</dd></>}
          <dt>{t('node.joined')}</dt><dd><Ago time={n.joined_at} /></dd>
          <dt>{t('state')}</dt><dd>{known('node.state', n.state)}{n.cordoned && n.state !== 'cordoned' ? ` · ${known('node.state', 'cordoned')}` : ''}</dd>
        </dl>
      </details>
    </article>
  );
}

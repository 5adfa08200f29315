// What is known about a rented machine: money, reason, and the steps of its life.
import { locale, t } from '../i18n';
import { Ago } from '../kit/bits';
import { bytes, exact, number, sentence } from '../kit/format';
import { now } from '../live/clock';
import { euro, monthOf, perHour } from './money';
import { paid } from './paid';
import type { Machine } from './types';

export function MachineFacts({ machine: m }: { machine: Machine }) {
  const l = locale.value;
  const until = paid(m.paid_until, now.value, l);
  const joinBy = m.phase === 'ordering' || m.phase === 'booting' ? paid(m.join_by, now.value, l) : undefined;
  const drainBy = m.phase === 'draining' ? paid(m.drain_by, now.value, l) : undefined;
  const steps: [string, string | undefined][] = [
    [t('machine.ordered'), m.ordered_at], [t('machine.created'), m.created_at], [t('machine.joined'), m.joined_at],
    [t('machine.serving'), m.serving_at], [t('machine.empty'), m.empty_at], [t('machine.deleted'), m.deleted_at],
  ];
  return (
    <section class="panel machine" aria-labelledby="machine-title">
      <h2 id="machine-title">{t('machine.title')}</h2>
      <dl class="figures plain">
        <div class="figure"><dt>{t('fleet.hour')}</dt><dd><span class="figure-value">{perHour(m.hourly_micro_eur, l)}</span></dd></div>
        <div class="figure"><dt>{t('fleet.today')}</dt><dd><span class="figure-value">{euro(m.today_micro_eur, l)}</span></dd></div>
        <div class="figure"><dt>{t('machine.monthMost')}</dt><dd><span class="figure-value">{m.phase === 'gone' ? '–' : euro(monthOf(m), l)}</span></dd></div>
        <div class="figure"><dt>{t('fleet.paidUntil')}</dt><dd>{until
          ? <span title={exact(m.paid_until!, l)}><span class="figure-value">{until.clock}</span> <span class={`small-text ${until.soon ? 'busy-text' : 'soft'}`}>{until.left}</span></span>
          : <span class="figure-value">–</span>}</dd></div>
      </dl>
      <dl class="facts">
        {m.for && <><dt>{t('machine.for')}</dt><dd>{sentence(m.for)}</dd></>}
        {m.explain && <><dt>{t('machine.now')}</dt><dd>{sentence(m.explain)}</dd></>}
        {joinBy && <><dt>{t('machine.joinBy')}</dt><dd title={exact(m.join_by!, l)}>{joinBy.clock} ({joinBy.left})</dd></>}
        {drainBy && <><dt>{t('machine.drainBy')}</dt><dd title={exact(m.drain_by!, l)}>{drainBy.clock} ({drainBy.left})</dd></>}
        <dt>{t('machine.by')}</dt><dd>{m.by || '–'}</dd>
        <dt>{t('machine.type')}</dt><dd>{[m.type, m.location, m.arch, bytes(m.memory_bytes, l), t('cpu.count', { n: number(m.cpu_millis / 1000, l) }), bytes(m.disk_bytes, l)].filter(Boolean).join(' · ')}</dd>
        {m.ipv4 && <><dt>{t('address')}</dt><dd class="mono">{m.ipv4}</dd></>}
        {m.retry && <><dt>{t('machine.retry')}</dt><dd class="mono">{m.retry}</dd></>}
      </dl>
      <ol class="steps">
        {steps.filter(([, at]) => at).map(([label, at]) => <li key={label}><span>{label}</span><span class="soft small-text"><Ago time={at} /></span></li>)}
      </ol>
    </section>
  );
}

// What the fleet costs and how full it is, in one row of figures.
import type { ComponentChildren } from 'preact';
import { locale, t, tn } from '../i18n';
import { Meter } from '../kit/bits';
import { number } from '../kit/format';
import { euro, perHour } from './money';
import type { Scaling } from './types';

export function FleetStrip({ scaling: s }: { scaling: Scaling }) {
  const l = locale.value;
  const waiting = (s.waiting ?? []).length;
  const [most, cap] = [s.settings.max_machines, s.settings.max_day_micro_eur];
  const fill = `${number(s.fill * 100, l)} %`;
  return (
    <dl class="figures">
      <Figure label={t('fleet.cost')} value={perHour(s.hourly_micro_eur, l)} note={t('fleet.monthMost', { amount: euro(s.month_most_micro_eur, l) })} />
      <Figure label={t('fleet.today')} value={euro(s.today_micro_eur, l)} note={t('fleet.todayMost', { amount: euro(s.today_most_micro_eur, l) })} busy={cap != null && s.today_most_micro_eur > cap}>
        {cap != null && cap > 0 && <Meter label={t('fleet.ofCap')} used={s.today_micro_eur} whole={cap} text={euro(cap, l)} />}
      </Figure>
      <Figure label={t('fleet.machines')} value={String(s.machines)} note={s.spares > 0 || s.spares_wanted > 0 ? t('fleet.spares', { n: s.spares, wanted: s.spares_wanted }) : t('fleet.noSpares')}>
        {most != null && <Meter label={t('fleet.ofMost')} used={s.machines} whole={most} text={String(most)} />}
      </Figure>
      <Figure label={t('fleet.fill')} value={fill} note={waiting > 0 ? tn('fleet.waiting', waiting) : t('fleet.nobodyWaits')} busy={waiting > 0}>
        <Meter label={t('fleet.memoryBooked')} used={s.fill} whole={1} text={fill} />
      </Figure>
    </dl>
  );
}

function Figure({ label, value, note, busy, children }: { label: string; value: string; note: string; busy?: boolean; children?: ComponentChildren }) {
  return (
    <div class="figure">
      <dt>{label}</dt>
      <dd>
        <span class="figure-value">{value}</span>
        {children}
        <span class={busy ? 'small-text busy-text' : 'soft small-text'}>{note}</span>
      </dd>
    </div>
  );
}

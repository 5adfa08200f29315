// One decision: what is done and why, what was not taken and why not, and what it was made from.
import { known, locale, t, tn } from '../i18n';
import { sentence } from '../kit/format';
import { Icon, type IconName } from '../kit/icons';
import { perHour } from '../fleet/money';
import type { ScalingAction, ScalingEntry } from '../fleet/types';
import { inputs } from './timeline';

const icons: Record<string, IconName> = { order: 'plus', release: 'trash', keep: 'check', wait: 'clock', none: 'check' };

export function actionIcon(verb: string): IconName {
  return icons[verb] ?? 'info';
}

export function Action({ action: a }: { action: ScalingAction }) {
  const what = [a.machine, [a.type, a.location].filter(Boolean).join(' · ')].filter(Boolean).join(', ');
  return (
    <li class={`do do-${a.do}`}>
      <p class="do-what">
        <span class="strong">{known('scaling.do', a.do)}</span>
        {what && (a.machine ? <span><a href={`/fleet/${encodeURIComponent(a.machine)}`}>{a.machine}</a>{a.type && <span class="soft"> {[a.type, a.location].filter(Boolean).join(' · ')}</span>}</span> : <span>{what}</span>)}
        {!!a.hourly_micro_eur && <span class="do-price">{perHour(a.hourly_micro_eur, locale.value)}</span>}
      </p>
      {a.why && <p class="soft">{sentence(a.why)}</p>}
      {a.result && <p class="soft small-text">{t('history.result')}: {a.result}</p>}
    </li>
  );
}

/** The parts that stay folded: reasons, what was not taken, inputs. */
export function Because({ entry: e, open }: { entry: ScalingEntry; open?: boolean }) {
  const l = locale.value;
  const made = inputs(e.inputs, l);
  const considered = e.considered ?? [];
  const reasons = e.reasons ?? [];
  if (made.length === 0 && considered.length === 0) return null;
  return (
    <details class="small-text because" open={open}>
      <summary>{considered.length > 0 ? tn('history.considered', considered.length) : t('history.inputs')}</summary>
      {considered.length > 0 && (
        <ul class="rejected">
          {considered.map((c, i) => <li key={i}><span class="strong">{c.what}</span>{!!c.hourly_micro_eur && <span class="do-price">{perHour(c.hourly_micro_eur, l)}</span>}<span class="soft">{sentence(c.why)}</span></li>)}
        </ul>
      )}
      {made.length > 0 && <dl class="inline made">{made.map(([k, v]) => <div key={k}><dt class="soft">{k}</dt><dd>{v}</dd></div>)}</dl>}
      {reasons.length > 0 && <ul class="reasons">{reasons.map((r) => <li key={r}>{sentence(r)}</li>)}</ul>}
    </details>
  );
}

export function Decision({ entry: e, open }: { entry: ScalingEntry; open?: boolean }) {
  const actions = e.actions ?? [];
  return (
    <div class="decision">
      {actions.length > 0
        ? <ul class="dos">{actions.map((a, i) => <Action key={i} action={a} />)}</ul>
        : <p>{sentence((e.reasons ?? [])[0] ?? t('history.nothing'))}</p>}
      <Because entry={e} {...(open ? { open } : {})} />
    </div>
  );
}

export function DecisionIcon({ entry: e }: { entry: ScalingEntry }) {
  const first = (e.actions ?? []).find((a) => a.do !== 'keep') ?? e.actions?.[0];
  return <Icon name={actionIcon(first?.do ?? 'none')} size={14} />;
}

// The limits: what may be rented and spent at most, and when. Beside each hard limit, how much of it is used.
import { useState } from 'preact/hooks';
import type { Problem } from '../api/types';
import { toast } from '../frame/toasts';
import { locale, t } from '../i18n';
import type { Key } from '../i18n/en';
import { Ago, Button, Meter, Trouble } from '../kit/bits';
import { euro } from '../fleet/money';
import { saveSettings } from '../fleet/store';
import type { Scaling } from '../fleet/types';
import { change, typedFrom, wrong, type Field, type Typed } from './fields';

export function Limits({ scaling: s }: { scaling: Scaling }) {
  const l = locale.value;
  const [edited, setEdited] = useState<Partial<Typed>>({});
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const typed: Typed = { ...typedFrom(s.settings, l), ...edited };
  const bad = edited.machines === undefined && edited.day === undefined && Object.keys(edited).length === 0 ? {} : wrong(typed);
  const patch = Object.keys(bad).length === 0 ? change(s.settings, typed, l) : undefined;
  const touched = Object.keys(edited).length > 0;
  const field = (name: Field, label: Key, unit: string, help?: string) => (
    <div class="field">
      <label for={`limit-${name}`}>{t(label)}</label>
      <span class="with-unit"><input id={`limit-${name}`} inputMode="decimal" autocomplete="off" value={typed[name]} aria-invalid={!!bad[name]} aria-describedby={`limit-${name}-help`}
        onInput={(e) => setEdited({ ...edited, [name]: e.currentTarget.value })} /><span class="soft">{unit}</span></span>
      <p id={`limit-${name}-help`} class={bad[name] ? 'bad-text small-text' : 'soft small-text'}>{bad[name] ? t(bad[name]!) : help}</p>
    </div>
  );
  const [most, cap] = [s.settings.max_machines, s.settings.max_day_micro_eur];
  return (
    <form class="panel limits" aria-labelledby="limits-title" onSubmit={async (e) => {
      e.preventDefault();
      if (!patch) return;
      setBusy(true);
      const failed = await saveSettings(patch);
      setBusy(false);
      setProblem(failed);
      if (!failed) {
        setEdited({});
        toast(t('settings.saved'));
      }
    }}>
      <header class="panel-head"><h2 id="limits-title">{t('limits.title')}</h2></header>
      <p class="soft small-text">{t('limits.text')}</p>
      <div class="fields two">
        <div class="limit">
          {field('machines', 'limits.machines', t('limits.unitMachines'))}
          {most !== undefined && <Meter label={t('limits.now')} used={s.machines} whole={most} text={`${s.machines} / ${most}`} />}
        </div>
        <div class="limit">
          {field('day', 'limits.day', t('limits.unitDay'))}
          {cap !== undefined && <Meter label={t('limits.spent')} used={s.today_micro_eur} whole={cap} text={`${euro(s.today_micro_eur, l)} / ${euro(cap, l)}`} />}
        </div>
      </div>
      <details class="small-text">
        <summary>{t('limits.more')}</summary>
        <div class="fields two">
          {field('up', 'limits.up', '%', t('limits.upText'))}
          {field('down', 'limits.down', '%', t('limits.downText'))}
          {field('cooldown', 'limits.cooldown', t('limits.unitMinutes'), t('limits.cooldownText'))}
          {field('release', 'limits.release', '', t('limits.releaseText'))}
        </div>
        <dl class="facts">
          <dt>{t('limits.types')}</dt><dd class="mono">{list(s.settings.types) ?? t('limits.any')}</dd>
          <dt>{t('limits.locations')}</dt><dd class="mono">{list(s.settings.locations) ?? t('limits.any')}</dd>
          <dt>{t('limits.sparesWanted')}</dt><dd class="mono">{list(Object.entries(s.settings.spares ?? {}).map(([when, n]) => `${when}: ${n}`)) ?? t('limits.none')}{s.settings.zone && <span class="soft"> ({s.settings.zone})</span>}</dd>
          <dt>{t('limits.catalogue')}</dt><dd><Ago time={s.catalogue_at} /></dd>
        </dl>
      </details>
      {problem && <Trouble problem={problem} onClose={() => setProblem(undefined)} />}
      <div class="form-foot">
        {touched && <span class="soft small-text">{t('settings.changed')}</span>}
        {touched && <Button onClick={() => { setEdited({}); setProblem(undefined); }}>{t('settings.discard')}</Button>}
        <Button type="submit" tone="primary" busy={busy} disabled={!patch}>{t('settings.save')}</Button>
      </div>
    </form>
  );
}

const list = (all: readonly string[] | undefined): string | undefined => (all && all.length > 0 ? all.join(', ') : undefined);

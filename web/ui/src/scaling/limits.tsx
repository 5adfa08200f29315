// The limits: what may be rented and spent at most, and when. Beside each hard limit, how much of it is used.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Problem } from '../api/types';
import { toast } from '../frame/toasts';
import { locale, t } from '../i18n';
import type { Key } from '../i18n/en';
import { Ago, Button, Meter, Trouble } from '../kit/bits';
import { sentence } from '../kit/format';
import { euro } from '../fleet/money';
import { saveSettings } from '../fleet/store';
import type { Scaling } from '../fleet/types';
import { change, refusal, refusedField, typedFrom, wrong, type Field, type Typed } from './fields';

export function Limits({ scaling: s }: { scaling: Scaling }) {
  const l = locale.value;
  const [edited, setEdited] = useState<Partial<Typed>>({});
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const [refused, setRefused] = useState<{ field: Field; problem: Problem }>();
  const folded = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    if (!refused) return;
    const at = document.getElementById(`limit-${refused.field}`);
    if (folded.current?.contains(at)) folded.current.open = true;
    at?.focus();
  }, [refused]);
  const typed: Typed = { ...typedFrom(s.settings, l), ...edited };
  const bad = edited.machines === undefined && edited.day === undefined && Object.keys(edited).length === 0 ? {} : wrong(typed);
  const patch = Object.keys(bad).length === 0 ? change(s.settings, typed, l) : undefined;
  const touched = Object.keys(edited).length > 0;
  // Once it was refused, a field says so until it is typed into again.
  const said = (name: Field) => (bad[name] ? t(bad[name]!) : refused?.field === name ? [refusal(refused.problem), refused.problem.next].filter(Boolean).map((x) => sentence(x!)).join('. ') : undefined);
  const input = (name: Field) => ({
    id: `limit-${name}`, autocomplete: 'off', value: typed[name], 'aria-invalid': !!said(name), 'aria-describedby': `limit-${name}-help`,
    onInput: (e: { currentTarget: HTMLInputElement }) => {
      setEdited({ ...edited, [name]: e.currentTarget.value });
      if (refused?.field === name) setRefused(undefined);
    },
  });
  const note = (name: Field, help?: string) => <p id={`limit-${name}-help`} class={said(name) ? 'bad-text small-text' : 'soft small-text'} role={refused?.field === name ? 'alert' : undefined}>{said(name) ?? help}</p>;
  const field = (name: Field, label: Key, unit: string, help?: string) => (
    <div class="field">
      <label for={`limit-${name}`}>{t(label)}</label>
      <span class="with-unit"><input inputMode="decimal" {...input(name)} /><span class="soft">{unit}</span></span>
      {note(name, help)}
    </div>
  );
  const text = (name: Field, label: Key, help: Key, empty: Key, choices?: string) => (
    <div class="field">
      <label for={`limit-${name}`}>{t(label)}</label>
      <input class="mono" spellcheck={false} autocapitalize="off" placeholder={t(empty)} {...(choices ? { list: choices } : {})} {...input(name)} />
      {note(name, t(help))}
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
      const about = failed && refusedField(failed, patch);
      setRefused(failed && about ? { field: about, problem: failed } : undefined);
      setProblem(about ? undefined : failed);
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
          {most != null && <Meter label={t('limits.now')} used={s.machines} whole={most} text={`${s.machines} / ${most}`} />}
        </div>
        <div class="limit">
          {field('day', 'limits.day', t('limits.unitDay'))}
          {cap != null && <Meter label={t('limits.spent')} used={s.today_micro_eur} whole={cap} text={`${euro(s.today_micro_eur, l)} / ${euro(cap, l)}`} />}
        </div>
      </div>
      <details class="small-text" ref={folded}>
        <summary>{t('limits.more')}</summary>
        <div class="fields two">
          {field('up', 'limits.up', '%', t('limits.upText'))}
          {field('down', 'limits.down', '%', t('limits.downText'))}
          {field('cooldown', 'limits.cooldown', t('limits.unitMinutes'), t('limits.cooldownText'))}
          {field('release', 'limits.release', '', t('limits.releaseText'))}
        </div>
        <div class="fields">
          {text('spares', 'limits.sparesWanted', 'limits.sparesText', 'limits.none')}
          {text('zone', 'limits.zone', 'limits.zoneText', 'limits.utc', 'limit-zones')}
          {text('types', 'limits.types', 'limits.typesText', 'limits.any')}
          {text('locations', 'limits.locations', 'limits.locationsText', 'limits.any')}
        </div>
        <datalist id="limit-zones">{zones.map((z) => <option key={z} value={z} />)}</datalist>
        <dl class="facts">
          <dt>{t('limits.catalogue')}</dt><dd><Ago time={s.catalogue_at} /></dd>
        </dl>
      </details>
      {problem && <Trouble problem={problem} onClose={() => setProblem(undefined)} />}
      <div class="form-foot">
        {touched && <span class="soft small-text">{t('settings.changed')}</span>}
        {touched && <Button onClick={() => { setEdited({}); setProblem(undefined); setRefused(undefined); }}>{t('settings.discard')}</Button>}
        <Button type="submit" tone="primary" busy={busy} disabled={!patch}>{t('settings.save')}</Button>
      </div>
    </form>
  );
}

const zones = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((z) => z !== 'UTC')];

// How the fleet grows and shrinks: on or off, within which limits, what it would do now, what it did and why.
import { useTitle } from '../frame/title';
import { t } from '../i18n';
import { Button, Trouble } from '../kit/bits';
import { sentence } from '../kit/format';
import { useFresh } from '../live/resource';
import { Cloudless } from '../fleet/cloudless';
import { Queue } from '../fleet/queue';
import { Stale } from '../fleet/stale';
import { history, scale, scaling, scalingFailure, switching, touches } from '../fleet/store';
import { GarbagePanel } from './garbage';
import { Limits } from './limits';
import { Plan } from './plan';
import { Timeline } from './history';

const scalingTouches = (e: { type: string }) => e.type.startsWith('scaling.');

export default function ScalingPage() {
  useTitle(t('scaling'));
  useFresh(scaling, 5_000, touches);
  useFresh(history, 15_000, scalingTouches);
  const s = scaling.value.value;
  const asked = switching.value;
  const on = asked ?? s?.enabled ?? false;
  return (
    <section class="scaling">
      <header class="page-head">
        <h1>{t('scaling')}</h1>
        {s && <span class={`state ${on ? 'state-good' : 'state-quiet'}`} role="status"><OnMark on={on} /><span>{on ? t('scaling.on') : t('scaling.off')}</span></span>}
        <div class="page-tools">
          {s && (on
            ? <Button icon="stop" busy={asked !== undefined} onClick={() => void scale(false)}>{t('scaling.disable')}</Button>
            : <Button tone="primary" icon="play" busy={asked !== undefined} disabled={!s.available} onClick={() => void scale(true)}>{t('scaling.enable')}</Button>)}
        </div>
      </header>
      {asked !== undefined && <div class="progress-line" role="progressbar" aria-label={t('working')} />}
      {scalingFailure.value && <Trouble problem={scalingFailure.value} onClose={() => { scalingFailure.value = undefined; }} />}
      <Stale reads={[{ resource: scaling, what: t('scaling') }, { resource: history, what: t('history.title') }]} />
      {!s && !scaling.problem.value && <div class="skeleton" aria-busy="true" aria-label={t('loading')}><div /><div /></div>}
      {s && !s.available && <Cloudless scaling={s} />}
      {s?.available && s.explain && <p class="scaling-explain">{sentence(s.explain)}{s.next && <span class="soft"> {sentence(s.next)}</span>}</p>}
      {s && <Queue waiting={s.waiting ?? []} />}
      {s && (
        <div class="halves">
          <Limits scaling={s} />
          {s.available && <Plan />}
        </div>
      )}
      {history.value.value && (s?.available || history.value.value.length > 0) && <Timeline entries={history.value.value} />}
      {s?.available && <GarbagePanel />}
    </section>
  );
}

function OnMark({ on }: { on: boolean }) {
  return <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">{on ? <circle cx="6" cy="6" r="4.5" fill="currentColor" /> : <rect x="2.5" y="2.5" width="7" height="7" rx="1" fill="none" stroke="currentColor" stroke-width="1.75" />}</svg>;
}

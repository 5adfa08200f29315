// What would be decided now, and why nothing else would. Asking changes nothing.
import { t } from '../i18n';
import { Ago, Button } from '../kit/bits';
import { useFresh } from '../live/resource';
import { Stale } from '../fleet/stale';
import { plan, touches } from '../fleet/store';
import { Decision } from './decision';

export function Plan() {
  useFresh(plan, 15_000, touches);
  const p = plan.value.value;
  return (
    <section class="panel plan" aria-labelledby="plan-title">
      <header class="panel-head">
        <h2 id="plan-title">{t('plan.title')}</h2>
        <span class="soft small-text">{p && <>{t('plan.asked')} <Ago time={new Date(plan.at.value).toISOString()} /></>}</span>
        <Button small icon="restart" tone="plain" aria-label={t('plan.again')} onClick={() => void plan.refresh()} />
      </header>
      <Stale reads={[{ resource: plan, what: t('plan.title') }]} />
      {p ? <Decision entry={p} open /> : !plan.problem.value && <p class="soft">{t('loading')}</p>}
      <p class="soft small-text">{t('plan.text')}</p>
    </section>
  );
}

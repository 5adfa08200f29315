// A server's page: header, what is wrong, and the tabs. Tabs other than the console are fetched on need.
import { Suspense } from 'preact/compat';
import { useMemo } from 'preact/hooks';
import { useTitle } from '../frame/title';
import { t } from '../i18n';
import type { Key } from '../i18n/en';
import { Button, Empty, Trouble } from '../kit/bits';
import { later } from '../kit/later';
import { useFresh } from '../live/resource';
import { ServerHeader } from './header';
import { serverResource } from './store';
import { ServerTrouble } from './trouble';

const Console = later(() => import('../console/view'));
const Overview = later(() => import('./overview'));
const Settings = later(() => import('./settings'));
const ServerActivity = later(() => import('../activity/feed'));

const tabs = ['console', 'overview', 'settings', 'activity'] as const;
export type Tab = (typeof tabs)[number];
const titles: Record<Tab, Key> = { console: 'tab.console', overview: 'tab.overview', settings: 'tab.settings', activity: 'tab.activity' };

export function ServerPage({ name, tab }: { name: string; tab: string | undefined }) {
  const resource = useMemo(() => serverResource(name), [name]);
  useFresh(resource, 3_000, (e) => e.server === name || e.server === resource.value.value?.id || e.type.startsWith('node.'));
  useTitle(name);
  const server = resource.value.value;
  const problem = resource.problem.value;
  const at: Tab = tabs.find((each) => each === tab) ?? 'console';

  if (problem?.status === 404) {
    return <Empty icon="question" title={t('server.gone', { name })}><a class="button" href="/servers"><span>{t('server.toList')}</span></a></Empty>;
  }
  if (!server) {
    return problem ? <Trouble problem={problem}><Button small onClick={() => void resource.refresh()}>{t('retry')}</Button></Trouble> : <div class="skeleton" aria-busy="true" aria-label={t('loading')}><div /><div /></div>;
  }
  return (
    <section class={`server-page at-${at}`}>
      <ServerHeader server={server} />
      {problem && <Trouble problem={problem} />}
      <ServerTrouble server={server} />
      <nav class="tabs" aria-label={t('tabs')}>
        {tabs.map((each) => (
          <a key={each} href={each === 'console' ? `/servers/${name}` : `/servers/${name}/${each}`} aria-current={at === each ? 'page' : undefined}>{t(titles[each])}</a>
        ))}
      </nav>
      <div class="tab-body">
        <Suspense fallback={<p class="soft">{t('loading')}</p>}>
          {at === 'console' && <Console key={server.id} server={server} />}
          {at === 'overview' && <Overview key={name} server={server} />}
          {at === 'settings' && <Settings key={name} server={server} resource={resource} />}
          {at === 'activity' && <ServerActivity key={name} server={name} />}
        </Suspense>
      </div>
    </section>
  );
}

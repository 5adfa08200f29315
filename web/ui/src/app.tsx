// The frame and the places in it.
import { Suspense } from 'preact/compat';
import { useEffect } from 'preact/hooks';
import { Redirect, Route, Switch, useLocation } from 'wouter-preact';
import { Help } from './frame/help';
import { useKeys } from './frame/keys';
import { helpOpen, paletteOpen } from './frame/open';
import { Palette } from './frame/palette';
import { Rail } from './frame/rail';
import { Toasts } from './frame/toasts';
import { TopBar } from './frame/topbar';
import { language, t } from './i18n';
import { Empty } from './kit/bits';
import { later } from './kit/later';
import { RecoveryBanner } from './recovery/banner';
import { CreatePage } from './servers/create';
import { ServersPage } from './servers/list';
import { ServerPage } from './servers/page';
import { LoginPage } from './session/login';
import { session, sessionTrouble } from './session/session';

const FleetPage = later(() => import('./fleet/page'));
const UnitPage = later(() => import('./fleet/unit'));
const ScalingPage = later(() => import('./scaling/page'));
const ActivityPage = later(() => import('./activity/page'));
const RecoveryPage = later(() => import('./recovery/page'));

export function App() {
  useLinks();
  const who = session.value;
  if (who === undefined) return <main class="boot"><p class="soft" role="status">{sessionTrouble.value ? t('boot.trouble') : ''}</p></main>;
  if (who === null) return <LoginPage />;
  return <Inside key={language.value} />;
}

function Inside() {
  useKeys();
  return (
    <div class="frame">
      <a class="skip" href="#main">{t('skip')}</a>
      <Rail />
      <div class="column">
        <TopBar />
        <main id="main" tabIndex={-1}>
          <RecoveryBanner />
          <Suspense fallback={<p class="soft">{t('loading')}</p>}>
            <Switch>
              <Route path="/"><Redirect to="/servers" replace /></Route>
              <Route path="/servers"><ServersPage /></Route>
              <Route path="/servers/new"><CreatePage /></Route>
              <Route path="/servers/:name/:tab?">{(p) => <ServerPage key={p.name} name={p.name} tab={p.tab} />}</Route>
              <Route path="/fleet"><FleetPage /></Route>
              <Route path="/fleet/:name">{(p) => <UnitPage key={p.name} name={p.name} />}</Route>
              <Route path="/scaling"><ScalingPage /></Route>
              <Route path="/nodes"><Redirect to="/fleet" replace /></Route>
              <Route path="/activity"><ActivityPage /></Route>
              <Route path="/recovery"><RecoveryPage /></Route>
              <Route><Empty icon="question" title={t('lost')}><a class="button" href="/servers"><span>{t('server.toList')}</span></a></Empty></Route>
            </Switch>
          </Suspense>
        </main>
      </div>
      <Toasts />
      {paletteOpen.value && <Palette />}
      {helpOpen.value && <Help />}
    </div>
  );
}

/** Plain links stay plain in the markup; a click on one that leads inside the app does not load the page anew. */
function useLinks(): void {
  const [, go] = useLocation();
  useEffect(() => {
    const click = (e: MouseEvent) => {
      if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
      const link = (e.target as Element).closest?.('a');
      const href = link?.getAttribute('href');
      if (!link || !href?.startsWith('/') || href.startsWith('/api') || link.target || link.hasAttribute('download')) return;
      e.preventDefault();
      go(href);
      if (!href.includes('#')) scrollTo(0, 0);
    };
    document.addEventListener('click', click);
    return () => document.removeEventListener('click', click);
  }, [go]);
}

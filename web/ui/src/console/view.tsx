// The console tab.
import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import type { Line, Server } from '../api/types';
import { theme } from '../frame/theme';
import { locale, t, tn } from '../i18n';
import { Button, Trouble } from '../kit/bits';
import { clock, exact } from '../kit/format';
import { Icon } from '../kit/icons';
import { CommandLine } from './commandline';
import { SearchBar } from './searchbar';
import { ConsoleSession } from './session';
import { Screen } from './terminal';

export default function ConsoleView({ server }: { server: Server }) {
  const box = useRef<HTMLDivElement>(null);
  const [screen, setScreen] = useState<Screen>();
  const [session, setSession] = useState<ConsoleSession>();
  const [bottom, setBottom] = useState(true);
  const [missed, setMissed] = useState(0);
  const [times, setTimes] = useState(() => localStorage.getItem('console.times') === 'yes');
  const [searching, setSearching] = useState(false);
  const [found, setFound] = useState({ index: -1, count: 0 });
  const [hover, setHover] = useState<{ line: Line; y: number }>();
  const atBottom = useRef(true);

  useEffect(() => {
    let current: ConsoleSession | undefined;
    const made = new Screen(box.current!, {
      onTop: () => void current?.readOlder(),
      onScroll: (at) => {
        atBottom.current = at;
        setBottom(at);
        if (at) setMissed(0);
      },
      onFound: (index, count) => setFound({ index, count }),
      locale: locale.value,
    });
    if (times) void made.showTimes(true);
    current = new ConsoleSession(server.name, {
      append: (lines, all) => {
        made.append(lines, all);
        if (!atBottom.current) setMissed((n) => n + lines.length);
      },
      redraw: (all) => made.redraw(all),
    });
    setScreen(made);
    setSession(current);
    return () => {
      current.close();
      made.close();
    };
  }, [server.id]);

  useEffect(() => screen?.retheme(), [screen, theme.value]);

  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'f') {
        e.preventDefault();
        setSearching(true);
      }
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);

  const refused = session?.refused.value;
  const link = session?.link.value ?? 'connecting';
  return (
    <div class="console">
      <div class="console-bar">
        <span class={`soft small-text console-link ${link}`} role="status">
          {link === 'live' ? '' : link === 'connecting' ? t('loading') : t('console.reconnecting')}
          {session?.notice.value && ` ${session.notice.value}`}
        </span>
        <Button small tone="plain" icon="search" aria-pressed={searching} onClick={() => setSearching(!searching)} title="Ctrl+F" aria-label={t('console.search')}>{t('console.search')}</Button>
        <Button small tone="plain" icon="clock" aria-pressed={times} aria-label={t('console.times')} onClick={() => {
          setTimes(!times);
          localStorage.setItem('console.times', times ? 'no' : 'yes');
          void screen?.showTimes(!times);
        }}>{t('console.times')}</Button>
        <a class="button plain small" href={api.downloadURL(server.name)} download={`${server.name}.log`} aria-label={t('console.download')}><Icon name="download" /><span>{t('console.download')}</span></a>
      </div>
      {searching && screen && <SearchBar name={server.name} screen={screen} found={found} onClose={() => { setSearching(false); screen.endFind(); }} />}
      <div class="console-screen" onMouseLeave={() => setHover(undefined)}
        onMouseMove={(e) => {
          const line = times ? undefined : screen?.lineAt(e.clientY);
          setHover(line ? { line, y: e.clientY - e.currentTarget.getBoundingClientRect().top } : undefined);
        }}>
        <div ref={box} class="console-term" data-label={t('console.label', { name: server.name })} />
        {session && <History session={session} />}
        {session?.empty.value && link === 'live' && <p class="console-empty soft">{server.state === 'stopped' ? t('console.emptyStopped') : t('console.empty')}</p>}
        {hover && <time class="console-time" style={{ top: `${hover.y}px` }} title={exact(hover.line.time, locale.value)}>{clock(hover.line.time, locale.value)}</time>}
        {!bottom && (
          <button type="button" class="button primary jump" onClick={() => screen?.toBottom()}>
            <Icon name="down" /><span>{missed > 0 ? tn('console.missed', missed) : t('console.newest')}</span>
          </button>
        )}
      </div>
      {refused && <Trouble problem={refused.problem} onClose={() => { session!.refused.value = undefined; }}><code>{refused.command}</code><Button small onClick={() => void session!.send(refused.command)}>{t('retry')}</Button></Trouble>}
      <CommandLine server={server} onSend={(command) => { screen?.toBottom(); void session?.send(command); }} />
    </div>
  );
}

/** Says at the top of the history whether there is more. */
function History({ session }: { session: ConsoleSession }) {
  const state = session.older.value;
  if (state === 'reading') return <p class="console-older">{t('console.older')}</p>;
  if (state === 'failed') return <p class="console-older">{t('console.olderFailed')} <Button small onClick={() => { session.older.value = 'more'; void session.readOlder(); }}>{t('retry')}</Button></p>;
  return null;
}

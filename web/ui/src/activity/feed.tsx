// What happened, newest first: for the whole fleet or one server. Live.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { problemOf } from '../api/http';
import type { Event, Problem } from '../api/types';
import { isKnown, known, locale, t } from '../i18n';
import { Ago, Button, Empty, Trouble } from '../kit/bits';
import { Icon, type IconName } from '../kit/icons';
import { listen } from '../live/events';
import { detail as said, families, join, machineOf, words as plainWords } from './words';

const most = 2000;
const spans = [1, 24, 24 * 7, 24 * 30];

const icons: Record<string, IconName> = { server: 'servers', node: 'nodes', player: 'users', backup: 'box', scaling: 'scaling', machine: 'nodes', billing: 'key' };

const detail = (data: Event['data'], l: string) => said(data, l, (key) => (isKnown('data', key) ? known('data', key) : plainWords(key)));

function Machine({ event }: { event: Event }) {
  const m = machineOf(event);
  return m ? <> {m.page ? <a href={`/fleet/${encodeURIComponent(m.name)}`}>{m.name}</a> : m.name}</> : null;
}

export default function Feed({ server }: { server?: string }) {
  const [events, setEvents] = useState<Event[]>();
  const [problem, setProblem] = useState<Problem>();
  const [hours, setHours] = useState(24);
  const [family, setFamily] = useState('');
  const [query, setQuery] = useState('');
  const [again, setAgain] = useState(0);

  useEffect(() => {
    let gone = false;
    const read = async () => {
      let list: Event[] = [];
      let cursor = '';
      const since = new Date(Date.now() - hours * 3_600_000).toISOString();
      do {
        const page = await api.events({ since, newest: 'true', limit: '500', ...(server ? { server } : {}), ...(cursor ? { cursor } : {}) });
        list = join(list, page.items ?? [], most);
        cursor = page.next ?? '';
      } while (cursor && !gone && list.length < most);
      if (!gone) setEvents((live) => join(live ?? [], list, most));
    };
    setProblem(undefined);
    setEvents(undefined);
    read().catch((error: unknown) => { if (!gone) setProblem(problemOf(error)); });
    const stop = listen((event) => {
      if (!event) setAgain((n) => n + 1);
      else if (!server || event.server === server) setEvents((list) => join(list ?? [], [event], most));
    });
    return () => {
      gone = true;
      stop();
    };
  }, [server, hours, again]);

  const shown = useMemo(() => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    return (events ?? []).filter((e) => (!family || e.type.startsWith(`${family}.`))
      && words.every((w) => [e.type, known('event', e.type), e.server, e.node, machineOf(e)?.name, e.actor, detail(e.data, locale.value)].join(' ').toLowerCase().includes(w)));
  }, [events, family, query]);

  return (
    <div class="feed">
      <div class="feed-tools">
        <label class="search"><Icon name="search" /><input type="search" {...(server ? {} : { id: 'filter' })} value={query} placeholder={t('activity.filter')} aria-label={t('activity.filter')} onInput={(e) => setQuery(e.currentTarget.value)} /></label>
        {!server && (
          <select aria-label={t('activity.family')} value={family} onChange={(e) => setFamily(e.currentTarget.value)}>
            <option value="">{t('activity.all')}</option>
            {families.map((f) => <option key={f} value={f}>{f}</option>)}
          </select>
        )}
        <select aria-label={t('activity.span')} value={hours} onChange={(e) => setHours(Number(e.currentTarget.value))}>
          {spans.map((h) => <option key={h} value={h}>{h < 48 ? t('activity.hours', { n: h }) : t('activity.days', { n: h / 24 })}</option>)}
        </select>
      </div>
      {problem && <Trouble problem={problem}><Button small onClick={() => setAgain(again + 1)}>{t('retry')}</Button></Trouble>}
      {events && shown.length === 0 && <Empty icon="activity" title={t('activity.none')} />}
      <ol class="events">
        {shown.map((e) => (
          <li key={e.seq}>
            <Icon name={icons[e.type.split('.')[0]!] ?? 'info'} />
            <div class="event-text">
              <p>
                <span>{isKnown('event', e.type) ? known('event', e.type) : <code>{e.type}</code>}</span>
                {!server && e.server && <> <a href={`/servers/${e.server}`}>{e.server}</a></>}
                <Machine event={e} />
                {e.node && !machineOf(e) && <span class="soft"> {t('activity.on')} <a href={`/fleet/${e.node}`}>{e.node}</a></span>}
              </p>
              {detail(e.data, locale.value) && <p class="soft small-text clip" title={detail(e.data, locale.value)}>{detail(e.data, locale.value)}</p>}
            </div>
            <span class="event-by soft small-text">{e.actor}</span>
            <span class="event-at soft small-text"><Ago time={e.at} /></span>
          </li>
        ))}
      </ol>
      {events && events.length >= most && <p class="soft">{t('activity.most', { n: most })}</p>}
    </div>
  );
}

// The time line of decisions, newest first, day by day; what repeats is one line.
import { useMemo, useState } from 'preact/hooks';
import { locale, t, tn } from '../i18n';
import { Button, Empty } from '../kit/bits';
import { exact, sentence } from '../kit/format';
import { now } from '../live/clock';
import type { ScalingEntry } from '../fleet/types';
import { Decision, DecisionIcon } from './decision';
import { dayName, dayOf, timeline, type Moment } from './timeline';

const atFirst = 20;

export function Timeline({ entries }: { entries: readonly ScalingEntry[] }) {
  const [onlyChanges, setOnlyChanges] = useState(false);
  const [most, setMost] = useState(atFirst);
  const days = useMemo(() => timeline(entries), [entries]);
  const today = dayOf(now.value);
  let left = most;
  const total = days.reduce((sum, d) => sum + d.moments.filter((m) => !onlyChanges || !m.quiet).length, 0);
  return (
    <section class="panel history" aria-labelledby="history-title">
      <header class="panel-head">
        <h2 id="history-title">{t('history.title')}</h2>
        {entries.length > 0 && <label class="check small-text"><input type="checkbox" checked={onlyChanges} onChange={(e) => setOnlyChanges(e.currentTarget.checked)} /><span>{t('history.onlyChanges')}</span></label>}
      </header>
      {total === 0 && <Empty icon="clock" title={t('history.none')}><p class="soft">{t('history.noneText')}</p></Empty>}
      {days.map((day) => {
        const moments = day.moments.filter((m) => !onlyChanges || !m.quiet).slice(0, left);
        left -= moments.length;
        if (moments.length === 0) return null;
        const sums = [day.ordered > 0 && t('history.ordered', { n: day.ordered }), day.released > 0 && t('history.released', { n: day.released })].filter(Boolean).join(', ');
        return (
          <section key={day.day} class="day">
            <h3>{sentence(dayName(day.day, today, locale.value))}{sums && <span class="soft"> · {sums}</span>}</h3>
            <ol class="moments">{moments.map((m) => <MomentLine key={m.key} moment={m} />)}</ol>
          </section>
        );
      })}
      {total > most && <Button onClick={() => setMost(most + 50)}>{t('history.more', { n: total - most })}</Button>}
    </section>
  );
}

function MomentLine({ moment: m }: { moment: Moment }) {
  const l = locale.value;
  const hm = (ms: number) => new Intl.DateTimeFormat(l, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(ms);
  const span = hm(m.from) === hm(m.to) ? hm(m.to) : `${hm(m.from)}–${hm(m.to)}`;
  return (
    <li class={`moment${m.quiet ? ' quiet' : ''}`}>
      <span class="moment-time"><time dateTime={m.newest.at} title={exact(m.to, l)}>{span}</time>{m.count > 1 && <span class="soft small-text">{tn('history.times', m.count)}</span>}</span>
      <span class="moment-mark"><DecisionIcon entry={m.newest} /></span>
      <Decision entry={m.newest} />
    </li>
  );
}

// Servers that wait for room: which, how much, since when, and what for.
import { locale, t } from '../i18n';
import { bytes, duration, exact, number, sentence } from '../kit/format';
import { now } from '../live/clock';
import type { WaitingServer } from './types';

const most = 8;

export function Queue({ waiting }: { waiting: readonly WaitingServer[] }) {
  if (waiting.length === 0) return null;
  const l = locale.value;
  const oldest = [...waiting].sort((a, b) => Date.parse(a.since) - Date.parse(b.since));
  return (
    <section class="panel queue" aria-labelledby="queue-title">
      <h2 id="queue-title">{t('queue.title')} <span class="count">{waiting.length}</span></h2>
      <ul>
        {oldest.slice(0, most).map((w) => (
          <li key={w.server}>
            <a class="strong" href={`/servers/${w.server}/overview`}>{w.server}</a>
            <span class="queue-need">{bytes(w.memory_bytes, l)} · {t('cpu.count', { n: number(w.cpu_millis / 1000, l, w.cpu_millis % 1000 ? 1 : 0) })}</span>
            <span class="queue-why soft">{sentence(w.why)}</span>
            <span class="queue-since soft" title={exact(w.since, l)}>{t('for', { time: duration(now.value - Date.parse(w.since)) })}</span>
          </li>
        ))}
      </ul>
      {waiting.length > most && <p class="soft small-text">{t('queue.more', { n: waiting.length - most })}</p>}
    </section>
  );
}

// What can be done with many servers at once, and how it went for each.
import { signal } from '@preact/signals';
import type { Problem, Server, Verb } from '../api/types';
import { t, tn } from '../i18n';
import { Button } from '../kit/bits';
import { Icon } from '../kit/icons';
import { may } from './may';
import { order } from './store';

interface Result {
  name: string;
  problem: Problem | undefined;
}

const results = signal<Result[]>([]);
const running = signal<{ done: number; all: number } | undefined>(undefined);

/** Orders four at a time: quick, and never a flood on the controller. */
export async function runAll<T>(items: T[], work: (item: T) => Promise<void>, width = 4): Promise<void> {
  const queue = [...items];
  await Promise.all(Array.from({ length: Math.min(width, queue.length) }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  }));
}

async function bulk(list: Server[], verb: Verb): Promise<void> {
  results.value = [];
  running.value = { done: 0, all: list.length };
  await runAll(list, async (s) => {
    const problem = await order(s.name, verb);
    results.value = [...results.value, { name: s.name, problem }];
    running.value = { done: results.value.length, all: list.length };
  });
  running.value = undefined;
}

export function BulkBar({ chosen, onClear }: { chosen: Server[]; onClear: () => void }) {
  const busy = running.value;
  const failed = results.value.filter((r) => r.problem);
  if (chosen.length === 0 && results.value.length === 0) return null;
  return (
    <div class="bulk" role="region" aria-label={t('bulk.title')}>
      {chosen.length > 0 && (
        <div class="bulk-row">
          <strong>{tn('bulk.chosen', chosen.length)}</strong>
          {(['start', 'stop', 'restart'] as const).map((verb) => {
            const able = chosen.filter((s) => may(s.state, verb));
            return (
              <Button key={verb} small icon={verb === 'start' ? 'play' : verb === 'stop' ? 'stop' : 'restart'} disabled={able.length === 0 || !!busy}
                onClick={() => void bulk(able, verb)}>{t(`verb.${verb}`)}{able.length !== chosen.length && able.length > 0 ? ` (${able.length})` : ''}</Button>
            );
          })}
          <Button small tone="plain" onClick={onClear}>{t('bulk.clear')}</Button>
        </div>
      )}
      <div aria-live="polite">
        {busy && <p class="soft">{t('bulk.progress', { done: busy.done, all: busy.all })}</p>}
        {!busy && results.value.length > 0 && (
          <div class="bulk-results">
            <p>
              <Icon name={failed.length ? 'warn' : 'check'} /> {t('bulk.result', { ok: results.value.length - failed.length, all: results.value.length })}
              <Button small tone="plain" icon="cross" aria-label={t('close')} onClick={() => { results.value = []; }} />
            </p>
            {failed.length > 0 && (
              <ul>{failed.map((r) => <li key={r.name}><strong>{r.name}</strong>: {r.problem!.detail || r.problem!.title || t('problem.unreachable')} <span class="soft">{r.problem!.next}</span></li>)}</ul>
            )}
          </div>
        )}
      </div>
    </div>
  );
}

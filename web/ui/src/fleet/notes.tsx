// What is to be said on the thing itself: an order that failed, how far the emptying is.
import { useEffect } from 'preact/hooks';
import { locale, t, tn } from '../i18n';
import { Button, Trouble } from '../kit/bits';
import { exact, sentence } from '../kit/format';
import { Icon } from '../kit/icons';
import { listen } from '../live/events';
import { paid } from './paid';
import { closeDrain, closeFailure, drainProgress, drains, failures, order } from './store';
import { now } from '../live/clock';

export function hasNotes(name: string): boolean {
  return !!failures.value[name] || !!drains.value[name];
}

export function UnitNotes({ name }: { name: string }) {
  const failure = failures.value[name];
  return (
    <>
      {failure && (
        <Trouble problem={failure.problem} onClose={() => closeFailure(name)}>
          <Button small onClick={() => void order(name, failure.verb, failure.deadline)}>{t('retry')}</Button>
        </Trouble>
      )}
      {drains.value[name] && <DrainNote name={name} />}
    </>
  );
}

function DrainNote({ name }: { name: string }) {
  const d = drains.value[name]!;
  useEffect(() => {
    if (d.done) return;
    let soon: ReturnType<typeof setTimeout> | undefined;
    const ask = () => { soon ??= setTimeout(() => { soon = undefined; void drainProgress(name); }, 500); };
    const stop = listen((e) => { if (!e || e.node === name || e.type.startsWith('server.')) ask(); });
    const timer = setInterval(ask, 15_000);
    return () => {
      stop();
      clearInterval(timer);
      clearTimeout(soon);
    };
  }, [name, d.done]);
  const left = d.left ?? [];
  const inAll = left.length + (d.more ?? 0); // the answer names 50 at most
  const by = paid(d.by, now.value, locale.value);
  return (
    <div class={`notice${d.done ? '' : ' busy'} drain-note`} role="status">
      <Icon name={d.done ? 'check' : 'download'} />
      <div class="notice-text">
        <p>{sentence(d.explain)}</p>
        {!d.done && left.length > 0 && (
          <p class="soft">{tn('drain.left', inAll)}{' '}
            {left.slice(0, 12).map((s, i) => <span key={s}>{i > 0 && ', '}<a href={`/servers/${s}`}>{s}</a></span>)}{inAll > Math.min(left.length, 12) && ` … +${inAll - Math.min(left.length, 12)}`}</p>
        )}
        {!d.done && by && <p class="soft small-text" title={exact(d.by!, locale.value)}>{t('drain.by', { time: by.clock, left: by.left })}</p>}
      </div>
      <div class="notice-actions">
        {d.done
          ? <Button icon="cross" tone="plain" small aria-label={t('close')} onClick={() => closeDrain(name)} />
          : <Button small onClick={() => void order(name, 'uncordon')}>{t('drain.stop')}</Button>}
      </div>
    </div>
  );
}

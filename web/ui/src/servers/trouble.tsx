// What is wrong with a server, why, and the way out as a button. It stays until it is solved.
import { useLocation } from 'wouter-preact';
import type { Server } from '../api/types';
import { t } from '../i18n';
import { Ago, Button, Trouble } from '../kit/bits';
import { duration, sentence } from '../kit/format';
import { Icon } from '../kit/icons';
import { now } from '../live/clock';
import { plain } from '../console/text';
import { ways } from './may';
import { closeFailure, failures, order, pending } from './store';

export function ServerTrouble({ server: s }: { server: Server }) {
  const [, go] = useLocation();
  const failure = failures.value[s.name];
  const asked = pending.value[s.name];
  const out = ways(s.state, s.node);
  const shown = ['crashed', 'failed', 'waiting', 'unknown', 'held'].includes(s.state) && !asked;
  return (
    <>
      {failure && (
        <Trouble problem={failure.problem} onClose={() => closeFailure(s.name)}>
          <Button small onClick={() => void order(s.name, failure.verb)}>{t('retry')}</Button>
        </Trouble>
      )}
      {shown && (
        <div class={`notice ${s.state === 'waiting' || s.state === 'unknown' ? 'busy' : 'bad'}`} role="status">
          <Icon name={s.state === 'unknown' ? 'question' : 'warn'} />
          <div class="notice-text">
            <p>{sentence(s.explain || s.waiting?.reason || s.hold || '')}</p>
            {(s.next || s.exit?.advice) && <p class="soft">{sentence(s.next || s.exit?.advice || '')}</p>}
            {s.state === 'waiting' && s.waiting && <p class="soft small-text">{t('for', { time: duration(now.value - Date.parse(s.waiting.since)) })}</p>}
            {s.retry_at && Date.parse(s.retry_at) > Date.now() && <p class="soft small-text">{t('crash.retry', { n: s.restarts })}</p>}
            {(s.state === 'crashed' || s.state === 'failed') && s.exit && <LastRun exit={s.exit} />}
          </div>
          <div class="notice-actions">
            {out.map((way) => <Button key={way.label} small onClick={() => (way.verb ? void order(s.name, way.verb) : go(way.to!))}>{t(way.label)}</Button>)}
          </div>
        </div>
      )}
      {s.restart_required && s.state === 'running' && (
        <div class="notice">
          <Icon name="info" />
          <div class="notice-text"><p>{t('restart.required')}</p></div>
          <div class="notice-actions"><Button small icon="restart" busy={asked === 'restart'} onClick={() => void order(s.name, 'restart')}>{t('restart.now')}</Button></div>
        </div>
      )}
    </>
  );
}

function LastRun({ exit }: { exit: NonNullable<Server['exit']> }) {
  const lines = exit.last_lines ?? [];
  return (
    <div class="last-run">
      <dl class="inline">
        <dt>{t('crash.code')}</dt><dd class="mono">{exit.code}</dd>
        {exit.oom && <><dt>{t('crash.oom')}</dt><dd>{t('yes')}</dd></>}
        <dt>{t('crash.when')}</dt><dd><Ago time={exit.at} /></dd>
      </dl>
      {lines.length > 0 && <pre class="lines" tabIndex={0} aria-label={t('crash.lines')}>{lines.map(plain).join('\n')}</pre>}
    </div>
  );
}

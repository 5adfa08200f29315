// Why a server is where it is, or what keeps it from being anywhere. At once while it waits, else when asked.
import { useEffect, useState } from 'preact/hooks';
import { problemOf } from '../api/http';
import type { Problem, Server } from '../api/types';
import { t } from '../i18n';
import { Ago, Button, Trouble } from '../kit/bits';
import { fleetApi } from '../fleet/calls';
import type { Why } from '../fleet/types';
import { sentence } from '../kit/format';
import { Icon } from '../kit/icons';
import { Decision } from '../scaling/decision';

export function WhyPanel({ server: s }: { server: Server }) {
  const waits = s.state === 'waiting';
  const [asked, setAsked] = useState(false);
  const [why, setWhy] = useState<Why>();
  const [problem, setProblem] = useState<Problem>();
  const [again, setAgain] = useState(0);
  const open = waits || asked;

  useEffect(() => {
    if (!open) return;
    let gone = false;
    const read = () => fleetApi.why(s.name).then(
      (got) => { if (!gone) { setWhy(got); setProblem(undefined); } },
      (error: unknown) => { if (!gone) setProblem(problemOf(error)); },
    );
    void read();
    const timer = setInterval(() => { if (!document.hidden) void read(); }, 15_000);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [open, s.name, s.state, s.node, again]);

  if (!open) return <div><Button icon="question" aria-expanded={false} onClick={() => setAsked(true)}>{t('why.ask')}</Button></div>;
  const said = why && s.explain.toLowerCase() === why.explain.toLowerCase(); // the notice above says it already
  return (
    <section class="panel why" aria-labelledby="why-title">
      <header class="panel-head">
        <h2 id="why-title">{waits ? t('why.waits') : t('why.here')}</h2>
        {!waits && <Button icon="cross" tone="plain" small aria-label={t('close')} onClick={() => setAsked(false)} />}
      </header>
      {problem && <Trouble problem={problem}><Button small onClick={() => setAgain(again + 1)}>{t('retry')}</Button></Trouble>}
      {!why && !problem && <p class="soft">{t('loading')}</p>}
      {why && (
        <>
          {!said && <p>{sentence(why.explain)}</p>}
          {why.next && !said && <p class="soft">{sentence(why.next)}</p>}
          {why.reason && <p class="soft">{t('why.noted')} <Ago time={why.placed_at} />: {sentence(why.reason)}</p>}
          {(why.nodes ?? []).length > 0 && (
            <ul class="why-nodes" aria-label={t('why.nodes')}>
              {why.nodes.map((n) => (
                <li key={n.node}>
                  <span class={n.fits ? 'state state-good' : 'state state-quiet'}><Icon name={n.fits ? 'check' : 'cross'} size={14} /><span>{n.fits ? t('why.fits') : t('why.not')}</span></span>
                  <a href={`/fleet/${encodeURIComponent(n.node)}`}>{n.node}</a>
                  <span class="soft">{sentence(n.why)}</span>
                </li>
              ))}
            </ul>
          )}
          {why.scaling && (
            <div class="why-scaling">
              <h3>{t('why.scaling')}</h3>
              <Decision entry={why.scaling} open />
              <p><a href="/scaling">{t('why.toScaling')}</a></p>
            </div>
          )}
        </>
      )}
    </section>
  );
}

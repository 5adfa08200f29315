// The store and the nodes side by side, and the choices.
import { useState } from 'preact/hooks';
import { api } from '../api/calls';
import { problemOf } from '../api/http';
import type { Problem, Recovery, RecoveryClaim, RecoveryFinding } from '../api/types';
import { useTitle } from '../frame/title';
import { known, locale, t } from '../i18n';
import { Button, Empty, Trouble } from '../kit/bits';
import { Dialog } from '../kit/dialog';
import { exact, sentence } from '../kit/format';
import { Icon } from '../kit/icons';
import { useFresh } from '../live/resource';
import { final, recovery, shown, target, touches } from './store';

interface Asked {
  label: string;
  effect: string;
  run: () => Promise<unknown>;
}

export default function RecoveryPage() {
  useTitle(t('recovery'));
  useFresh(recovery, 3_000, touches);
  const [problem, setProblem] = useState<Problem>();
  const [asked, setAsked] = useState<Asked>();
  const [busy, setBusy] = useState('');
  const r = recovery.value.value;

  const run = async (id: string, work: () => Promise<unknown>) => {
    setBusy(id);
    setProblem(undefined);
    try {
      await work();
    } catch (error) {
      setProblem(problemOf(error));
    }
    await recovery.refresh();
    setBusy('');
  };
  const choose = (f: RecoveryFinding, verb: string, effect: string) => {
    const where = target(f, verb);
    const work = () => (where ? api.decide(where.noun, where.name, verb) : api.recoveryLead());
    if (final(f, verb) || verb === 'lead') setAsked({ label: `${known('recovery.verb', verb)}: ${f.server || f.node}`, effect, run: work });
    else void run(f.id, work);
  };
  const adoptAll = () => void run('all', async () => {
    const done = await api.recoveryAdoptAll();
    if (done.problems.length > 0) setProblem(done.problems[0]);
  });

  if (recovery.problem.value && !r) return <Trouble problem={recovery.problem.value} />;
  if (!r) return <p class="soft">{t('loading')}</p>;
  const open = r.findings.filter((f) => !f.choice);
  return (
    <section class="recovery">
      <header class="page-head">
        <h1>{t('recovery')} {open.length > 0 && <span class="count">{open.length}</span>}</h1>
        {shown(r) && (
          <div class="page-tools">
            {open.some((f) => f.choices.some((c) => c.verb === 'adopt') && f.sign !== 'node') && <Button onClick={adoptAll} busy={busy === 'all'}>{t('recovery.adoptAll')}</Button>}
            {r.open && <Button tone="primary" busy={busy === 'end'} onClick={() => {
              if (r.undecided === 0) void run('end', () => api.recoveryEnd(false));
              else setAsked({ label: t('recovery.end'), effect: t('recovery.endLeaves'), run: () => api.recoveryEnd(true) });
            }}>{t('recovery.end')}</Button>}
          </div>
        )}
      </header>
      {problem && <Trouble problem={problem} onClose={() => setProblem(undefined)} />}
      {shown(r) ? <State r={r} /> : <Empty icon="check" title={t('recovery.none')}><p class="soft">{t('recovery.noneText')}</p></Empty>}
      {r.findings.map((f) => (
        <article class={`panel finding${f.choice ? ' off' : ''}`} key={f.id} aria-label={f.server || f.node}>
          <header class="node-head">
            <h2>{f.server || f.node}</h2>
            <span class="tag">{known('recovery.sign', f.sign)}</span>
            <span class="spacer" />
            {f.choice && <span class="soft small-text">{known('recovery.choice', f.choice)}{f.by && `, ${f.by}`}</span>}
          </header>
          <p>{sentence(f.explain)}</p>
          {(f.store || f.agent) && (
            <dl class="sides">
              <div><dt>{t('recovery.store')}</dt><dd><Claim claim={f.store} /></dd></div>
              <div><dt>{t('recovery.agent', { node: f.node })}</dt><dd><Claim claim={f.agent} /></dd></div>
            </dl>
          )}
          {f.key && <p class="soft small-text mono">{f.key}</p>}
          {f.choices.length > 0 && (
            <ul class="decisions">
              {f.choices.map((c) => (
                <li key={c.verb}>
                  <Button small busy={busy === f.id} onClick={() => choose(f, c.verb, c.effect)}>{known('recovery.verb', c.verb)}</Button>
                  <span class="soft">{sentence(c.effect)}</span>
                </li>
              ))}
            </ul>
          )}
        </article>
      ))}
      {asked && (
        <Dialog title={asked.label} onClose={() => setAsked(undefined)}>
          <p>{sentence(asked.effect)}</p>
          <div class="dialog-foot">
            <Button onClick={() => setAsked(undefined)}>{t('cancel')}</Button>
            <Button tone="danger" onClick={() => { const { run: work } = asked; setAsked(undefined); void run('asked', work); }}>{t('recovery.sure')}</Button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

function State({ r }: { r: Recovery }) {
  return (
    <div class={`notice ${r.undecided > 0 ? 'bad' : 'busy'}`}>
      <Icon name="warn" />
      <div class="notice-text">
        <p>{sentence(r.explain)}</p>
        {r.waiting.length > 0 && <p class="soft">{t('recovery.waiting', { nodes: r.waiting.join(', ') })}</p>}
      </div>
    </div>
  );
}

function Claim({ claim: c }: { claim: RecoveryClaim | null | undefined }) {
  if (!c) return <>{t('recovery.notThere')}</>;
  const words = [known('state', c.state || c.desired || ''), t('recovery.epoch', { n: c.epoch })];
  if (c.desired) words.push(c.node ? c.node : t('recovery.noNode'));
  if (c.since) words.push(t('recovery.since', { time: exact(c.since, locale.value) }));
  return <>{words.join(' · ')}</>;
}

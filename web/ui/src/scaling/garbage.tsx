// Leftovers in the cloud and on the nodes: looked for first, taken away only after a look.
import { useState } from 'preact/hooks';
import { problemOf } from '../api/http';
import type { Problem } from '../api/types';
import { known, t, tn } from '../i18n';
import { Ago, Button, Trouble } from '../kit/bits';
import { Dialog } from '../kit/dialog';
import { sentence } from '../kit/format';
import { fleetApi } from '../fleet/calls';
import { machines } from '../fleet/store';
import type { Garbage } from '../fleet/types';

export function GarbagePanel() {
  const [found, setFound] = useState<Garbage>();
  const [busy, setBusy] = useState<'look' | 'take'>();
  const [problem, setProblem] = useState<Problem>();
  const [sure, setSure] = useState(false);
  const run = async (dry: boolean) => {
    setBusy(dry ? 'look' : 'take');
    setProblem(undefined);
    try {
      setFound(await fleetApi.garbage(dry));
      if (!dry) machines.soon();
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      setBusy(undefined);
    }
  };
  const things = found?.things ?? [];
  const todo = found?.dry_run ? things.filter((g) => g.do !== 'leave') : [];
  return (
    <section class="panel garbage" aria-labelledby="garbage-title">
      <header class="panel-head">
        <h2 id="garbage-title">{t('garbage.title')}</h2>
        {found && <span class="soft small-text">{found.dry_run ? t('garbage.looked') : t('garbage.taken')} <Ago time={found.at} /></span>}
        {todo.length > 0 && <Button small tone="danger" icon="trash" busy={busy === 'take'} onClick={() => setSure(true)}>{tn('garbage.take', todo.length)}</Button>}
        <Button small icon="search" busy={busy === 'look'} onClick={() => void run(true)}>{t('garbage.look')}</Button>
      </header>
      <p class="soft small-text">{t('garbage.text')}</p>
      {problem && <Trouble problem={problem} onClose={() => setProblem(undefined)}><Button small onClick={() => void run(true)}>{t('retry')}</Button></Trouble>}
      {found && things.length === 0 && <p role="status">{t('garbage.none')}</p>}
      {things.length > 0 && (
        <ul class="things">
          {things.map((g) => (
            <li key={`${g.kind}-${g.id}`}>
              <span class="tag">{g.kind}</span>
              <span class="strong thing-name" title={g.id}>{g.name || g.id}</span>
              <span class="soft thing-why">{sentence(g.why)}{g.since && <> · <Ago time={g.since} /></>}</span>
              <span class={g.do === 'delete' ? 'bad-text' : undefined}>{g.result ? sentence(g.result) : known('garbage.do', g.do)}</span>
            </li>
          ))}
        </ul>
      )}
      {sure && (
        <Dialog title={tn('garbage.take', todo.length)} onClose={() => setSure(false)}>
          <p>{t('garbage.sure')}</p>
          <ul class="reasons">{todo.slice(0, 20).map((g) => <li key={`${g.kind}-${g.id}`}>{known('garbage.do', g.do)}: {g.kind} {g.name || g.id}</li>)}</ul>
          {todo.length > 20 && <p class="soft">… +{todo.length - 20}</p>}
          <div class="dialog-foot">
            <Button onClick={() => setSure(false)}>{t('cancel')}</Button>
            <Button tone="danger" onClick={() => { setSure(false); void run(false); }}>{t('recovery.sure')}</Button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

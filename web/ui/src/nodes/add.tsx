// "Add a node": makes a join token and shows the command to paste, this once.
import { useState } from 'preact/hooks';
import { api } from '../api/calls';
import { problemOf } from '../api/http';
import type { Problem, Token } from '../api/types';
import { t } from '../i18n';
import { Button, Copy, Trouble } from '../kit/bits';
import { Dialog } from '../kit/dialog';
import { duration } from '../kit/format';
import { now } from '../live/clock';
import { nameProblem } from '../servers/names';

export function AddNode({ taken, onClose }: { taken: ReadonlySet<string>; onClose: () => void }) {
  const [name, setName] = useState(() => {
    for (let n = 1; ; n++) if (!taken.has(`node-${n}`)) return `node-${n}`;
  });
  const [token, setToken] = useState<Token>();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const wrong = nameProblem(name, taken);
  return (
    <Dialog title={t('node.add')} onClose={onClose} wide>
      {!token ? (
        <form onSubmit={async (e) => {
          e.preventDefault();
          setBusy(true);
          setProblem(undefined);
          try {
            setToken(await api.createToken({ name }));
          } catch (error) {
            setProblem(problemOf(error));
          } finally {
            setBusy(false);
          }
        }}>
          <p>{t('node.addText')}</p>
          <div class="field">
            <label for="node-name">{t('name')}</label>
            <input id="node-name" class="mono" value={name} maxLength={32} autocomplete="off" spellcheck={false} autofocus aria-invalid={!!wrong} onInput={(e) => setName(e.currentTarget.value.toLowerCase())} />
            <p class={wrong ? 'bad-text small-text' : 'soft small-text'}>{t(wrong ?? 'name.help')}</p>
          </div>
          {problem && <Trouble problem={problem} />}
          <div class="dialog-foot">
            <Button onClick={onClose}>{t('cancel')}</Button>
            <Button type="submit" tone="primary" icon="key" busy={busy} disabled={!!wrong}>{t('node.makeToken')}</Button>
          </div>
        </form>
      ) : (
        <>
          <p>{t('node.paste')}</p>
          <div class="command-box">
            <pre class="mono" tabIndex={0} aria-label={t('node.command')}>{token.command}</pre>
            <Copy text={token.command} label={t('node.copy')} />
          </div>
          <p class="soft small-text">{t('node.once')} {t('node.expires', { time: duration(Date.parse(token.expires) - now.value) })}</p>
          <div class="dialog-foot"><Button tone="primary" onClick={onClose}>{t('done')}</Button></div>
        </>
      )}
    </Dialog>
  );
}

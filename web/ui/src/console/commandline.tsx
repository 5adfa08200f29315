// The line to type commands into: history by arrows, completion by Tab.
import { useRef, useState } from 'preact/hooks';
import type { Server } from '../api/types';
import { t } from '../i18n';
import { Button } from '../kit/bits';
import { CommandHistory, complete } from './history';

const takes = ['running', 'starting', 'stopping', 'restarting'];

export function CommandLine({ server, onSend }: { server: Server; onSend: (command: string) => void }) {
  const [value, setValue] = useState('');
  const [choices, setChoices] = useState<string[]>([]);
  const history = useRef<CommandHistory>();
  history.current ??= new CommandHistory(localStorage, `commands.${server.id}`);
  const able = takes.includes(server.state) || server.observed === 'running';
  const set = (to: string) => {
    setValue(to);
    setChoices([]);
  };
  return (
    <form class="commandline" onSubmit={(e) => {
      e.preventDefault();
      const command = value.trim();
      if (!command || !able) return;
      history.current!.push(command);
      onSend(command);
      set('');
    }}>
      <label class="commandline-box">
        <span class="prompt mono" aria-hidden="true">›</span>
        <input class="mono" id="command" aria-label={t('console.command')} placeholder={able ? t('console.placeholder') : t('console.off')} disabled={!able}
          value={value} maxLength={4000} autocomplete="off" autocapitalize="off" autocorrect="off" spellcheck={false} enterKeyHint="send"
          onInput={(e) => set(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === 'ArrowUp' || e.key === 'ArrowDown') {
              const to = history.current!.move(e.key === 'ArrowUp' ? -1 : 1, value);
              if (to !== undefined) set(to);
              e.preventDefault();
            } else if (e.key === 'Tab' && !e.shiftKey && value.trim() !== '') {
              const got = complete(value, server.usage?.player_names ?? []);
              if (got.choices.length === 0) return; // nothing to complete: Tab moves on as everywhere
              e.preventDefault();
              setValue(got.value);
              setChoices(got.choices.length > 1 ? got.choices : []);
            } else if (e.key === 'Escape') set('');
          }} />
      </label>
      {choices.length > 0 && <p class="choices mono" aria-live="polite">{choices.join('  ')}</p>}
      <Button type="submit" icon="send" tone="primary" disabled={!able || !value.trim()} aria-label={t('console.send')}>{t('console.send')}</Button>
    </form>
  );
}

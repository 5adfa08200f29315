// Search in what is on screen while typing, and in the whole history on the node by a button.
import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { problemOf } from '../api/http';
import type { Line, Problem } from '../api/types';
import { locale, t, tn } from '../i18n';
import { Button, Trouble } from '../kit/bits';
import { exact } from '../kit/format';
import { plain } from './text';
import type { Screen } from './terminal';

export function SearchBar({ name, screen, found, onClose }: {
  name: string; screen: Screen; found: { index: number; count: number }; onClose: () => void;
}) {
  const [text, setText] = useState('');
  const [history, setHistory] = useState<Line[]>();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);

  const everywhere = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      setHistory((await api.lines(name, { search: text, tail: 500 })).lines ?? []);
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="searchbar" role="search">
      <div class="searchbar-row">
        <input ref={input} type="search" aria-label={t('console.search')} placeholder={t('console.search')} value={text}
          onInput={(e) => {
            setText(e.currentTarget.value);
            setHistory(undefined);
            screen.find(e.currentTarget.value, true, true);
          }}
          onKeyDown={(e) => {
            if (e.key === 'Enter') screen.find(text, !e.shiftKey);
            else if (e.key === 'Escape') { e.stopPropagation(); onClose(); } else return;
            e.preventDefault();
          }} />
        <span class="soft small-text" aria-live="polite">{text && (found.count === 0 ? t('console.noneHere') : `${found.index + 1} / ${found.count}`)}</span>
        <Button small icon="up" aria-label={t('console.previous')} disabled={!text} onClick={() => screen.find(text, true)} />
        <Button small icon="down" aria-label={t('console.next')} disabled={!text} onClick={() => screen.find(text, false)} />
        <Button small busy={busy} disabled={!text} onClick={() => void everywhere()}>{t('console.everywhere')}</Button>
        <Button small tone="plain" icon="cross" aria-label={t('close')} onClick={onClose} />
      </div>
      {problem && <Trouble problem={problem} />}
      {history && (
        <div class="found">
          <p class="soft small-text">{tn('console.found', history.length)}</p>
          {history.length > 0 && <ol tabIndex={0} aria-label={t('console.everywhere')}>{history.map((line) => <li key={line.seq}><time class="soft">{exact(line.time, locale.value)}</time><span class="mono">{plain(line.text)}</span></li>)}</ol>}
        </div>
      )}
    </div>
  );
}

// The command palette: every place and every order, by typing.
import { useMemo, useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { known, language, setLanguage, t } from '../i18n';
import { Dialog } from '../kit/dialog';
import { Icon, type IconName } from '../kit/icons';
import { may } from '../servers/may';
import { nodes, order, servers } from '../servers/store';
import { scale, scaling } from '../fleet/store';
import { score } from './match';
import { helpOpen, paletteOpen } from './open';
import { setTheme, theme } from './theme';

interface Entry {
  label: string;
  hint?: string;
  icon: IconName;
  run: () => void;
}

export function Palette() {
  const [, go] = useLocation();
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const list = servers.value.value;
  const fleet = nodes.value.value;
  const grow = scaling.value.value;
  const close = () => { paletteOpen.value = false; };

  const entries = useMemo<Entry[]>(() => [
    ...(list ?? []).map((s): Entry => ({ label: s.name, hint: known('state', s.state), icon: 'servers', run: () => go(`/servers/${s.name}`) })),
    { label: t('servers'), icon: 'servers', hint: 'g s', run: () => go('/servers') },
    { label: t('create'), icon: 'plus', hint: 'c', run: () => go('/servers/new') },
    { label: t('fleet'), icon: 'nodes', hint: 'g f', run: () => go('/fleet') },
    { label: t('scaling'), icon: 'scaling', hint: 'g l', run: () => go('/scaling') },
    { label: t('activity'), icon: 'activity', hint: 'g a', run: () => go('/activity') },
    ...(list ?? []).flatMap((s) => (['start', 'stop', 'restart'] as const).filter((v) => may(s.state, v)).map((v): Entry => (
      { label: `${t(`verb.${v}`)}: ${s.name}`, icon: v === 'start' ? 'play' : v === 'stop' ? 'stop' : 'restart', run: () => void order(s.name, v) }))),
    ...(fleet ?? []).filter((n) => n.state !== 'revoked').map((n): Entry => ({ label: n.name, hint: known('node.state', n.state), icon: 'nodes', run: () => go(`/fleet/${n.name}`) })),
    ...(grow?.available ? [{ label: grow.enabled ? t('scaling.disable') : t('scaling.enable'), icon: 'scaling' as const, run: () => { go('/scaling'); void scale(!grow.enabled); } }] : []),
    { label: theme.value === 'dark' ? t('theme.light') : t('theme.dark'), icon: theme.value === 'dark' ? 'sun' : 'moon', run: () => setTheme(theme.value === 'dark' ? 'light' : 'dark') },
    { label: language.value === 'en' ? 'Deutsch' : 'English', icon: 'book', run: () => setLanguage(language.value === 'en' ? 'de' : 'en') },
    { label: t('help.title'), icon: 'question', hint: '?', run: () => { helpOpen.value = true; } },
  ], [list, fleet, grow, language.value, theme.value]);

  const shown = useMemo(() => entries.map((entry) => ({ entry, points: score(entry.label, typed) })).filter((x) => x.points > 0)
    .sort((a, b) => b.points - a.points).slice(0, 12).map((x) => x.entry), [entries, typed]);
  const here = Math.min(at, shown.length - 1);
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    close();
    entry.run();
  };
  return (
    <Dialog title={t('palette.title')} onClose={close} bare>
      <input class="palette-input" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={shown[here] ? `palette-${here}` : undefined}
        aria-label={t('palette.title')} placeholder={t('palette.placeholder')} value={typed} autofocus autocomplete="off" spellcheck={false}
        onInput={(e) => { setTyped(e.currentTarget.value); setAt(0); }}
        onKeyDown={(e) => {
          if (e.key === 'ArrowDown') setAt((here + 1) % Math.max(1, shown.length));
          else if (e.key === 'ArrowUp') setAt((here - 1 + shown.length) % Math.max(1, shown.length));
          else if (e.key === 'Enter') run(shown[here]);
          else return;
          e.preventDefault();
        }} />
      <ul class="palette-list" id="palette-list" role="listbox" aria-label={t('palette.title')}>
        {shown.map((entry, i) => (
          <li key={entry.label + i} id={`palette-${i}`} role="option" aria-selected={i === here} onMouseMove={() => setAt(i)} onClick={() => run(entry)}>
            <Icon name={entry.icon} /><span>{entry.label}</span>{entry.hint && <span class="soft small-text">{entry.hint}</span>}
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p class="palette-none soft">{t('palette.none')}</p>}
    </Dialog>
  );
}

// Breadcrumb, search, connection light, user.
import { useLocation } from 'wouter-preact';
import { language, setLanguage, t } from '../i18n';
import type { Key } from '../i18n/en';
import { Icon } from '../kit/icons';
import { Menu } from '../kit/menu';
import { logout, session } from '../session/session';
import { ConnectionLight } from './light';
import { helpOpen, paletteOpen } from './open';
import { setTheme, themeChoice } from './theme';

export function TopBar() {
  const [path] = useLocation();
  return (
    <header class="topbar">
      <nav class="crumbs" aria-label={t('crumbs')}>
        <ol>{crumbs(path).map((c, i, all) => <li key={c.href}>{i === all.length - 1 ? <span aria-current="page">{c.label}</span> : <a href={c.href}>{c.label}</a>}</li>)}</ol>
      </nav>
      <button type="button" class="palette-button" onClick={() => { paletteOpen.value = true; }} aria-keyshortcuts="Control+K">
        <Icon name="search" /><span>{t('palette.open')}</span><kbd aria-hidden="true">Ctrl K</kbd>
      </button>
      <ConnectionLight />
      <Menu label={t('user.menu')} icon="user" items={[
        { label: t('theme.system'), checked: themeChoice.value === 'system', run: () => setTheme('system') },
        { label: t('theme.light'), checked: themeChoice.value === 'light', run: () => setTheme('light') },
        { label: t('theme.dark'), checked: themeChoice.value === 'dark', run: () => setTheme('dark') },
        { label: 'English', checked: language.value === 'en', run: () => setLanguage('en') },
        { label: 'Deutsch', checked: language.value === 'de', run: () => setLanguage('de') },
        { label: t('help.title'), icon: 'question', run: () => { helpOpen.value = true; } },
        { label: t('logout', { name: session.value?.actor ?? '' }), icon: 'key', run: () => void logout() },
      ]} />
    </header>
  );
}

function crumbs(path: string): { href: string; label: string }[] {
  const parts = path.split('/').filter(Boolean);
  const area = parts[0] ?? 'servers';
  const names: Record<string, Key> = { fleet: 'fleet', scaling: 'scaling', activity: 'activity', recovery: 'recovery' };
  const first = t(names[area] ?? 'servers');
  const out = [{ href: `/${area}`, label: first }];
  if (area === 'servers' && parts[1] === 'new') out.push({ href: '/servers/new', label: t('create') });
  else if (area === 'servers' && parts[1]) out.push({ href: `/servers/${parts[1]}`, label: decodeURIComponent(parts[1]) });
  else if (area === 'fleet' && parts[1]) out.push({ href: `/fleet/${parts[1]}`, label: decodeURIComponent(parts[1]) });
  return out;
}

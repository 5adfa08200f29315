// The left rail; under 720 px the bar at the bottom.
import { useLocation } from 'wouter-preact';
import { t } from '../i18n';
import { Icon, type IconName } from '../kit/icons';

export function Rail() {
  const [path] = useLocation();
  const link = (href: string, icon: IconName, label: string, here: boolean) => (
    <a href={href} aria-current={here ? 'page' : undefined}><Icon name={icon} size={18} /><span>{label}</span></a>
  );
  return (
    <nav class="rail" aria-label={t('areas')}>
      <a class="brand" href="/servers" aria-label="PayPerPlay"><img src="/favicon.svg" alt="" width="24" height="24" /><span>PayPerPlay</span></a>
      {link('/servers', 'servers', t('servers'), path === '/' || path.startsWith('/servers'))}
      {link('/activity', 'activity', t('activity'), path.startsWith('/activity'))}
      <hr />
      {link('/fleet', 'nodes', t('fleet'), path.startsWith('/fleet'))}
      {link('/scaling', 'scaling', t('scaling'), path.startsWith('/scaling'))}
      <a href="/api/docs" target="_blank" rel="noopener" class="rail-docs"><Icon name="book" size={18} /><span>API</span></a>
    </nav>
  );
}

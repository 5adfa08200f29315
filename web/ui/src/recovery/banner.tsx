// On every page while the store is older than the nodes.
import { useLocation } from 'wouter-preact';
import { t, tn } from '../i18n';
import { Icon } from '../kit/icons';
import { useFresh } from '../live/resource';
import { recovery, shown, touches } from './store';

export function RecoveryBanner() {
  const [path] = useLocation();
  useFresh(recovery, 10_000, touches);
  const r = recovery.value.value;
  if (!r || !shown(r) || path === '/recovery') return null;
  return (
    <div class="recovery-banner notice bad" role="alert">
      <Icon name="warn" />
      <div class="notice-text">
        <p>{r.open ? t('recovery.banner') : t('recovery.left')}</p>
        {r.undecided > 0 && <p class="soft">{tn('recovery.undecided', r.undecided)}</p>}
      </div>
      <div class="notice-actions"><a class="button" href="/recovery"><span>{t('recovery.see')}</span></a></div>
    </div>
  );
}

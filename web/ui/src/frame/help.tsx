import { t } from '../i18n';
import { Dialog } from '../kit/dialog';
import { helpOpen } from './open';

export function Help() {
  const rows: [string, string][] = [
    ['Ctrl K', t('palette.title')], ['g s', t('servers')], ['g f', t('fleet')], ['g l', t('scaling')], ['g a', t('activity')], ['c', t('create')],
    ['/', t('help.filter')], ['>', t('help.command')], ['Ctrl F', t('console.search')], ['↑ ↓', t('help.history')], ['Tab', t('help.complete')], ['?', t('help.title')],
  ];
  return (
    <Dialog title={t('help.title')} onClose={() => { helpOpen.value = false; }}>
      <dl class="keys">{rows.map(([keys, text]) => <div key={keys}><dt>{keys.split(' ').map((k) => <kbd key={k}>{k}</kbd>)}</dt><dd>{text}</dd></div>)}</dl>
    </Dialog>
  );
}

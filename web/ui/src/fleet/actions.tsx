// What can be asked of a node: the menu of its line, the buttons of its page, and the dialogs behind them.
import { useState } from 'preact/hooks';
import { toast } from '../frame/toasts';
import { t } from '../i18n';
import { Button } from '../kit/bits';
import { ConfirmByName, Dialog } from '../kit/dialog';
import { duration } from '../kit/format';
import { Menu } from '../kit/menu';
import { order, pending } from './store';
import { stateOf, type Unit } from './units';

async function cordon(name: string): Promise<void> {
  if (!(await order(name, 'cordon'))) toast(t('node.cordoned', { name }), { label: t('undo'), run: () => void order(name, 'uncordon') });
}

/** buttons: also as buttons beside the menu, for the page of one node. */
export function UnitActions({ unit: u, buttons }: { unit: Unit; buttons?: boolean }) {
  const [asked, setAsked] = useState<'drain' | 'revoke'>();
  const n = u.node;
  if (!n || n.state === 'revoked' || stateOf(u) === 'deleting') return null;
  const busy = pending.value[n.name];
  const draining = stateOf(u) === 'draining';
  const open = () => void order(n.name, 'uncordon');
  return (
    <>
      {buttons && (n.cordoned
        ? <Button icon="play" busy={busy === 'uncordon'} onClick={open}>{t('node.uncordon')}</Button>
        : <Button icon="stop" busy={busy === 'cordon'} title={t('node.cordon')} onClick={() => void order(n.name, 'cordon')}>{t('node.cordonShort')}</Button>)}
      {buttons && !draining && <Button icon="download" busy={busy === 'drain'} onClick={() => setAsked('drain')}>{t('drain.verb')}</Button>}
      <Menu small={!buttons} label={t('list.actions', { name: u.name })} items={[
        !buttons && (n.cordoned ? { label: t('node.uncordon'), icon: 'play', disabled: !!busy, run: open } : { label: t('node.cordon'), icon: 'stop', disabled: !!busy, run: () => void cordon(n.name) }),
        !buttons && !draining && { label: t('drain.menu'), icon: 'download', disabled: !!busy, run: () => setAsked('drain') },
        n.state === 'locked' && { label: t('node.unlock'), icon: 'key', run: () => void order(n.name, 'unlock') },
        { label: t('node.revoke'), icon: 'trash', danger: true, run: () => setAsked('revoke') },
      ]} />
      {asked === 'drain' && <DrainDialog unit={u} onClose={() => setAsked(undefined)} />}
      {asked === 'revoke' && <ConfirmByName title={t('node.revokeTitle', { name: n.name })} name={n.name} text={t('node.revokeText')} action={t('node.revoke')}
        onClose={() => setAsked(undefined)} onConfirm={async () => { await order(n.name, 'revoke'); }} />}
    </>
  );
}

const deadlines = [0, 15 * 60, 3_600, 4 * 3_600, 24 * 3_600];

function DrainDialog({ unit: u, onClose }: { unit: Unit; onClose: () => void }) {
  const [deadline, setDeadline] = useState(0);
  return (
    <Dialog title={t('drain.title', { name: u.name })} onClose={onClose}>
      <p>{t('drain.text')}</p>
      <p class="soft">{u.machine ? t('drain.machine') : t('drain.own')}</p>
      <label class="field">
        <span>{t('drain.deadline')}</span>
        <select value={deadline} onChange={(e) => setDeadline(Number(e.currentTarget.value))}>
          {deadlines.map((s) => <option key={s} value={s}>{s === 0 ? t('drain.none') : t('drain.within', { time: short(s) })}</option>)}
        </select>
        <span class="soft small-text field-note">{t('drain.deadlineText')}</span>
      </label>
      <div class="dialog-foot">
        <Button onClick={onClose}>{t('cancel')}</Button>
        <Button tone="primary" onClick={() => { onClose(); void order(u.node!.name, 'drain', deadline); }}>{t('drain.verb')}</Button>
      </div>
    </Dialog>
  );
}

/** "1 h" rather than "1 h 0 min". */
function short(seconds: number): string {
  return duration(seconds * 1000).replace(/ 0 (min|s|h)$/, '');
}

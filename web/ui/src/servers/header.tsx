// The top of a server's page: what it is, how it does, and the orders.
import { useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import type { Server } from '../api/types';
import { toast } from '../frame/toasts';
import { locale, t } from '../i18n';
import { Button, Copy, Meter } from '../kit/bits';
import { ConfirmByName, Dialog } from '../kit/dialog';
import { bytes, duration, exact, number, sentence } from '../kit/format';
import { Icon } from '../kit/icons';
import { Menu } from '../kit/menu';
import { StateMark } from '../kit/state';
import { now } from '../live/clock';
import { may } from './may';
import { order, pending, shownState } from './store';

export function ServerHeader({ server: s }: { server: Server }) {
  const [, go] = useLocation();
  const [deleting, setDeleting] = useState(false);
  const [killing, setKilling] = useState(false);
  const state = shownState(s, pending.value);
  const asked = pending.value[s.name];
  const live = s.usage && ['running', 'starting', 'stopping', 'restarting', 'killing'].includes(state) ? s.usage : undefined;
  const moving = ['starting', 'pulling', 'stopping', 'restarting', 'killing', 'deleting'].includes(state);
  const stop = async () => {
    if (!(await order(s.name, 'stop'))) toast(t('toast.stopping', { name: s.name }), { label: t('undo'), run: () => void order(s.name, 'start') });
  };
  return (
    <header class="server-head">
      <div class="server-title">
        <h1>{s.name}</h1>
        <span role="status"><StateMark state={state} /></span>
        {s.state === 'running' && s.ready_at && <span class="soft small-text" title={exact(s.ready_at, locale.value)}>{t('for', { time: duration(now.value - Date.parse(s.ready_at)) })}</span>}
      </div>
      <div class="server-actions">
        {may(state, 'start') && <Button icon="play" tone="primary" busy={asked === 'start'} onClick={() => void order(s.name, 'start')}>{t('verb.start')}</Button>}
        {may(state, 'stop') && state !== 'crashed' && state !== 'failed' && <Button icon="stop" busy={asked === 'stop'} onClick={() => void stop()}>{t('verb.stop')}</Button>}
        {may(state, 'restart') && <Button icon="restart" busy={asked === 'restart'} onClick={() => void order(s.name, 'restart')}>{t('verb.restart')}</Button>}
        <Menu label={t('more')} items={[
          may(state, 'kill') && { label: t('verb.kill'), icon: 'kill', danger: true, run: () => setKilling(true) },
          { label: t('verb.delete'), icon: 'trash', danger: true, disabled: state === 'deleting', run: () => setDeleting(true) },
        ]} />
      </div>
      <div class="server-facts">
        <span class="fact address"><Icon name="send" size={14} />{s.address
          ? <><span class="mono">{s.address}</span><Copy text={s.address} label={t('address.copy')} /></>
          : <span class="soft">{t('address.none')}</span>}</span>
        <span class="fact"><Icon name="users" size={14} />{state !== 'running' ? t('players.none') : live?.players == null
          ? t('players.unknownLong') : t('players.count', { n: live.players, max: live.players_max })}</span>
        <Meter label={t('memory')} used={live?.memory_bytes ?? 0} whole={s.memory_bytes}
          text={live ? `${bytes(live.memory_bytes, locale.value)} / ${bytes(s.memory_bytes, locale.value)}` : bytes(s.memory_bytes, locale.value)} />
        <Meter label={t('cpu')} used={live?.cpu_cores ?? 0} whole={s.cpu_millis > 0 ? s.cpu_millis / 1000 : 2}
          text={live ? t('cpu.count', { n: number(live.cpu_cores, locale.value, 2) }) : '–'} />
        <span class="fact soft hide-phone">{s.template} {s.version}</span>
        {s.node && <a class="fact hide-phone" href={`/fleet/${s.node}`}><Icon name="nodes" size={14} />{s.node}</a>}
      </div>
      <div class={moving || asked ? 'progress-line' : 'progress-line idle'} role={moving ? 'progressbar' : undefined} aria-label={moving ? s.progress || t('working') : undefined} />
      {moving && (s.progress || s.explain) && <p class="soft small-text progress-text">{sentence(s.progress || s.explain)}</p>}
      {deleting && <ConfirmByName title={t('delete.title', { name: s.name })} name={s.name} text={t('delete.text')} action={t('verb.delete')}
        onClose={() => setDeleting(false)} onConfirm={async () => { if (!(await order(s.name, 'delete'))) go('/servers'); }} />}
      {killing && (
        <Dialog title={t('kill.title', { name: s.name })} onClose={() => setKilling(false)}>
          <p>{t('kill.text')}</p>
          <div class="dialog-foot">
            <Button onClick={() => setKilling(false)}>{t('cancel')}</Button>
            <Button tone="danger" icon="kill" onClick={() => { setKilling(false); void order(s.name, 'kill'); }}>{t('verb.kill')}</Button>
          </div>
        </Dialog>
      )}
    </header>
  );
}

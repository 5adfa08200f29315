// One line of the servers list.
import { memo } from 'preact/compat';
import type { Server } from '../api/types';
import { locale, t } from '../i18n';
import { Copy, Meter } from '../kit/bits';
import { bytes, number, sentence } from '../kit/format';
import { Menu } from '../kit/menu';
import { StateMark } from '../kit/state';
import { may } from './may';
import { closeFailure, failures, order, pending, shownState } from './store';

export const rowHeight = 57;

export const Row = memo(function Row({ server, chosen, onChoose, onOpen, onDelete }: {
  server: Server; chosen: boolean;
  onChoose: (name: string, shift: boolean) => void; onOpen: (name: string) => void; onDelete: (name: string) => void;
}) {
  const s = server;
  const state = shownState(s, pending.value);
  const failure = failures.value[s.name];
  const players = s.usage?.players;
  return (
    <tr class={chosen ? 'chosen' : undefined} onClick={(e) => { if (!(e.target as Element).closest('a,button,input,label')) onOpen(s.name); }}>
      <td class="cell-check">
        <label class="hit"><input type="checkbox" checked={chosen} aria-label={t('list.choose', { name: s.name })}
          onClick={(e) => onChoose(s.name, e.shiftKey)} /></label>
      </td>
      <td class="cell-name">
        <a href={`/servers/${s.name}`} class="strong">{s.name}</a>
        <span class="soft small-text">{failure
          ? <button type="button" class="link bad-text" onClick={() => closeFailure(s.name)} title={failure.problem.next ?? ''}>{failure.problem.detail || failure.problem.title || t('problem.unreachable')}</button>
          : s.state === 'running' || s.state === 'stopped' ? `${s.template} ${s.version}` : sentence(s.progress || s.explain) || `${s.template} ${s.version}`}</span>
      </td>
      <td class="cell-state"><StateMark state={state} />{pending.value[s.name] && <span class="progress-line" />}</td>
      <td class="cell-num hide-phone">{state === 'running' ? (players == null ? t('players.unknown') : `${players} / ${s.usage!.players_max}`) : '–'}</td>
      <td class="cell-meter hide-phone">
        {s.usage && state !== 'stopped'
          ? <Meter hideLabel label={t('memory')} used={s.usage.memory_bytes} whole={s.memory_bytes} text={`${bytes(s.usage.memory_bytes, locale.value)} / ${bytes(s.memory_bytes, locale.value)}`} />
          : <span class="soft">{bytes(s.memory_bytes, locale.value)}</span>}
      </td>
      <td class="cell-num hide-narrow">{s.usage && state !== 'stopped' ? number(s.usage.cpu_cores, locale.value, 2) : '–'}</td>
      <td class="hide-narrow">{s.node || '–'}</td>
      <td class="cell-address hide-phone">{s.address ? <span class="mono">{s.address}<Copy text={s.address} /></span> : '–'}</td>
      <td class="cell-more">
        <Menu small label={t('list.actions', { name: s.name })} items={[
          may(state, 'start') && { label: t('verb.start'), icon: 'play', run: () => void order(s.name, 'start') },
          may(state, 'stop') && { label: t('verb.stop'), icon: 'stop', run: () => void order(s.name, 'stop') },
          may(state, 'restart') && { label: t('verb.restart'), icon: 'restart', run: () => void order(s.name, 'restart') },
          may(state, 'kill') && { label: t('verb.kill'), icon: 'kill', danger: true, run: () => void order(s.name, 'kill') },
          { label: t('verb.delete'), icon: 'trash', danger: true, run: () => onDelete(s.name) },
        ]} />
      </td>
    </tr>
  );
});

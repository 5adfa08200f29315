// One line of the fleet: a node, a machine, or both. A note below it is as wide as the columns that are shown: one more would make a column of its own.
import { signal } from '@preact/signals';
import { locale, t } from '../i18n';
import { Ago, Meter } from '../kit/bits';
import { bytes, exact, number, sentence } from '../kit/format';
import { StateMark } from '../kit/state';
import { now } from '../live/clock';
import { UnitActions } from './actions';
import { euro, monthOf, perHour } from './money';
import { hasNotes, UnitNotes } from './notes';
import { paid } from './paid';
import { machines, pending, shownState } from './store';
import { fillOf, lineOf, past, stateOf, type Unit } from './units';

const columns = signal(8);
const [narrow, phone] = [matchMedia('(max-width: 1180px)'), matchMedia('(max-width: 719px)')];
const count = () => { columns.value = phone.matches ? 3 : narrow.matches ? 7 : 8; };
narrow.addEventListener('change', count);
phone.addEventListener('change', count);
count();

export function UnitRow({ unit: u, onOpen }: { unit: Unit; onOpen: (name: string) => void }) {
  const { node: n, machine: m } = u;
  const l = locale.value;
  const line = lineOf(u);
  const until = paid(m?.paid_until, now.value, l);
  const kind = m ? [m.type, m.location].filter(Boolean).join(' · ') : machines.value.value ? t('fleet.own') : n?.class ?? '';
  return (
    <>
      <tr class={`unit${past(u) ? ' off' : ''}`} onClick={(e) => { if (!(e.target as Element).closest('a,button,input,dialog,.menu')) onOpen(u.name); }}>
        <td class="cell-name">
          <span class="unit-name"><a href={`/fleet/${encodeURIComponent(u.name)}`} class="strong">{u.name}</a><span class="soft small-text hide-phone">{kind}</span>{m?.spare && <span class="tag hide-phone">{t('fleet.spare')}</span>}</span>
          {!line.bad && line.text && <span class="small-text soft unit-line" title={sentence(line.text)}>{sentence(line.text)}</span>}
          <span class="phone-facts soft small-text">{[kind, m?.spare && t('fleet.spare'), m && perHour(m.hourly_micro_eur, l)].filter(Boolean).map((fact, i) => <span key={i}>{i > 0 && ' · '}{fact}</span>)}</span>
          {until && <span class="phone-facts soft small-text">{t('fleet.paidText', { time: until.clock, left: until.left })}</span>}
        </td>
        <td class="cell-state">
          <StateMark state={shownState(u.name, stateOf(u))} node />
          <span class="soft small-text">{n ? <Ago time={n.last_seen} none={t('node.never')} /> : m ? <Ago time={m.deleted_at ?? m.ordered_at} /> : null}</span>
          {pending.value[u.name] && <span class="progress-line" />}
        </td>
        <td class="cell-meter hide-phone">
          {n && n.state !== 'revoked' && fillOf(u) >= 0
            ? <Meter hideLabel label={t('node.memory')} used={n.memory_booked_bytes} whole={n.memory_schedulable_bytes} text={`${bytes(n.memory_booked_bytes, l)} / ${bytes(n.memory_schedulable_bytes, l)}`} />
            : <span class="soft">{m && m.memory_bytes > 0 ? bytes(m.memory_bytes, l) : '–'}</span>}
        </td>
        <td class="cell-num cell-servers hide-phone">{n ? `${n.running} / ${n.servers}` : m ? number(m.servers, l) : '–'}</td>
        <td class="cell-num cell-price hide-phone">{m ? <span>{perHour(m.hourly_micro_eur, l)}{m.phase !== 'gone' && <span class="small-text soft">{t('fleet.perMonth', { amount: euro(monthOf(m), l) })}</span>}</span> : <span class="soft" title={t('fleet.ownText')}>–</span>}</td>
        <td class="cell-num cell-money hide-narrow">{m ? euro(m.today_micro_eur, l) : <span class="soft">–</span>}</td>
        <td class="cell-paid hide-phone">
          {until ? <span title={exact(m!.paid_until!, l)}>{until.clock}<span class={`small-text ${until.soon ? 'busy-text' : 'soft'}`}>{until.left}</span></span> : '–'}
        </td>
        <td class="cell-more"><UnitActions unit={u} /></td>
      </tr>
      {(line.bad || hasNotes(u.name)) && (
        <tr class="unit-note">
          <td colSpan={columns.value}>
            {line.bad && <p class="small-text"><span class="bad-text">{sentence(line.text)}{/[.?]$/.test(line.text) ? '' : '.'}</span>{line.next && <span class="soft"> {sentence(line.next)}</span>}</p>}
            <UnitNotes name={u.name} />
          </td>
        </tr>
      )}
    </>
  );
}

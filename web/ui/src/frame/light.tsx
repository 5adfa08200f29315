// The connection light: live, reconnecting, or since when what is on screen is old.
import { heardAt } from '../api/http';
import { locale, t } from '../i18n';
import { ago } from '../kit/format';
import { now } from '../live/clock';
import { eventLink } from '../live/events';
import type { LinkState } from '../live/socket';

export type Light = 'live' | 'reconnecting' | 'stale';

/** Live needs the socket and something heard within 20 s: pages ask every few seconds, so silence is news. Pure. */
export function lightOf(link: LinkState, heard: number, at: number): Light {
  if (heard > 0 && at - heard > 20_000) return 'stale';
  return link === 'live' ? 'live' : 'reconnecting';
}

export function ConnectionLight() {
  const light = lightOf(eventLink.value, heardAt.value, now.value);
  const text = light === 'stale' ? t('link.stale', { time: ago(heardAt.value, now.value, locale.value) }) : t(`link.${light}`);
  return (
    <span class={`light light-${light}`} role="status" title={text}>
      <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
        {light === 'live' ? <circle cx="5" cy="5" r="4" fill="currentColor" /> : light === 'stale'
          ? <path d="M1.5 1.500l7 7M8.500 1.500l-7 7" stroke="currentColor" stroke-width="2" /> : <circle cx="5" cy="5" r="3.500" fill="none" stroke="currentColor" stroke-width="2" />}
      </svg>
      <span class="light-text">{text}</span>
    </span>
  );
}

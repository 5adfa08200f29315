// Small parts used on every page.
import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { isKnown, known, locale, t } from '../i18n';
import type { Problem } from '../api/types';
import { now } from '../live/clock';
import { ago, exact, never, percent, sentence } from './format';
import { Icon, type IconName } from './icons';

export function Button({ icon, tone, children, busy, small, ...rest }: {
  icon?: IconName; tone?: 'primary' | 'danger' | 'plain'; children?: ComponentChildren; busy?: boolean; small?: boolean;
  onClick?: (e: MouseEvent) => void; disabled?: boolean; type?: 'button' | 'submit'; title?: string; form?: string; class?: string;
  'aria-label'?: string; 'aria-expanded'?: boolean; 'aria-haspopup'?: 'menu' | 'dialog'; 'aria-pressed'?: boolean; 'aria-keyshortcuts'?: string;
}) {
  const names = ['button', tone ?? 'normal', small && 'small', !children && 'only-icon', busy && 'busy', rest.class].filter(Boolean).join(' ');
  return (
    <button {...rest} type={rest.type ?? 'button'} class={names} disabled={rest.disabled || busy} aria-busy={busy ? true : undefined}>
      {icon && <Icon name={icon} />}
      {children && <span>{children}</span>}
    </button>
  );
}

/** Relative time that keeps counting; the exact one on hover. */
export function Ago({ time, none = '–' }: { time: string | null | undefined; none?: string }) {
  if (!time || never(time)) return <span>{none}</span>;
  return <time dateTime={time} title={exact(time, locale.value)}>{ago(Math.min(Date.parse(time), now.value), now.value, locale.value)}</time>;
}

/** A thin bar with its figure; what is over 90 % is marked by colour and by the figure itself. */
export function Meter({ label, used, whole, text, hideLabel }: { label: string; used: number; whole: number; text: string; hideLabel?: boolean }) {
  const p = percent(used, whole);
  return (
    <div class="meter" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(p)} aria-valuetext={text}>
      {!hideLabel && <span class="meter-label">{label}</span>}
      <span class="meter-text">{text}</span>
      <span class="meter-track"><span class={p >= 90 ? 'meter-fill high' : 'meter-fill'} style={{ width: `${p}%` }} /></span>
    </div>
  );
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea'); // plain http has no clipboard API
    area.value = text;
    area.className = 'visually-hidden';
    document.body.append(area);
    area.select();
    const ok = document.execCommand('copy');
    area.remove();
    return ok;
  }
}

export function Copy({ text, label }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  return (
    <button type="button" class="copy" title={label ?? t('copy.title')} aria-label={label ?? t('copy.what', { what: text })}
      onClick={async (e) => {
        e.stopPropagation();
        if (!(await copyText(text))) return;
        setDone(true);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => setDone(false), 1500);
      }}>
      <Icon name={done ? 'check' : 'copy'} size={14} />
      <span class="visually-hidden" aria-live="polite">{done ? t('copy.done') : ''}</span>
    </button>
  );
}

/** What happened, why, and the next step; the step itself as a button where there is one. */
export function Trouble({ problem, children, onClose }: { problem: Problem; children?: ComponentChildren; onClose?: () => void }) {
  const own = isKnown('problem', problem.code) && !problem.detail;
  return (
    <div class="notice bad" role="alert">
      <Icon name="warn" />
      <div class="notice-text">
        <p>{own ? known('problem', problem.code) : sentence(problem.detail || problem.title)}</p>
        {(problem.next || own) && <p class="soft">{sentence(problem.next || t('problem.retrying'))}</p>}
      </div>
      <div class="notice-actions">
        {children}
        {onClose && <Button icon="cross" tone="plain" small aria-label={t('close')} onClick={onClose} />}
      </div>
    </div>
  );
}

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} size={28} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

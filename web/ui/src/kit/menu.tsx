// A "…" menu: arrows move, Escape and a click elsewhere close, focus returns to its button.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Button } from './bits';
import { Icon, type IconName } from './icons';

export interface MenuItem {
  label: string;
  icon?: IconName;
  danger?: boolean;
  disabled?: boolean;
  checked?: boolean;
  run: () => void;
}

export function Menu({ label, items, icon = 'more', small, text }: {
  label: string; items: (MenuItem | undefined | false)[]; icon?: IconName; small?: boolean; text?: string;
}) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const shown = items.filter((i): i is MenuItem => !!i);

  useEffect(() => {
    if (!open) return;
    const entries = () => [...(box.current?.querySelectorAll<HTMLButtonElement>('[role^=menuitem]:not(:disabled)') ?? [])];
    entries()[0]?.focus();
    const away = (e: globalThis.Event) => {
      if (!box.current?.contains(e.target as globalThis.Node)) setOpen(false);
    };
    const key = (e: KeyboardEvent) => {
      const list = entries();
      const here = list.indexOf(document.activeElement as HTMLButtonElement);
      if (e.key === 'Escape') {
        e.stopPropagation();
        setOpen(false);
        box.current?.querySelector<HTMLButtonElement>('button')?.focus();
      } else if (e.key === 'ArrowDown') list[(here + 1) % list.length]?.focus();
      else if (e.key === 'ArrowUp') list[(here - 1 + list.length) % list.length]?.focus();
      else if (e.key === 'Tab') { setOpen(false); return; } else return;
      e.preventDefault();
    };
    document.addEventListener('pointerdown', away);
    document.addEventListener('keydown', key);
    return () => {
      document.removeEventListener('pointerdown', away);
      document.removeEventListener('keydown', key);
    };
  }, [open]);

  return (
    <div class="menu" ref={box} onClick={(e) => e.stopPropagation()}>
      <Button icon={icon} tone="plain" {...(small ? { small } : {})} aria-label={label} aria-haspopup="menu" aria-expanded={open} onClick={() => setOpen(!open)}>{text}</Button>
      {open && (
        <div class="menu-list" role="menu" aria-label={label}>
          {shown.map((item) => (
            <button type="button" key={item.label} role={item.checked === undefined ? 'menuitem' : 'menuitemradio'} aria-checked={item.checked}
              disabled={item.disabled} class={item.danger ? 'danger' : undefined}
              onClick={() => { setOpen(false); item.run(); }}>
              {item.icon ? <Icon name={item.icon} /> : item.checked !== undefined ? <span class="menu-gap">{item.checked && <Icon name="check" />}</span> : null}
              <span>{item.label}</span>
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

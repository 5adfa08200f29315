// The browser's own <dialog>: it traps focus, closes on Escape and makes the rest inert.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n';
import { Button } from './bits';

export function Dialog({ title, onClose, children, wide, bare }: {
  title: string; onClose: () => void; children: ComponentChildren; wide?: boolean; bare?: boolean;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog ref={ref} class={`dialog${wide ? ' wide' : ''}${bare ? ' bare' : ''}`} aria-label={title}
      onCancel={(e) => { e.preventDefault(); onClose(); }}
      onMouseDown={(e) => { if (e.target === ref.current) onClose(); }}>
      <div class="dialog-body">
        {!bare && (
          <header class="dialog-head">
            <h2>{title}</h2>
            <Button icon="cross" tone="plain" small aria-label={t('close')} onClick={onClose} />
          </header>
        )}
        {children}
      </div>
    </dialog>
  );
}

/** For what cannot be undone: the name must be typed. */
export function ConfirmByName({ title, name, text, action, onClose, onConfirm }: {
  title: string; name: string; text: string; action: string; onClose: () => void; onConfirm: () => Promise<void> | void;
}) {
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={async (e) => {
        e.preventDefault();
        if (typed !== name) return;
        setBusy(true);
        await onConfirm();
        onClose();
      }}>
        <p>{text}</p>
        <label class="field">
          <span>{t('confirm.type', { name })}</span>
          <input value={typed} onInput={(e) => setTyped(e.currentTarget.value)} autocomplete="off" autocapitalize="off" spellcheck={false} autofocus class="mono" />
        </label>
        <div class="dialog-foot">
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button type="submit" tone="danger" disabled={typed !== name} busy={busy}>{action}</Button>
        </div>
      </form>
    </Dialog>
  );
}

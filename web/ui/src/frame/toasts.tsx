// Short notes at the foot of the page; what can be undone offers Undo.
import { signal } from '@preact/signals';
import { t } from '../i18n';
import { Button } from '../kit/bits';

interface Toast {
  id: number;
  text: string;
  action?: { label: string; run: () => void };
}

const toasts = signal<Toast[]>([]);
let next = 1;

export function toast(text: string, action?: Toast['action']): void {
  const id = next++;
  toasts.value = [...toasts.value.slice(-2), { id, text, ...(action ? { action } : {}) }];
  setTimeout(() => drop(id), action ? 8_000 : 4_000);
}

function drop(id: number): void {
  toasts.value = toasts.value.filter((each) => each.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((each) => (
        <div class="toast" key={each.id}>
          <span>{each.text}</span>
          {each.action && <Button small onClick={() => { each.action!.run(); drop(each.id); }}>{each.action.label}</Button>}
          <Button small tone="plain" icon="cross" aria-label={t('close')} onClick={() => drop(each.id)} />
        </div>
      ))}
    </div>
  );
}

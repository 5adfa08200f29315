// Keyboard shortcuts outside of text fields. Pure decision in step(), wiring in useKeys().
import { useEffect } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { helpOpen, paletteOpen } from './open';

export type Action = 'servers' | 'fleet' | 'scaling' | 'activity' | 'create' | 'filter' | 'help' | 'palette' | 'command';

/** What a key does after the one before it (within a second); 'g' alone waits. */
export function step(before: string, key: string): Action | 'wait' | undefined {
  if (before === 'g') return ({ s: 'servers', f: 'fleet', n: 'fleet', l: 'scaling', a: 'activity' } as const)[key];
  if (key === 'g') return 'wait';
  return ({ '/': 'filter', '?': 'help', c: 'create', '>': 'command' } as const)[key];
}

export function useKeys(): void {
  const [, go] = useLocation();
  useEffect(() => {
    let before = '';
    let at = 0;
    const press = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') {
        e.preventDefault();
        paletteOpen.value = !paletteOpen.value;
        return;
      }
      const target = e.target as HTMLElement;
      if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || document.querySelector('dialog[open]')) return;
      const action = step(Date.now() - at < 1000 ? before : '', e.key);
      before = e.key;
      at = Date.now();
      if (!action || action === 'wait') return;
      e.preventDefault();
      if (action === 'help') helpOpen.value = true;
      else if (action === 'filter') document.getElementById('filter')?.focus();
      else if (action === 'command') document.getElementById('command')?.focus();
      else if (action === 'create') go('/servers/new');
      else go(`/${action}`);
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [go]);
}

// Light or dark: the system's, or what was chosen.
import { computed, signal } from '@preact/signals';

export type Choice = 'system' | 'light' | 'dark';

const system = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(system.matches);
system.addEventListener('change', (e) => { systemDark.value = e.matches; });

function kept(): Choice {
  const got = localStorage.getItem('theme');
  return got === 'light' || got === 'dark' ? got : 'system';
}

export const themeChoice = signal<Choice>(kept());
export const theme = computed(() => (themeChoice.value === 'system' ? (systemDark.value ? 'dark' : 'light') : themeChoice.value));

export function setTheme(to: Choice): void {
  localStorage.setItem('theme', to);
  apply(to);
  themeChoice.value = to;
}

export function apply(choice: Choice = themeChoice.value): void {
  if (choice === 'system') document.documentElement.removeAttribute('data-theme');
  else document.documentElement.setAttribute('data-theme', choice);
}

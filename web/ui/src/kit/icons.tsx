// Inline SVG, one family: 16 px grid, 1.5 px strokes, round ends, the colour of the text around.
import type { JSX } from 'preact';

const paths = {
  servers: <><rect x="2.5" y="2.5" width="11" height="4.5" rx="1" /><rect x="2.5" y="9" width="11" height="4.5" rx="1" /><path d="M5 4.75h.01M5 11.25h.01" /></>,
  activity: <path d="M1.5 8h3l2-5 3 10 2-5h3" />,
  nodes: <><rect x="5.5" y="1.75" width="5" height="4" rx="1" /><rect x="1.5" y="10.25" width="5" height="4" rx="1" /><rect x="9.5" y="10.25" width="5" height="4" rx="1" /><path d="M8 5.75V8M4 10.25V8h8v2.25" /></>,
  scaling: <path d="M2 13.5h12M4 11V8.500M8 11V5.500M12 11V2.500" />,
  book: <path d="M2.5 3h4A1.5 1.5 0 018 4.5v9A1.5 1.5 0 006.5 12h-4zM13.5 3h-4A1.5 1.5 0 008 4.5v9A1.5 1.5 0 019.5 12h4z" />,
  search: <><circle cx="7" cy="7" r="4.25" /><path d="M10.25 10.25l3.5 3.5" /></>,
  play: <path d="M4.5 2.75l8.5 5.25-8.5 5.25z" fill="currentColor" />,
  stop: <rect x="3.5" y="3.5" width="9" height="9" rx="1" fill="currentColor" />,
  restart: <path d="M13 8a5 5 0 11-1.6-3.7M13 2v3h-3" />,
  kill: <path d="M9 1.5L3.5 9H8l-1 5.5L12.5 7H8z" />,
  trash: <path d="M2.5 4h11M6 4V2.5h4V4M4 4l.6 9.5h6.8L12 4M6.75 6.75v4M9.25 6.75v4" />,
  more: <><circle cx="3.25" cy="8" r=".9" fill="currentColor" /><circle cx="8" cy="8" r=".9" fill="currentColor" /><circle cx="12.75" cy="8" r=".9" fill="currentColor" /></>,
  copy: <><rect x="5.5" y="5.5" width="8" height="8" rx="1.5" /><path d="M10.5 5.5V4A1.5 1.5 0 009 2.5H4A1.5 1.5 0 002.5 4v5A1.5 1.5 0 004 10.5h1.5" /></>,
  check: <path d="M3 8.5l3.25 3.25L13 4.75" />,
  cross: <path d="M4 4l8 8M12 4l-8 8" />,
  plus: <path d="M8 3v10M3 8h10" />,
  down: <path d="M8 3v10M4 9l4 4 4-4" />,
  up: <path d="M8 13V3M4 7l4-4 4 4" />,
  chevron: <path d="M4 6l4 4 4-4" />,
  download: <path d="M8 2.5v7.5M4.75 7L8 10.25 11.25 7M2.5 13.5h11" />,
  clock: <><circle cx="8" cy="8" r="5.75" /><path d="M8 4.75V8l2.25 1.5" /></>,
  warn: <path d="M8 2.25l6.25 11.25H1.75zM8 6.5v3M8 11.5h.01" />,
  info: <><circle cx="8" cy="8" r="5.75" /><path d="M8 7.25v3.5M8 5.25h.01" /></>,
  user: <><circle cx="8" cy="5.25" r="2.75" /><path d="M2.75 13.75c.5-2.75 2.5-4.25 5.25-4.25s4.75 1.5 5.25 4.25" /></>,
  sun: <><circle cx="8" cy="8" r="2.75" /><path d="M8 1.5v1.25M8 13.25v1.25M1.5 8h1.25M13.25 8h1.25M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" /></>,
  moon: <path d="M13.25 9.5A5.75 5.75 0 116.5 2.75a4.5 4.5 0 006.75 6.75z" />,
  key: <><circle cx="5.25" cy="10.75" r="2.75" /><path d="M7.25 8.75l6-6M11 5l2 2" /></>,
  send: <path d="M2.5 8h10.5M9 4l4 4-4 4" />,
  box: <path d="M8 1.75l5.5 3v6.5L8 14.25l-5.5-3v-6.5zM2.5 4.75L8 7.75l5.5-3M8 7.75v6.5" />,
  users: <><circle cx="6" cy="5.5" r="2.25" /><path d="M1.75 13c.4-2.4 2-3.75 4.25-3.75S9.850 10.600 10.250 13M10.25 3.500a2.250 2.250 0 010 4M11.500 9.500c1.500.4 2.450 1.600 2.750 3.500" /></>,
  question: <><circle cx="8" cy="8" r="5.75" /><path d="M6.25 6.25c.2-1.100.9-1.600 1.850-1.600 1.100 0 1.850.7 1.850 1.600 0 1.400-1.950 1.500-1.950 2.750M8 11.250h.01" /></>,
} satisfies Record<string, JSX.Element>;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {paths[name]}
    </svg>
  );
}

// One uPlot chart. It draws on a canvas and sets styles through the CSSOM, so the strict policy does not touch it.
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { clock } from '../kit/format';
import { locale } from '../i18n';

export interface ChartProps {
  title: string;
  times: number[];
  values: (number | null)[];
  format: (value: number) => string;
  colour: string; // a custom property
  group: string; // charts of one group share their crosshair
  top?: number; // the scale reaches at least here
  limit?: number; // a line across
  whole?: boolean; // whole numbers only
  binary?: boolean; // marks at powers of two
}

export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>();
  const [at, setAt] = useState<number | null>(null);

  useEffect(() => {
    const host = box.current!;
    const style = getComputedStyle(host);
    const get = (name: string) => style.getPropertyValue(name).trim();
    const [line, soft, grid] = [get(props.colour), get('--text-soft'), get('--line')];
    const font = `11px ${get('--font')}`;
    const axis = { stroke: soft, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    chart.current = new uPlot({
      width: host.clientWidth || 300,
      height: 160,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: `server-${props.group}` }, y: false, points: { size: 7 }, drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: (_, __, high) => [0, Math.max(props.top ?? 0, (high || 0) * 1.1, props.whole ? 4 : 0.1)] } },
      axes: [
        { ...axis, size: 26, space: 70, values: (_, ticks) => ticks.map((s) => clock(s * 1000, locale.value).slice(0, 5)) },
        {
          ...axis, size: 62, space: 34,
          values: (_, ticks) => ticks.map(props.format),
          ...(props.whole ? { incrs: [1, 2, 5, 10, 20, 50, 100] } : {}),
          ...(props.binary ? { incrs: Array.from({ length: 22 }, (_, i) => 2 ** (20 + i)) } : {}),
        },
      ],
      series: [{}, { stroke: line, width: 1.5, fill: `color-mix(in srgb, ${line} 14%, transparent)`, points: { size: 4, fill: line }, spanGaps: false }],
      hooks: {
        setCursor: [(u) => setAt(u.cursor.idx ?? null)],
        draw: [(u) => {
          if (props.limit === undefined) return;
          const y = Math.round(u.valToPos(props.limit, 'y', true));
          u.ctx.save();
          u.ctx.strokeStyle = soft;
          u.ctx.setLineDash([4, 4]);
          u.ctx.beginPath();
          u.ctx.moveTo(u.bbox.left, y);
          u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
          u.ctx.stroke();
          u.ctx.restore();
        }],
      },
    }, [props.times, props.values], host);
    const watcher = new ResizeObserver(() => {
      if (host.clientWidth > 0) chart.current?.setSize({ width: host.clientWidth, height: 160 });
    });
    watcher.observe(host);
    return () => {
      watcher.disconnect();
      chart.current?.destroy();
    };
  }, []);

  useEffect(() => chart.current?.setData([props.times, props.values]), [props.times, props.values]);

  const shown = at === null ? lastOf(props.values) : at;
  const value = shown === null ? null : props.values[shown];
  return (
    <figure class="chart">
      <figcaption>
        <span>{props.title}</span>
        <span class="chart-value">{value === null || value === undefined ? '–' : props.format(value)}{at !== null && props.times[at] ? <span class="soft"> {clock(props.times[at]! * 1000, locale.value)}</span> : null}</span>
      </figcaption>
      <div ref={box} class="chart-box" role="img" aria-label={`${props.title}: ${value === null || value === undefined ? '–' : props.format(value)}`} />
    </figure>
  );
}

function lastOf(values: (number | null)[]): number | null {
  for (let i = values.length - 1; i >= 0; i--) if (values[i] !== null) return i;
  return null;
}

// Memory, CPU and players over time, with one crosshair over all charts.
import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { problemOf } from '../api/http';
import type { Problem, Samples, Server } from '../api/types';
import { theme } from '../frame/theme';
import { locale, t } from '../i18n';
import { Ago, Empty, Trouble } from '../kit/bits';
import { bytes, number, sentence } from '../kit/format';
import { Chart } from './chart';
import { columns, type Columns } from './series';
import { WhyPanel } from './why';

const ranges = [['15 min', 15], ['1 h', 60]] as const; // what the controller keeps (controller/monitor)

export default function Overview({ server }: { server: Server }) {
  const [minutes, setMinutes] = useState<number>(60);
  const [samples, setSamples] = useState<Samples>();
  const [problem, setProblem] = useState<Problem>();
  const live = useRef(true);

  useEffect(() => {
    live.current = true;
    const read = async () => {
      try {
        const got = await api.samples(server.name, new Date(Date.now() - minutes * 60_000));
        if (!live.current) return;
        setSamples(got);
        setProblem(undefined);
      } catch (error) {
        if (live.current) setProblem(problemOf(error));
      }
    };
    void read();
    const timer = setInterval(() => { if (!document.hidden) void read(); }, minutes <= 60 ? 5_000 : 30_000);
    return () => {
      live.current = false;
      clearInterval(timer);
    };
  }, [server.name, minutes]);

  const data: Columns | undefined = samples && columns(samples, Date.now() - minutes * 60_000, Date.now());
  const gib = (v: number) => bytes(v, locale.value);
  const anyPlayers = data?.players.some((v) => v !== null);
  const anyTps = data?.tps.some((v) => v !== null);
  return (
    <div class="overview">
      <div class="overview-head">
        <div class="segmented" role="group" aria-label={t('overview.range')}>
          {ranges.map(([label, m]) => <button type="button" key={m} aria-pressed={minutes === m} onClick={() => setMinutes(m)}>{label}</button>)}
        </div>
      </div>
      {server.state === 'waiting' && <WhyPanel server={server} />}
      {problem && <Trouble problem={problem} />}
      {data && data.count === 0 && <Empty icon="activity" title={t('overview.none')}><p class="soft">{t('overview.noneText')}</p></Empty>}
      {data && data.count > 0 && (
        <div class="charts" key={`${theme.value}-${locale.value}`}>
          <Chart title={t('memory')} times={data.times} values={data.memory} format={gib} top={server.memory_bytes} limit={server.memory_bytes} colour="--chart-1" group={server.name} binary />
          <Chart title={t('cpu.cores')} times={data.times} values={data.cpu} format={(v) => number(v, locale.value, 2)} colour="--chart-2" group={server.name} />
          {anyPlayers && <Chart title={t('players')} times={data.times} values={data.players} format={(v) => number(v, locale.value)} colour="--chart-3" group={server.name} whole />}
          {anyTps && <Chart title={t('overview.tps')} times={data.times} values={data.tps} format={(v) => number(v, locale.value, 1)} top={20} colour="--chart-4" group={server.name} />}
        </div>
      )}
      <dl class="facts">
        <dt>{t('state')}</dt><dd>{sentence(server.explain) || '–'}</dd>
        {server.usage?.player_names && server.usage.player_names.length > 0 && <><dt>{t('players')}</dt><dd>{server.usage.player_names.join(', ')}</dd></>}
        <dt>{t('overview.started')}</dt><dd><Ago time={server.started_at} /></dd>
        <dt>{t('overview.restarts')}</dt><dd>{server.restarts}</dd>
        <dt>{t('overview.disk')}</dt><dd>{server.usage ? `${gib(server.usage.disk_bytes)} / ${gib(server.disk_bytes)}` : gib(server.disk_bytes)}</dd>
        <dt>{t('overview.image')}</dt><dd class="mono">{server.image || '–'}</dd>
        <dt>{t('overview.owner')}</dt><dd>{server.owner || '–'}</dd>
        <dt>{t('overview.created')}</dt><dd><Ago time={server.created_at} /></dd>
      </dl>
      {server.state !== 'waiting' && <WhyPanel server={server} />}
    </div>
  );
}

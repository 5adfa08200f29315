// "Create a server": pick a card, and everything else already has a good value.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useLocation, useSearch } from 'wouter-preact';
import { api } from '../api/calls';
import { idempotencyKey, problemOf } from '../api/http';
import type { Problem, Template } from '../api/types';
import { useTitle } from '../frame/title';
import { t } from '../i18n';
import { Button, Trouble } from '../kit/bits';
import { useFresh } from '../live/resource';
import { TemplateCards } from './cards';
import { EnvForm, envProblem } from './env';
import { MemoryField } from './memory';
import { nameProblem, suggest } from './names';
import { merge, nodes, servers, templates } from './store';

const gib = 2 ** 30;

export function CreatePage() {
  useTitle(t('create'));
  useFresh(templates, 60_000, () => false);
  useFresh(servers, 30_000, (e) => e.type.startsWith('server.'));
  useFresh(nodes, 30_000, (e) => e.type.startsWith('node.'));
  const [, go] = useLocation();
  const wanted = new URLSearchParams(useSearch()).get('template');

  const list = templates.value.value;
  const taken = useMemo(() => new Set((servers.value.value ?? []).map((s) => s.name)), [servers.value.value]);
  const [picked, setPicked] = useState<string | undefined>(wanted ?? undefined);
  const template: Template | undefined = list?.find((each) => each.name === picked) ?? list?.[0];
  const [name, setName] = useState(() => suggest(taken));
  const [version, setVersion] = useState<string>();
  const [memory, setMemory] = useState<number>();
  const [env, setEnv] = useState<Record<string, string>>({});
  const [start, setStart] = useState(true);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const key = useRef(idempotencyKey()); // one per form: sending it twice makes one server

  useEffect(() => {
    setVersion(undefined);
    setMemory(undefined);
    setEnv({});
  }, [template?.name]);

  if (!template) return <section><h1>{t('create')}</h1><TemplateCards onPick={setPicked} /></section>;

  const most = Math.max(8 * gib, ...(nodes.value.value ?? []).map((n) => Math.floor(n.memory_schedulable_bytes / gib) * gib));
  const wrongName = nameProblem(name, taken);
  const wrongEnv = (template.env ?? []).some((e) => envProblem(e, env[e.name] ?? ''));

  const submit = async (e: globalThis.Event) => {
    e.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      const row = await api.createServer({
        name, template: template.name, start,
        version: version ?? template.default_version,
        memory_bytes: memory ?? template.memory_recommended,
        env: Object.fromEntries(Object.entries(env).filter(([, v]) => v !== '')),
      }, key.current);
      merge(row);
      go(`/servers/${row.name}`);
    } catch (error) {
      const got = problemOf(error);
      setProblem(got);
      if (got.status !== 0) key.current = idempotencyKey(); // refused: may be sent again, changed. Lost: the same order again.
    } finally {
      setBusy(false);
    }
  };

  return (
    <form class="create" onSubmit={submit}>
      <h1>{t('create')}</h1>
      <TemplateCards picked={template.name} onPick={setPicked} />
      <div class="panel">
        <div class="fields">
          <div class="field">
            <label for="name">{t('name')}</label>
            <div class="with-button">
              <input id="name" class="mono" value={name} maxLength={32} autocomplete="off" autocapitalize="off" spellcheck={false} aria-invalid={!!wrongName} aria-describedby="name-help"
                onInput={(e) => setName(e.currentTarget.value.toLowerCase())} />
              <Button icon="restart" aria-label={t('create.another')} title={t('create.another')} onClick={() => setName(suggest(taken))} />
            </div>
            <p id="name-help" class={wrongName ? 'bad-text small-text' : 'soft small-text'}>{t(wrongName ?? 'name.help')}</p>
          </div>
          <div class="field">
            <label for="version">{t('version')}</label>
            <select id="version" value={version ?? template.default_version} onChange={(e) => setVersion(e.currentTarget.value)}>
              {(template.versions?.length ? template.versions : [template.default_version]).map((v) => <option key={v} value={v}>{v}</option>)}
            </select>
            <p class="soft small-text mono">{template.image}</p>
          </div>
          <MemoryField value={memory ?? template.memory_recommended} min={template.memory_min} max={most} recommended={template.memory_recommended} onChange={setMemory} />
          <label class="check"><input type="checkbox" checked={start} onChange={(e) => setStart(e.currentTarget.checked)} /> {t('create.start')}</label>
        </div>
        {(template.env ?? []).length > 0 && (
          <details class="more">
            <summary>{t('create.more')}</summary>
            <EnvForm list={template.env} values={env} onChange={(n, v) => setEnv({ ...env, [n]: v })} />
          </details>
        )}
        {problem && <Trouble problem={problem} />}
        <div class="form-foot">
          <a class="button plain" href="/servers"><span>{t('cancel')}</span></a>
          <Button type="submit" tone="primary" busy={busy} disabled={!!wrongName || wrongEnv}>{start ? t('create.go') : t('create.only')}</Button>
        </div>
      </div>
    </form>
  );
}

// A server's settings: version, memory, the template's own; and at the end what cannot be undone.
import { useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { api } from '../api/calls';
import { problemOf } from '../api/http';
import type { PatchServer, Problem, Server, TemplateEnv } from '../api/types';
import { toast } from '../frame/toasts';
import { t } from '../i18n';
import { Button, Trouble } from '../kit/bits';
import { ConfirmByName } from '../kit/dialog';
import { useFresh, type Resource } from '../live/resource';
import { changes } from './changes';
import { EnvForm, envProblem } from './env';
import { MemoryField } from './memory';
import { nodes, order, templates } from './store';

const gib = 2 ** 30;

export default function Settings({ server, resource }: { server: Server; resource: Resource<Server> }) {
  useFresh(templates, 60_000, () => false);
  useFresh(nodes, 60_000, () => false);
  const [, go] = useLocation();
  const [base, setBase] = useState(server); // what the edits began from: a change by someone else meanwhile is a conflict
  const [version, setVersion] = useState(server.version);
  const [memory, setMemory] = useState(server.memory_bytes);
  const [env, setEnv] = useState<Record<string, string>>(server.env ?? {});
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const [deleting, setDeleting] = useState(false);

  const template = templates.value.value?.find((each) => each.name === server.template);
  const known = template?.env ?? [];
  const extra: TemplateEnv[] = Object.keys(base.env ?? {}).filter((n) => !known.some((k) => k.name === n)).sort().map((n) => ({ name: n, kind: 'text' }));
  const patch = changes(base, { version, memory, env });
  const wrong = known.some((e) => envProblem(e, env[e.name] ?? ''));
  const node = nodes.value.value?.find((n) => n.name === server.node);
  const most = Math.max(8 * gib, server.memory_bytes, node ? Math.floor(node.memory_schedulable_bytes / gib) * gib : 0);
  const versions = [...new Set([server.version, ...(template?.versions ?? [])])].filter(Boolean);

  const reset = (to: Server) => {
    setBase(to);
    setVersion(to.version);
    setMemory(to.memory_bytes);
    setEnv(to.env ?? {});
    setProblem(undefined);
  };
  const save = async (e: globalThis.Event) => {
    e.preventDefault();
    if (!patch) return;
    setBusy(true);
    try {
      const row = await api.patchServer(server.name, base.revision, patch as PatchServer);
      resource.value.value = row;
      reset(row);
      toast(row.restart_required ? t('settings.savedRestart') : t('settings.saved'));
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      setBusy(false);
    }
  };
  const conflict = problem?.status === 412;
  return (
    <div class="settings">
      <form class="panel" onSubmit={save}>
        <h2>{t('settings.server')}</h2>
        <div class="fields">
          <div class="field">
            <label for="version">{t('version')}</label>
            <select id="version" value={version} onChange={(e) => setVersion(e.currentTarget.value)}>
              {versions.map((v) => <option key={v} value={v}>{v}</option>)}
            </select>
          </div>
          <MemoryField value={memory} min={template?.memory_min ?? gib / 2} max={most} recommended={template?.memory_recommended} onChange={setMemory} />
        </div>
        {known.length + extra.length > 0 && <h2>{t('settings.game')}</h2>}
        <EnvForm list={[...known, ...extra]} values={env} onChange={(n, v) => setEnv({ ...env, [n]: v })} />
        {problem && (conflict
          ? <Trouble problem={problem}><Button small onClick={async () => { await resource.refresh(); reset(resource.value.value ?? server); }}>{t('settings.reload')}</Button></Trouble>
          : <Trouble problem={problem} onClose={() => setProblem(undefined)} />)}
        <div class="form-foot">
          <span class="soft small-text">{patch ? t('settings.changed') : ''}</span>
          <Button disabled={!patch || busy} onClick={() => reset(base)}>{t('settings.discard')}</Button>
          <Button type="submit" tone="primary" busy={busy} disabled={!patch || wrong}>{t('settings.save')}</Button>
        </div>
      </form>
      <div class="panel danger-zone">
        <div>
          <h2>{t('delete.heading')}</h2>
          <p class="soft">{t('delete.text')}</p>
        </div>
        <Button tone="danger" icon="trash" onClick={() => setDeleting(true)}>{t('verb.delete')}</Button>
      </div>
      {deleting && <ConfirmByName title={t('delete.title', { name: server.name })} name={server.name} text={t('delete.text')} action={t('verb.delete')}
        onClose={() => setDeleting(false)} onConfirm={async () => { if (!(await order(server.name, 'delete'))) go('/servers'); }} />}
    </div>
  );
}

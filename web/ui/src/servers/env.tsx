// The settings of a template as a form. Values are strings, as the container's environment is.
import type { TemplateEnv } from '../api/types';
import { t } from '../i18n';

/** Why a value cannot be, in words; undefined when it can. Pure but for the language. */
export function envProblem(env: TemplateEnv, value: string): string | undefined {
  if (value === '') return undefined; // empty = the template's default
  if (env.kind === 'int') {
    if (!/^-?\d+$/.test(value)) return t('env.int');
    const n = Number(value);
    if (n < (env.min ?? -Infinity) || n > (env.max ?? Infinity)) return t('env.range', { min: env.min ?? '…', max: env.max ?? '…' });
  } else if (env.max && value.length > env.max) return t('env.long', { max: env.max });
  if (env.kind === 'enum' && env.enum && !env.enum.includes(value)) return t('env.enum', { values: env.enum.join(', ') });
  return undefined;
}

const spelled: Record<string, string> = { motd: 'MOTD', pvp: 'PvP', ops: 'Operators', rcon: 'RCON', jvm: 'JVM', url: 'URL', tps: 'TPS', id: 'ID', npcs: 'NPCs' };

/** "MAX_PLAYERS" → "Max players". */
export function envLabel(name: string): string {
  const words = name.toLowerCase().split('_').map((w) => spelled[w] ?? w).join(' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function EnvForm({ list, values, onChange }: { list: TemplateEnv[]; values: Record<string, string>; onChange: (name: string, value: string) => void }) {
  return (
    <div class="fields">
      {list.map((env) => {
        const value = values[env.name] ?? '';
        const id = `env-${env.name}`;
        const wrong = envProblem(env, value);
        const set = (to: string) => onChange(env.name, to);
        return (
          <div class="field" key={env.name}>
            <label for={id}>{envLabel(env.name)} <code class="soft">{env.name}</code></label>
            {env.kind === 'bool' || env.kind === 'enum' ? (
              <select id={id} value={value} onChange={(e) => set(e.currentTarget.value)}>
                <option value="">{env.default ? t('env.default', { value: env.default }) : t('env.unset')}</option>
                {(env.kind === 'bool' ? ['true', 'false'] : env.enum ?? []).map((v) => <option key={v} value={v}>{v}</option>)}
              </select>
            ) : (
              <input id={id} value={value} placeholder={env.default ?? ''} inputMode={env.kind === 'int' ? 'numeric' : 'text'} spellcheck={false} autocomplete="off"
                aria-invalid={!!wrong} aria-describedby={`${id}-help`} onInput={(e) => set(e.currentTarget.value)} />
            )}
            <p id={`${id}-help`} class={wrong ? 'bad-text small-text' : 'soft small-text'}>{wrong ?? env.help ?? ''}</p>
          </div>
        );
      })}
    </div>
  );
}

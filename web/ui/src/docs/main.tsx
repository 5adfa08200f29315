// The API's documentation page: reads /api/openapi.json from this very controller and shows it. Works without the Internet.
import { render } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { apply } from '../frame/theme';
import { Copy } from '../kit/bits';
import '../styles/tokens.css';
import '../styles/base.css';
import '../styles/parts.css';
import '../styles/docs.css';
import { curl, refName, typeName, type Schema } from './shape';

interface Content { [media: string]: { schema?: Schema } }
interface Operation {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: Schema }[];
  requestBody?: { content?: Content; required?: boolean };
  responses?: Record<string, { description?: string; content?: Content }>;
  'x-permission'?: string;
}
interface Document {
  info: { title: string; version: string; description?: string };
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}
interface Entry { method: string; path: string; operation: Operation; id: string }

function Type({ schema }: { schema: Schema | undefined }) {
  const name = typeName(schema);
  const ref = schema?.$ref ?? schema?.items?.$ref ?? schema?.allOf?.[0]?.$ref;
  return ref ? <a class="mono" href={`#type-${refName(ref)}`}>{name}</a> : <span class="mono soft">{name}</span>;
}

const schemaOf = (content: Content | undefined) => Object.values(content ?? {})[0]?.schema;

function OperationView({ entry: { method, path, operation, id } }: { entry: Entry }) {
  const body = schemaOf(operation.requestBody?.content);
  const line = curl(method, path, location.origin, !!body);
  return (
    <article class="operation" id={id}>
      <h3><span class={`method ${method}`}>{method.toUpperCase()}</span> <code>{path}</code></h3>
      <p>{operation.summary}{operation['x-permission'] && <span class="tag">{operation['x-permission']}</span>}</p>
      {operation.description && <p class="soft">{operation.description}</p>}
      {(operation.parameters ?? []).length > 0 && (
        <table class="fields-table">
          <thead><tr><th>Parameter</th><th>In</th><th>Type</th><th>Meaning</th></tr></thead>
          <tbody>{operation.parameters!.map((p) => <tr key={p.in + p.name}><td><code>{p.name}</code>{p.required && ' *'}</td><td>{p.in}</td><td><Type schema={p.schema} /></td><td>{p.description}</td></tr>)}</tbody>
        </table>
      )}
      <p class="small-text">
        {body && <>Body: <Type schema={body} />. </>}
        Answers: {Object.entries(operation.responses ?? {}).map(([status, r], i) => {
          const schema = schemaOf(r.content);
          return <span key={status}>{i > 0 && ', '}<strong>{status}</strong>{schema && <> <Type schema={schema} /></>}</span>;
        })}
      </p>
      <div class="curl"><code>{line}</code><Copy text={line} label="Copy" /></div>
    </article>
  );
}

function TypeView({ name, schema }: { name: string; schema: Schema }) {
  return (
    <article class="operation" id={`type-${name}`}>
      <h3><code>{name}</code></h3>
      {schema.description && <p class="soft">{schema.description}</p>}
      <table class="fields-table">
        <thead><tr><th>Field</th><th>Type</th><th>Meaning</th></tr></thead>
        <tbody>{Object.entries(schema.properties ?? {}).map(([field, s]) => <tr key={field}><td><code>{field}</code>{!schema.required?.includes(field) && <span class="soft"> optional</span>}</td><td><Type schema={s} /></td><td>{s.description}</td></tr>)}</tbody>
      </table>
    </article>
  );
}

function Docs() {
  const [doc, setDoc] = useState<Document>();
  const [failed, setFailed] = useState(false);
  const [query, setQuery] = useState('');
  useEffect(() => {
    fetch('/api/openapi.json').then((r) => (r.ok ? r.json() : Promise.reject(new Error(String(r.status))))).then((d: Document) => {
      setDoc(d);
      requestAnimationFrame(() => document.getElementById(location.hash.slice(1))?.scrollIntoView());
    }).catch(() => setFailed(true));
  }, []);
  const groups = useMemo(() => {
    const out = new Map<string, Entry[]>();
    for (const [path, item] of Object.entries(doc?.paths ?? {})) {
      for (const [method, operation] of Object.entries(item)) {
        if (!`${method} ${path} ${operation.summary}`.toLowerCase().includes(query.toLowerCase())) continue;
        const tag = operation.tags?.[0] ?? 'other';
        out.set(tag, [...(out.get(tag) ?? []), { method, path, operation, id: operation.operationId ?? `${method}${path.replace(/\W+/g, '-')}` }]);
      }
    }
    return [...out];
  }, [doc, query]);
  if (failed) return <main class="docs-main"><p role="alert">The document at /api/openapi.json could not be read. Reload the page when the controller answers again.</p></main>;
  if (!doc) return <main class="docs-main" aria-busy="true" />;
  const types = Object.entries(doc.components?.schemas ?? {}).filter(([name]) => name.toLowerCase().includes(query.toLowerCase()));
  return (
    <div class="docs">
      <nav class="docs-nav" aria-label="Operations">
        <a href="/" class="strong">← PayPerPlay</a>
        <input type="search" placeholder="Filter" aria-label="Filter" value={query} onInput={(e) => setQuery(e.currentTarget.value)} />
        {groups.map(([tag, entries]) => (
          <section key={tag}>
            <h2>{tag}</h2>
            <ul>{entries.map((e) => <li key={e.id}><a href={`#${e.id}`}><span class={`method ${e.method}`}>{e.method.toUpperCase()}</span> {e.path.replace('/api', '')}</a></li>)}</ul>
          </section>
        ))}
      </nav>
      <main class="docs-main">
        <h1>{doc.info.title} API <span class="soft">{doc.info.version}</span></h1>
        {doc.info.description && <p>{doc.info.description}</p>}
        <p class="soft">Send the operator’s token as <code>Authorization: Bearer …</code>. The document itself: <a href="/api/openapi.json">/api/openapi.json</a></p>
        {groups.map(([tag, entries]) => <section key={tag}><h2>{tag}</h2>{entries.map((e) => <OperationView key={e.id} entry={e} />)}</section>)}
        {types.length > 0 && <section><h2>types</h2>{types.map(([name, schema]) => <TypeView key={name} name={name} schema={schema} />)}</section>}
      </main>
    </div>
  );
}

apply();
render(<Docs />, document.getElementById('app')!);

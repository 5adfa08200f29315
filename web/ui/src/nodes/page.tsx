// The nodes: when each was last heard, how it does, what it has room for.
import { useState } from 'preact/hooks';
import { useTitle } from '../frame/title';
import { t } from '../i18n';
import { Button, Empty, Trouble } from '../kit/bits';
import { useFresh } from '../live/resource';
import { nodes } from '../servers/store';
import { AddNode } from './add';
import { NodeCard } from './card';

export default function NodesPage() {
  useTitle(t('nodes'));
  useFresh(nodes, 2_000, (e) => e.type.startsWith('node.') || e.type.startsWith('scaling.'));
  const [adding, setAdding] = useState(false);
  const list = nodes.value.value;
  const shown = [...(list ?? [])].sort((a, b) => Number(a.state === 'revoked') - Number(b.state === 'revoked') || a.name.localeCompare(b.name));
  return (
    <section>
      <header class="page-head">
        <h1>{t('nodes')} {list && <span class="count">{list.length}</span>}</h1>
        <div class="page-tools"><Button tone="primary" icon="plus" onClick={() => setAdding(true)}>{t('node.add')}</Button></div>
      </header>
      {nodes.problem.value && <Trouble problem={nodes.problem.value} />}
      {list?.length === 0 && (
        <Empty icon="nodes" title={t('node.none')}>
          <p class="soft">{t('node.noneText')}</p>
          <Button tone="primary" icon="plus" onClick={() => setAdding(true)}>{t('node.add')}</Button>
        </Empty>
      )}
      <div class="node-list">{shown.map((node) => <NodeCard key={node.id} node={node} />)}</div>
      {adding && <AddNode taken={new Set(shown.map((n) => n.name))} onClose={() => setAdding(false)} />}
    </section>
  );
}

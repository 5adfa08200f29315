// What could not be read: why, how old what is shown is, and the way to try again. The same cause is said once.
import { t } from '../i18n';
import { Ago, Button, Trouble } from '../kit/bits';
import type { Resource } from '../live/resource';

export interface Read {
  resource: Resource<unknown>;
  what: string;
}

/** Resources whose reading failed, those with the same words together. */
export function failed(reads: readonly Read[]): Read[][] {
  const groups = new Map<string, Read[]>();
  for (const read of reads) {
    const p = read.resource.problem.value;
    if (p) groups.set(`${p.code} ${p.detail} ${p.title}`, [...(groups.get(`${p.code} ${p.detail} ${p.title}`) ?? []), read]);
  }
  return [...groups.values()];
}

export function Stale({ reads }: { reads: readonly Read[] }) {
  return (
    <>
      {failed(reads).map((group) => {
        const problem = group[0]!.resource.problem.value!;
        const what = group.map((r) => r.what).join(', ');
        const old = Math.min(...group.map((r) => r.resource.at.value));
        return (
          <Trouble key={what} problem={{ ...problem, title: problem.title || t('fleet.unread', { what }) }}>
            {old > 0 && <span class="soft small-text stale-age">{what}: {t('fleet.asOf')} <Ago time={new Date(old).toISOString()} /></span>}
            <Button small onClick={() => group.forEach((r) => void r.resource.refresh())}>{t('retry')}</Button>
          </Trouble>
        );
      })}
    </>
  );
}

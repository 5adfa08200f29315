// No cloud to rent from: said once, calmly, with the next step. The nodes work all the same.
import { t } from '../i18n';
import { sentence } from '../kit/format';
import { Icon } from '../kit/icons';
import type { Scaling } from './types';

export function Cloudless({ scaling: s }: { scaling: Scaling }) {
  return (
    <div class="notice">
      <Icon name="info" />
      <div class="notice-text">
        <p>{s.explain ? sentence(s.explain) : t('fleet.cloudless')}</p>
        <p class="soft">{s.next ? sentence(s.next) : t('fleet.cloudlessNext')}</p>
      </div>
    </div>
  );
}

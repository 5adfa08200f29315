import { useTitle } from '../frame/title';
import { t } from '../i18n';
import Feed from './feed';

export default function ActivityPage() {
  useTitle(t('activity'));
  return (
    <section>
      <header class="page-head"><h1>{t('activity')}</h1></header>
      <Feed />
    </section>
  );
}

// The catalogue as cards.
import { locale, t } from '../i18n';
import { Button, Trouble } from '../kit/bits';
import { bytes } from '../kit/format';
import { templates } from './store';

/** A small block picture in a hue of the template's name: no file to load, the same for ever. */
function Picture({ name }: { name: string }) {
  let h = 7;
  for (const c of name) h = (h * 31 + c.charCodeAt(0)) % 360;
  return (
    <svg class="picture" viewBox="0 0 64 64" width="48" height="48" aria-hidden="true" style={{ '--hue': String(h) }}>
      <path class="p1" d="M32 6l24 13-24 13L8 19z" /><path class="p2" d="M8 19l24 13v26L8 45z" /><path class="p3" d="M56 19L32 32v26l24-13z" />
    </svg>
  );
}

export function TemplateCards({ picked, onPick }: { picked?: string; onPick: (name: string) => void }) {
  const list = templates.value.value;
  if (!list) {
    return templates.problem.value ? <Trouble problem={templates.problem.value}><Button small onClick={() => void templates.refresh()}>{t('retry')}</Button></Trouble> : <p class="soft">{t('loading')}</p>;
  }
  return (
    <div class="cards" role="group" aria-label={t('create.template')}>
      {list.map((each) => (
        <button type="button" key={each.name} class={`card pick${picked === each.name ? ' picked' : ''}`} aria-pressed={picked === each.name} onClick={() => onPick(each.name)}>
          <Picture name={each.name} />
          <span class="card-text">
            <strong>{each.title}</strong>
            <span class="soft">{each.summary}</span>
            <span class="card-facts"><span>{bytes(each.memory_recommended, locale.value)}</span>{each.players && <span>{t('create.players', { players: each.players })}</span>}</span>
          </span>
        </button>
      ))}
    </div>
  );
}

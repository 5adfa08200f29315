// Memory as a slider with its figure beside it; the figure can be typed.
import { useState } from 'preact/hooks';
import { locale, t } from '../i18n';
import { bytes, parseSize } from '../kit/format';

const step = 256 * 2 ** 20;

export function MemoryField({ value, min, max, recommended, onChange }: {
  value: number; min: number; max: number; recommended?: number | undefined; onChange: (bytes: number) => void;
}) {
  const [text, setText] = useState<string>();
  const top = Math.max(max, min, value);
  const commit = () => {
    const read = text === undefined ? undefined : parseSize(text);
    if (read !== undefined) onChange(Math.min(top, Math.max(min, read)));
    setText(undefined);
  };
  return (
    <div class="field">
      <label for="memory">{t('memory')}</label>
      <div class="slider">
        <input id="memory" type="range" min={min} max={top} step={step} value={value} aria-valuetext={bytes(value, locale.value)}
          onInput={(e) => onChange(Number(e.currentTarget.value))} />
        <input class="slider-text" aria-label={t('memory.exact')} value={text ?? bytes(value, locale.value)}
          onFocus={(e) => e.currentTarget.select()} onInput={(e) => setText(e.currentTarget.value)} onBlur={commit}
          onKeyDown={(e) => { if (e.key === 'Enter') { e.preventDefault(); commit(); } }} />
      </div>
      <p class="soft small-text">
        {recommended ? t('memory.help', { min: bytes(min, locale.value), recommended: bytes(recommended, locale.value) }) : t('memory.min', { min: bytes(min, locale.value) })}
      </p>
    </div>
  );
}

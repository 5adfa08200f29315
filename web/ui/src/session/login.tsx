// The way in: the operator's token.
import { useState } from 'preact/hooks';
import { problemOf } from '../api/http';
import type { Problem } from '../api/types';
import { useTitle } from '../frame/title';
import { language, setLanguage, t } from '../i18n';
import { Button, Trouble } from '../kit/bits';
import { login } from './session';

export function LoginPage() {
  useTitle(t('login.title'));
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  return (
    <main class="login">
      <form class="panel" onSubmit={async (e) => {
        e.preventDefault();
        setBusy(true);
        setProblem(undefined);
        try {
          await login(token);
        } catch (error) {
          setProblem(problemOf(error));
        } finally {
          setBusy(false);
        }
      }}>
        <img src="/favicon.svg" alt="" width="40" height="40" />
        <h1>{t('login.title')}</h1>
        <p class="soft">{t('login.text')}</p>
        <div class="field">
          <label for="token">{t('login.token')}</label>
          <input id="token" class="mono" type="password" autocomplete="current-password" autofocus spellcheck={false} value={token} onInput={(e) => setToken(e.currentTarget.value)} />
          <p class="soft small-text">{t('login.where')} <code>DATA/operator.token</code></p>
        </div>
        {problem && <Trouble problem={problem} />}
        <Button type="submit" tone="primary" busy={busy} disabled={!token.trim()}>{t('login.go')}</Button>
      </form>
      <p class="soft small-text">
        <button type="button" class="link" onClick={() => setLanguage(language.value === 'en' ? 'de' : 'en')}>{language.value === 'en' ? 'Deutsch' : 'English'}</button>
      </p>
    </main>
  );
}

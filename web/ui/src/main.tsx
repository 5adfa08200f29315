import { render } from 'preact';
import { App } from './app';
import { apply } from './frame/theme';
import { language } from './i18n';
import { restore } from './session/session';
import './styles/tokens.css';
import './styles/base.css';
import './styles/frame.css';
import './styles/parts.css';
import './styles/servers.css';
import './styles/console.css';
import './styles/nodes.css';
import './styles/fleet.css';

apply();
document.documentElement.lang = language.value;
void restore();
render(<App />, document.getElementById('app')!);

import { mount } from 'svelte';
import App from './components/App.svelte';
import { key } from './lib/api/client';
import { keepPage } from './lib/worker';
import './app.css';
import './highlight.css';

// Before anything looks at the address or asks the server.
key.pair();
const target = document.getElementById('app');
if (target) mount(App, { target });
keepPage();

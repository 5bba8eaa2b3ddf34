import { mount } from 'svelte';
import App from './components/App.svelte';
import './app.css';
import './highlight.css';

const target = document.getElementById('app');
if (target) mount(App, { target });

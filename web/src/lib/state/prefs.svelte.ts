import { copySettings, DEFAULT_SETTINGS, type ChatSettings } from '../store/types';

export type Theme = 'system' | 'light' | 'dark';

/** What people set for the page as a whole; kept in the browser. */
class Prefs {
  theme = $state<Theme>('system');
  isWelcomed = $state(false);
  isSidebarOpen = $state(true);
  /** Settings that new chats begin with. */
  defaults = $state.raw<ChatSettings>(copySettings(DEFAULT_SETTINGS));

  constructor() {
    const theme = read('hob.theme');
    if (theme === 'light' || theme === 'dark') this.theme = theme;
    this.isWelcomed = read('hob.welcomed') === 'yes';
    this.isSidebarOpen = read('hob.sidebar') !== 'closed';
    try {
      const kept = JSON.parse(read('hob.defaults') ?? 'null');
      if (kept && typeof kept === 'object') {
        this.defaults = { ...known(DEFAULT_SETTINGS, kept), sampling: known(DEFAULT_SETTINGS.sampling, kept.sampling ?? {}) };
      }
    } catch {
      // What cannot be read is as if it had never been set.
    }
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    const root = document.documentElement;
    if (theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = theme;
    write('hob.theme', theme);
  }

  setWelcomed(): void {
    this.isWelcomed = true;
    write('hob.welcomed', 'yes');
  }

  setSidebar(isOpen: boolean): void {
    this.isSidebarOpen = isOpen;
    write('hob.sidebar', isOpen ? 'open' : 'closed');
  }

  setDefaults(settings: ChatSettings): void {
    this.defaults = copySettings(settings);
    write('hob.defaults', JSON.stringify(settings));
  }
}

/** The defaults with what is set of them. What else is there came from another version, and the server would not take it. */
function known<T extends object>(defaults: T, kept: Partial<T>): T {
  const names = Object.keys(defaults) as (keyof T)[];
  return Object.fromEntries(names.map((name) => [name, kept[name] ?? defaults[name]])) as T;
}

function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Without storage a setting lasts as long as the page.
  }
}

export const prefs = new Prefs();

import { cloud as ask, setMode, type Cloud, type Mode } from '../api/cloud';
import { problemFrom } from '../api/problem';
import { notices } from './notices.svelte';

/** What may leave this machine, as the page knows it. */
class CloudState {
  now = $state.raw<Cloud | null>(null);

  /** The mode that holds, whatever a file says: a server without a network has one mode. */
  get mode(): Mode {
    return this.now === null || this.now.is_offline ? 'offline' : this.now.mode;
  }

  /** Models elsewhere that can be asked now. */
  get targets() {
    return this.mode === 'offline' ? [] : (this.now?.targets ?? []);
  }

  async load(): Promise<void> {
    try {
      this.now = await ask();
    } catch {
      // A key for chats alone does not open it; then nothing of it is shown, and nothing may leave by it.
      this.now = null;
    }
  }

  async choose(mode: Mode): Promise<void> {
    try {
      await setMode(mode);
    } catch (thrown) {
      notices.show(problemFrom(thrown).message, true);
    }
    await this.load();
  }
}

export const cloud = new CloudState();

/** Folders whose conversations never leave this machine, as far as the page knows; the server looks itself. */
class Folders {
  marked = $state.raw<string[]>([]);

  isPrivate(folder: string | null): boolean {
    return folder !== null && this.marked.includes(folder);
  }
}

export const folders = new Folders();
